// What this browser is called among one's devices: its id says what it is, as the server knows nothing else of it.
import { newId } from "../../goim.js";

// The first that fits: most name others besides themselves.
const BROWSERS = { Edge: /Edg/, Opera: /OPR/, Firefox: /Firefox|FxiOS/, Chrome: /Chrom|CriOS/, Safari: /Safari/ };
const SYSTEMS = { Android: /Android/, iOS: /iPhone|iPad/, Windows: /Windows/, macOS: /Mac OS/, ChromeOS: /CrOS/, Linux: /Linux/ };

const among = (all) => Object.keys(all).find((name) => all[name].test(navigator.userAgent)) ?? "";

/** "web-Firefox-Windows-" and something random */
export const newDeviceId = () => ["web", among(BROWSERS), among(SYSTEMS), newId()].filter(Boolean).join("-");

/** "Firefox, Windows"; an id that says no such thing as it is. */
export function deviceName(deviceId) {
  const [, browser, system] = /^web-([A-Za-z]+)-([A-Za-z]+)-./.exec(deviceId) ?? [];
  return browser in BROWSERS && system in SYSTEMS ? `${browser}, ${system}` : deviceId;
}
