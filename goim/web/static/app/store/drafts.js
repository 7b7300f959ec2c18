// What is begun to write: kept by the server for all devices, and here for as long as the server does not have it.
import { LocalStore } from "../../goim.js";
import { isPassing } from "../../client/errors.js";

const PAUSE = 800;
/** For so long what a page has told when it was left may be on its way. */
const UNDER_WAY = 10_000;
/** Characters that the server keeps. */
const MOST = 4096;

export class Drafts {
  #client;
  #kept = new LocalStore("goim.drafts");
  #texts = new Map(Object.entries(this.#kept.load() ?? {})); // convId → what the server does not have
  #timers = new Map(); // convId → when it will be told
  #telling = new Set(); // convIds of which a text is on its way: the next one waits, or it might be there first
  #left = new LocalStore("goim.drafts_left"); // {at, texts}: the same when a page was left, for the next one

  constructor(client) {
    this.#client = client;
    const { at = 0, texts = {} } = this.#left.load() ?? {};
    if (Date.now() - at < UNDER_WAY) for (const [convId, text] of Object.entries(texts)) this.#texts.set(convId, text);
    this.#left.save(null);
    addEventListener("pagehide", () => this.#leave());
  }

  #leave() {
    if (this.#texts.size) this.#left.save({ at: Date.now(), texts: Object.fromEntries(this.#texts) });
    for (const convId of [...this.#timers.keys()]) this.#save(convId, { isLast: true });
  }

  clear() {
    this.#timers.forEach(clearTimeout);
    for (const all of [this.#timers, this.#texts]) all.clear();
    this.#keep();
  }

  /** What was written here and is not with the server; undefined if that has it all. */
  of(convId) {
    return this.#texts.get(convId);
  }

  /** `isNew`: there is no conversation yet in which the server could keep it. */
  write({ convId, isNew }, text) {
    clearTimeout(this.#timers.get(convId));
    this.#texts.set(convId, text);
    if (!isNew) this.#timers.set(convId, setTimeout(() => this.#save(convId), PAUSE));
    else if (!text) this.#texts.delete(convId);
    if (isNew) this.#keep();
  }

  /** What could not be told before, of the conversations that there are. */
  saveAgain(isThere) {
    for (const convId of this.#texts.keys()) if (isThere(convId) && !this.#timers.has(convId)) this.#save(convId);
  }

  async #save(convId, { isLast = false } = {}) {
    clearTimeout(this.#timers.get(convId));
    this.#timers.delete(convId);
    if (this.#telling.has(convId) && !isLast) return;
    this.#telling.add(convId);
    const text = this.#texts.get(convId);
    const draft = [...text].slice(0, MOST).join("");
    const request = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ draft }), keepalive: true }; // the page may be left
    if (!this.#client.isConnected) this.#keep(); // and with it what comes after this
    const isTold = await this.#client.http.fetch(`/api/conversations/${encodeURIComponent(convId)}/draft`, request).then(
      () => draft === text,
      (error) => !isPassing(error), // a conversation that is gone has no draft
    );
    this.#telling.delete(convId);
    const isNewer = this.#texts.has(convId) && this.#texts.get(convId) !== text;
    if (isTold && !isNewer) this.#texts.delete(convId);
    this.#keep();
    if (isNewer && !this.#timers.has(convId)) this.#save(convId);
  }

  #keep() {
    this.#kept.save(this.#texts.size ? Object.fromEntries(this.#texts) : null);
  }
}
