// What was said and is not acknowledged yet: kept over reloads, sent again under the same clientMsgId.
import { SessionOver } from "./errors.js";

export class Outbox {
  #link;
  #store;
  #emit;
  #waiting = new Map(); // clientMsgId → the data of its `send`
  #turns = new Map(); // conversation → the send before
  #left = new Set(); // clientMsgIds of what waits, and is not asked for since the session was over

  constructor(link, store, emit) {
    this.#link = link;
    this.#store = store;
    this.#emit = emit;
  }

  /** Everything that waits, in the order it was said: `{…data of send, at}`. */
  get waiting() {
    return [...this.#waiting.values()];
  }

  /** Send again what an earlier page could not, or this one before its session was over and came back; `own(clientMsgId)`
   * hears of each. */
  resume(own) {
    for (const data of [...this.#waiting.values(), ...(this.#store.load() ?? [])]) {
      if (this.#waiting.has(data.clientMsgId) && !this.#left.delete(data.clientMsgId)) continue;
      own(data.clientMsgId);
      this.send(data).catch(() => {}); // whoever listens hears `refused`
    }
  }

  /** Nothing of what waits will be sent by this page; it stays kept unless `isForgotten`. */
  clear({ isForgotten }) {
    this.#waiting.clear();
    this.#turns.clear();
    this.#left.clear();
    if (isForgotten) this.#store.save(null);
  }

  /** Say it, after what was said before in the same place. Emits `sending`, then `sent` or `refused`. */
  async send(data) {
    const place = data.convId ?? data.groupId ?? data.to;
    this.#waiting.set(data.clientMsgId, data);
    this.#store.save([...this.#keptBut(data), data]);
    this.#emit("sending", data);
    const { session } = this.#link;
    const before = this.#turns.get(place);
    const turn = Promise.resolve(before).then(() => this.#deliver(data, session));
    this.#turns.set(place, turn.then(() => {}, () => {}));
    return turn;
  }

  async #deliver(data, session) {
    const { at, ...wire } = data;
    try {
      this.#link.mustBe(session);
      const ack = await this.#link.ask("send", wire);
      this.#settle(data);
      this.#emit("sent", { data, ack });
      return ack;
    } catch (error) {
      this.#link.mustBe(session);
      if (!this.#waiting.has(data.clientMsgId)) throw error;
      if (error instanceof SessionOver) {
        this.#left.add(data.clientMsgId); // the next login sends it
        throw error;
      }
      this.#settle(data);
      this.#emit("refused", { data, error });
      throw error;
    }
  }

  #settle(data) {
    this.#waiting.delete(data.clientMsgId);
    const others = this.#keptBut(data);
    this.#store.save(others.length ? others : null);
  }

  /** What is kept beside this: by other pages of the browser, too. */
  #keptBut({ clientMsgId }) {
    return (this.#store.load() ?? []).filter((kept) => kept.clientMsgId !== clientMsgId);
  }
}
