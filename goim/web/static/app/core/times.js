// Times as people say them.
import { language, t } from "./i18n.js";

const formats = new Map();

function format(options, at) {
  // What the browser calls its language says more than "en": whether the day has 24 hours, for one.
  const locale = navigator.language.startsWith(language.value) ? navigator.language : language.value;
  const key = locale + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(locale, options));
  return formats.get(key).format(at);
}

export const dayOf = (at) => new Date(at).setHours(0, 0, 0, 0);
const daysAgo = (at) => Math.round((dayOf(Date.now()) - dayOf(at)) / 86_400_000);

export const clock = (at) => format({ hour: "2-digit", minute: "2-digit" }, at);
export const whole = (at) => format({ dateStyle: "full", timeStyle: "short" }, at);

/** For a day line. */
export function day(at) {
  const ago = daysAgo(at);
  if (ago === 0) return t("time.today");
  if (ago === 1) return t("time.yesterday");
  if (ago < 7) return format({ weekday: "long" }, at);
  return format({ day: "numeric", month: "long", ...yearOf(at) }, at);
}

/** The year, where it is not this one. */
const yearOf = (at) => (new Date(at).getFullYear() === new Date().getFullYear() ? {} : { year: "numeric" });

/** For a list: the time today, else the day. */
export function brief(at) {
  const ago = daysAgo(at);
  if (ago === 0) return clock(at);
  if (ago === 1) return t("time.yesterday");
  if (ago < 7) return format({ weekday: "short" }, at);
  return format({ day: "numeric", month: "short", ...yearOf(at) }, at);
}

/** The time, and the day where it is another one. */
export const moment = (at) => (daysAgo(at) === 0 ? clock(at) : `${brief(at)} ${clock(at)}`);

/** When somebody was last here. */
export function ago(at) {
  const minutes = Math.floor((Date.now() - at) / 60_000);
  if (minutes < 1) return t("time.now");
  if (minutes < 60) return t("time.minutes", { count: minutes });
  if (minutes < 24 * 60 && daysAgo(at) === 0) return t("time.hours", { count: Math.floor(minutes / 60) });
  return `${brief(at)} ${daysAgo(at) === 1 ? clock(at) : ""}`.trim();
}

/** 75 → 1:15 */
export function length(seconds) {
  const whole = Math.round(seconds);
  const hours = Math.floor(whole / 3600);
  const parts = [Math.floor(whole / 60) % 60, whole % 60].map((part) => String(part).padStart(2, "0"));
  return hours ? `${hours}:${parts.join(":")}` : `${Number(parts[0])}:${parts[1]}`;
}

const UNITS = [["day", 86_400], ["hour", 3600], ["minute", 60], ["second", 1]];

/** 3600 → 1 hour */
export function term(seconds, unitDisplay = "long") {
  const [unit, size] = UNITS.find(([, size]) => seconds >= size) ?? UNITS.at(-1);
  return new Intl.NumberFormat(language.value, { style: "unit", unit, unitDisplay }).format(Math.floor(seconds / size));
}

/** How long it is until then: 0:42, 59:10, 23h. */
export function left(until) {
  const seconds = Math.max(0, Math.ceil((until - Date.now()) / 1000));
  return seconds < 3600 ? length(seconds) : term(seconds, "narrow");
}

export function bytes(size) {
  if (size < 1024) return `${size} B`;
  const [unit, divisor] = size < 1024 ** 2 ? ["KB", 1024] : size < 1024 ** 3 ? ["MB", 1024 ** 2] : ["GB", 1024 ** 3];
  return `${(size / divisor).toFixed(size / divisor < 10 ? 1 : 0)} ${unit}`;
}
