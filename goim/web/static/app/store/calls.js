// The call that this page is in.
import { Calls } from "../../goim.js";
import { client, devices } from "../core/app.js";
import { Signal } from "../core/signal.js";

export const calls = new Calls(client, { open: devices.open });
export const callChanged = new Signal(0);

const SHOWN_AFTER = 4000;
let leaving = null;

addEventListener("pagehide", () => {
  if (calls.current && calls.current.state !== "incoming") calls.end().catch(() => {}); // nobody is left to tell
});

calls.changed = () => {
  clearTimeout(leaving);
  if (calls.current?.state === "ended") leaving = setTimeout(() => calls.dismiss(), SHOWN_AFTER);
  callChanged.poke();
};
