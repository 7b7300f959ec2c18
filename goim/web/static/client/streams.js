// A message that is written bit by bit, over as many connections as it takes.
import { GoimError, isPassing } from "./errors.js";
import { sleep } from "./http.js";

const LEAST_PAUSE = 7; // ms; the server takes 200 chunks a second
const PAUSE = 500; // ms, before asking anew what cannot be known now

export class Stream {
  #link;
  #http;
  #data;
  #deltas = [];
  #sent = 0;
  #base = 0; // how many chunks there were when we came to it
  #connection = 0;
  #id = 0;
  #refused = null;
  #turn = Promise.resolve();

  constructor(link, http, data, text) {
    this.#link = link;
    this.#http = http;
    this.#data = data;
    this.text = text;
  }

  /** Begin it; `started` is the answer. The same clientMsgId again goes on with the same stream. */
  async start() {
    this.started = await this.#link.ask("start_stream", { ...this.#data, type: "stream", payload: { text: this.text } });
    this.#connection = this.started.duplicate ? 0 : this.#link.connection;
    let stored = null;
    while (this.started.duplicate && (stored = await this.#stored()) === undefined) await sleep(PAUSE);
    if (stored) {
      this.text = stored.payload?.text ?? "";
      this.#base = stored.streamIndex ?? 0;
    }
    this.#id = this.#link.listenForRefusals((error) => {
      if (isPassing(error)) this.#connection = 0; // what came after it arrived or not: ask how far the server is
      else this.#refused = error;
    });
    return this;
  }

  /** Append to it. What was lost with a connection goes again over the next; GoimError if it was refused. */
  write(delta) {
    if (!delta) return this.#turn;
    this.#deltas.push(delta);
    this.text += delta;
    this.#turn = this.#turn.then(() => this.#writeOn());
    return this.#turn;
  }

  /** It is complete: as it has grown, or as this text. */
  end(text = this.text) {
    const isGrown = text === this.text;
    this.text = text;
    return this.#finish({ finalText: text }, isGrown, this.#turn);
  }

  /** It will not be completed; what there is of it stays. */
  fail(why) {
    return this.#finish({ finalText: this.text, error: why }, true, this.#turn.catch(() => {}));
  }

  async #writeOn() {
    for (;;) {
      const connection = await this.#link.up();
      if (this.#refused) throw this.#refused;
      if (connection !== this.#connection) {
        const stored = await this.#stored();
        if (stored === undefined) await sleep(PAUSE);
        else this.#connection = connection;
        if (stored) this.#sent = Math.max((stored.streamIndex ?? 0) - this.#base, 0);
        continue;
      }
      if (this.#sent >= this.#deltas.length) return;
      const data = { streamId: this.started.streamId, delta: this.#deltas[this.#sent] };
      if (this.#link.tell(connection, this.#id, "stream_chunk", data)) this.#sent += 1;
      await sleep(LEAST_PAUSE);
    }
  }

  /** The message as the server has it; null if it is there no more, undefined if that cannot be known now. */
  async #stored() {
    const { convId, seq, serverMsgId } = this.started;
    try {
      const found = await this.#http.get("/api/messages/history", { convId, fromSeq: seq - 1, limit: 1 });
      return found.messages.find((message) => message.serverMsgId === serverMsgId) ?? null;
    } catch (error) {
      if (isPassing(error)) return undefined;
      throw error;
    }
  }

  async #finish(how, isGrown, written) {
    const { streamId } = this.started;
    try {
      await written;
      await this.#link.ask("end_stream", { streamId, ...how });
    } catch (error) {
      if (!(error instanceof GoimError)) throw error;
      if (error.code === "TOO_LARGE" && isGrown) return await this.#finishAsWritten(how);
      const stored = error.code === "STREAM_STATE" ? await this.#stored() : null;
      if (stored?.streamStatus !== (how.error ? "failed" : "done")) throw error; // else an earlier try has ended it
    } finally {
      this.#link.forget(this.#id);
    }
  }

  /** What has grown beyond what a frame may hold, the server has already. */
  async #finishAsWritten({ error }) {
    if (!error) await this.#writeOn();
    await this.#link.ask("end_stream", { streamId: this.started.streamId, error });
  }
}
