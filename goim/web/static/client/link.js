// The live connection: comes back after every loss, and asks again what was not answered.
import { FOR_GOOD, GoimError, SessionOver } from "./errors.js";
import { sleep } from "./http.js";

const RETRIED = ["RATE_LIMIT", "UNAVAILABLE"];

/** A clock that was put back says nothing: long ago. */
const since = (at) => Math.abs(Date.now() - at);

/** Milliseconds: pauses between attempts grow from `firstPause` to `longestPause`; a connection that is silent for
 * `heartbeat` is asked for a sign of life, and has as long again to give it. */
export const TIMING = { firstPause: 250, longestPause: 30_000, heartbeat: 20_000, patience: 15_000 };

/** One WebSocket after another. `take` gets every envelope in the order it came, `turned` hears true when a
 * connection stands and false when it is gone. */
export class Link {
  #http;
  #timing;
  #asked = new Map(); // id → {text, resolve, reject}
  #told = new Map(); // id → who hears of refusals
  #number = 0;
  #ws = null;
  #largest = null; // of what was sent over this connection: {size, refuse}
  #run = null; // which `run` is in force
  #wake = () => {};
  #heardAt = 0;
  #pingedAt = null;
  connection = 0;
  session = 0; // how many there were before
  over = null;
  /** Done before each attempt; if it fails, the attempt has. */
  prepare = async () => {};
  take = () => {};
  turned = () => {};
  ended = () => {};

  constructor(http, timing) {
    this.#http = http;
    this.#timing = timing;
  }

  get isUp() {
    return this.#ws !== null;
  }

  /** Ask until there is an answer, over as many connections as it takes; GoimError if it is no. Only for what may be
   * asked twice: too fast, or not available now, counts as no answer. */
  async ask(action, data) {
    const { session } = this;
    for (;;) {
      this.mustBe(session);
      const envelope = await this.#answer(action, data);
      if (envelope.action !== "error") return envelope.data;
      if (!RETRIED.includes(envelope.data.code)) throw new GoimError(envelope.data);
      await sleep(Math.max(envelope.data.retryAfterMs ?? 0, 100));
    }
  }

