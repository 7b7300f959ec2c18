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

/** In `localStorage` under `key`: for all pages of this origin, until it is saved as null. */
export class LocalStore {
  constructor(key) {
    this.key = key;
  }

  load() {
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
    } catch (error) {
      console.warn(`goim: ${this.key} cannot be kept`, error); // full, or forbidden: the page itself goes on
    }
  }
}
