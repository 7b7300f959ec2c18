// Who listens to what.

/** `on(name, fn)` and `emit(name, data)`; a listener for "*" hears everything as (data, name). */
export class Emitter {
  #listeners = new Map();

  /** Call `fn(data, name)` whenever it happens; returns what ends that. */
  on(name, fn) {
    if (!this.#listeners.has(name)) this.#listeners.set(name, new Set());
    this.#listeners.get(name).add(fn);
    return () => this.#listeners.get(name).delete(fn);
  }

  /** The next time it happens, as a promise. */
  once(name) {
    return new Promise((resolve) => {
      const off = this.on(name, (data) => (off(), resolve(data)));
    });
  }

  emit(name, data) {
    for (const fn of [...(this.#listeners.get(name) ?? []), ...(this.#listeners.get("*") ?? [])]) {
      try {
        fn(data, name);
      } catch (error) {
        reportError(error); // one listener's mistake is not the others'
      }
    }
  }
}