  #answer(action, data) {
    if (this.over) return Promise.reject(this.over);
    const id = ++this.#number;
    const text = JSON.stringify({ action, data, id });
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { text, resolve, reject });
      if (this.#ws) this.#sendAsked(id);
    });
  }

  #sendAsked(id) {
    const { text, reject } = this.#asked.get(id);
    this.#send(text, (error) => this.#asked.delete(id) && reject(error));
  }

  #send(text, refuse) {
    const size = new TextEncoder().encode(text).length;
    if (size > this.#largest.size) this.#largest = { size, refuse };
    this.#ws.send(text);
  }

  /** Send what is not answered, over this connection or not at all (false). `refused(error)` hears of a refusal. */
  tell(connection, id, action, data) {
    if (!this.#ws || connection !== this.connection) return false;
    this.#send(JSON.stringify({ action, data, id }), (error) => this.#told.get(id)?.(error));
    return true;
  }

  /** An id for what is told, until `forget(id)`. */
  listenForRefusals(refused) {
    const id = ++this.#number;
    this.#told.set(id, refused);
    return id;
  }

  forget(id) {
    this.#told.delete(id);
  }

  /** Wait for a connection; its number. */
  async up() {
    const { session } = this;
    while (!this.#ws) {
      if (this.over) throw this.over;
      await new Promise((resolve) => this.#waiting.push(resolve));
      this.mustBe(session);
    }
    return this.connection;
  }
  #waiting = [];

  /** Connect now rather than later: the network is back, somebody looks at the page. */
  wake() {
    this.#wake();
    if (this.#ws && since(this.#heardAt) > 5000) this.#ping();
  }

  /** The network says it is gone: do not wait to find out. */
  drop() {
    this.#ws?.close();
    this.#lost?.(1006);
  }
  #lost = null;

  /** Stay connected until the server ends it for good, or `stop`. */
  async run() {
    if (this.#run) return;
    const run = (this.#run = Symbol("run"));
    this.over = null;
    let failures = 0;
    while (this.#run === run) {
      let heard = false;
      let wait = null;
      try {
        ({ heard, wait } = await this.#one(run));
      } catch (error) {
        if (error instanceof SessionOver && this.#run === run) return this.#end(error);
      }
      if (this.#run !== run) return;
      failures = heard ? 0 : failures + 1;
      wait ??= Math.min(this.#timing.firstPause * 2 ** Math.min(failures, 16), this.#timing.longestPause) * (0.5 + Math.random() / 2);
      await Promise.race([sleep(wait), new Promise((resolve) => (this.#wake = resolve))]);
    }
  }

  stop() {
    this.#run = null;
    this.drop();
    this.#wake();
  }

  /** Nobody waits for an answer any more: the session was another. */
  clear() {
    this.session += 1;
    this.#reject(new SessionOver("logged out", 4001));
  }

  /** What began in an earlier session does not go on in this one. */
  mustBe(session) {
    if (session !== this.session) throw new SessionOver("logged out", 4001);
  }

  #reject(error) {
    for (const { reject } of this.#asked.values()) reject(error);
    this.#asked.clear();
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  async #one(run) {
    if (!this.#http.token) throw new SessionOver("nobody is logged in", 401);
    await this.prepare();
    if (this.#run !== run) return { heard: false, wait: 0 }; // stopped meanwhile: another connection may stand
    const { token, deviceId } = this.#http.session;
    const query = deviceId ? `?deviceId=${encodeURIComponent(deviceId)}` : "";
    const { code, heard, drained } = await this.#carry(`${this.#http.url.replace(/^http/, "ws")}/ws${query}`, token);
    if (heard === null) {
      // A browser does not say why a handshake failed: perhaps the token has run out. This renews it.
      await this.#http.get("/api/users/me");
      return { heard: false, wait: null };
    }
    if (code === 1009) this.#largest.refuse(new GoimError({ code: "TOO_LARGE", message: "more than a frame may hold" }));
    if (code === 4001 && (await this.#http.renew(token))) return { heard, wait: 0 };
    if (FOR_GOOD[code]) throw new SessionOver(FOR_GOOD[code], code);
    return { heard, wait: drained ? 0 : null };
  }

  /** One connection from handshake to end; `heard` is null if it never stood. */
  #carry(url, token) {
    return new Promise((resolve) => {
      const ws = new WebSocket(url, [`bearer.${token}`]);
      const state = { heard: null, drained: false };
      let timer = setTimeout(() => (ws.close(), over(1006)), this.#timing.patience);
      let isOver = false;
      const over = (code) => {
        if (isOver) return;
        isOver = true;
        clearTimeout(timer);
        clearInterval(timer);
        this.#lost = null;
        if (this.#ws === ws) {
          this.#ws = null;
          this.turned(false);
        }
        resolve({ ...state, code });
      };
      this.#lost = over;
      ws.onopen = () => {
        if (isOver) return;
        clearTimeout(timer);
        state.heard = false;
        this.#heardAt = Date.now();
        this.#pingedAt = null;
        timer = setInterval(() => this.#look(ws, over), this.#timing.heartbeat / 4);
        this.#stand(ws);
      };
      ws.onmessage = ({ data }) => {
        if (isOver) return;
        state.heard = true;
        this.#heardAt = Date.now();
        this.#pingedAt = null;
        this.#sort(JSON.parse(data), state, ws);
      };
      ws.onclose = ({ code }) => over(code);
    });
  }

  #stand(ws) {
    const unanswered = [...this.#asked.keys()]; // what is asked from now on is sent at once
    this.#ws = ws;
    this.#largest = { size: 0 };
    this.connection += 1;
    this.turned(true);
    for (const id of unanswered) if (this.#ws === ws && this.#asked.has(id)) this.#sendAsked(id);
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #sort(envelope, state, ws) {
    if (envelope.action === "pong" && envelope.id === undefined) return;
    if (envelope.action === "reconnect") {
      state.drained = true;
      setTimeout(() => ws.close(), envelope.data.afterMs);
    }
    if (envelope.id === undefined) return this.take(envelope);
    const asked = this.#asked.get(envelope.id);
    if (asked) {
      this.#asked.delete(envelope.id);
      this.take(envelope);
      asked.resolve(envelope);
    } else if (envelope.action === "error") {
      this.#told.get(envelope.id)?.(new GoimError(envelope.data));
    }
  }

  #ping() {
    this.#pingedAt ??= Date.now();
    this.#ws.send('{"action":"ping"}');
  }

  /** Timers of pages that nobody looks at are slow, so only an unanswered ping counts, not the silence before it. */
  #look(ws, over) {
    if (this.#pingedAt !== null && since(this.#pingedAt) > this.#timing.heartbeat) {
      ws.close();
      over(1006);
    } else if (this.#pingedAt === null && since(this.#heardAt) > this.#timing.heartbeat) {
      this.#ping();
    }
  }

  #end(over) {
    this.#run = null;
    this.over = over;
    this.#reject(over);
    this.ended(over);
  }
}
