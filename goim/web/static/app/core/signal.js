// Values that views watch.
import { useLayoutEffect, useReducer } from "../../vendor/preact-htm.js";

/** A value; setting it, or `poke()` after changing what is in it, tells who watches. */
export class Signal {
  #value;
  #watchers = new Set();
  version = 0;

  constructor(value) {
    this.#value = value;
  }

  get value() {
    return this.#value;
  }

  set value(value) {
    if (value === this.#value) return;
    this.#value = value;
    this.poke();
  }

  poke() {
    this.version += 1;
    for (const watcher of [...this.#watchers]) watcher();
  }

  watch(watcher) {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }
}

/** The values of these signals, in a view that is drawn again when one of them changes. */
export function useSignals(...signals) {
  const [, again] = useReducer((n) => n + 1, 0);
  const seen = signals.map((signal) => signal.version);
  useLayoutEffect(() => {
    const offs = signals.map((signal) => signal.watch(again));
    if (signals.some((signal, at) => signal.version !== seen[at])) again(); // it changed before we watched
    return () => offs.forEach((off) => off());
  }, signals);
  return signals.map((signal) => signal.value);
}
