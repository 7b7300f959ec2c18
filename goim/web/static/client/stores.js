// Where a client keeps what outlives a page: its session, how far it has come, what is not acknowledged yet.

/** For the life of the page. `load()` is null until something was saved. */
export class MemoryStore {
  #kept = null;

  load() {
    return this.#kept;
  }

  save(value) {
    this.#kept = value;
  }
}

/** In `localStorage` under `key`: for all pages of this origin, until it is saved as null. Where nothing can be kept (it
 * is full, or forbidden, as in frames of other origins), for the life of the page. */
export class LocalStore {
  #unkept; // what could not be kept

  constructor(key) {
    this.key = key;
  }

  load() {
    if (this.#unkept !== undefined) return this.#unkept;
    try {
      return JSON.parse(localStorage.getItem(this.key) ?? "null");
    } catch {
      return null; // not ours, or forbidden: as if there were nothing
    }
  }

  save(value) {
    try {
      if (value === null) localStorage.removeItem(this.key);
      else localStorage.setItem(this.key, JSON.stringify(value));
      this.#unkept = undefined;
    } catch (error) {
      this.#unkept = value;
      console.warn(`goim: ${this.key} cannot be kept`, error);
    }
  }
}
