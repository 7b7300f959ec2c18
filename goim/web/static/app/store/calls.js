// The call that this page is in.
import { Calls, LocalStore } from "../../goim.js";
import { client, devices, notifier, people } from "../core/app.js";
import { Signal } from "../core/signal.js";
import { Ringing } from "./ringing.js";

export const calls = new Calls(client, { open: devices.open, kept: new LocalStore("goim.call") });
export const callChanged = new Signal(0);
export const ringing = new Ringing(people, notifier, devices);

const SHOWN_AFTER = 4000;
let leaving = null;

addEventListener("pagehide", () => {
  if (calls.current?.state === "outgoing") calls.end().catch(() => {}); // nobody is left to tell
});

calls.changed = () => {
  clearTimeout(leaving);
  if (calls.current?.state === "ended") leaving = setTimeout(() => calls.dismiss(), SHOWN_AFTER);
  ringing.follow(calls.current);
  callChanged.poke();
};
