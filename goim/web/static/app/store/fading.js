// What does not stay: how long what is said here lasts, and what is open only for a moment.
import { LocalStore } from "../../goim.js";
import { Signal } from "../core/signal.js";

const kept = new LocalStore("goim.fading");
/** Seconds that one may choose. */
export const TERMS = [60, 3600, 86_400, 604_800];

/** Whether it is not meant to stay: its files are kept nowhere longer than they are shown. */
export const isFading = ({ burnAfterRead, expireAt, expireAtMs }) => Boolean(burnAfterRead || expireAt || expireAtMs);

/** How long one may look at what disappears once read, in seconds. */
export function secondsFor({ type, payload }) {
  const spoken = ["voice", "video"].includes(type) ? Number(payload?.duration) || 0 : 0;
  const written = (payload?.text ?? "").length / 12;
  return Math.ceil(Math.min(120, Math.max(6, 4 + written, 5 + spoken)));
}

/** Of each conversation, what is chosen for all that is said there from now on: "burn", seconds, or nothing. */
export class Fading {
  chosen = new Signal(kept.load() ?? {});

  of(convId) {
    return this.chosen.value[convId] ?? null;
  }

  choose(convId, term) {
    const { [convId]: before, ...others } = this.chosen.value;
    this.chosen.value = term === null ? others : { ...others, [convId]: term };
    kept.save(this.chosen.value);
  }

  clear() {
    kept.save(null);
    this.chosen.value = {};
  }

  /** The part of a `send` that says so. */
  fieldsFor(convId) {
    const term = this.of(convId);
    if (term === null) return {};
    return term === "burn" ? { burnAfterRead: true } : { expireAtMs: Date.now() + term * 1000 };
  }
}
