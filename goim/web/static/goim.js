/**
 * The JavaScript client of goim: sends until it is acknowledged, shows everything in order and once, stays connected.
 * A module without dependencies; docs/web.md describes it.
 *
 *     import { Client } from "/web/goim.js";
 *
 *     const client = new Client();
 *     client.on("message", (message) => console.log(message.from, message.payload));
 *     await client.login("ann", "correct horse");
 *     await client.connect();
 *     await client.send("hello", { to: userId });
 *
 * @module goim
 */
import { Calls } from "./client/calls.js";
import { Emitter } from "./client/emitter.js";
import { GoimError, NoCalls, SessionOver, Unreachable } from "./client/errors.js";
import { Feed } from "./client/feed.js";
import { Http } from "./client/http.js";
import { Link, TIMING } from "./client/link.js";
import { Outbox } from "./client/outbox.js";
import { LocalStore, MemoryStore } from "./client/stores.js";
import { Stream } from "./client/streams.js";

export { Calls, GoimError, LocalStore, MemoryStore, NoCalls, SessionOver, Stream, TIMING, Unreachable };

/** A random id of 16 characters, as for `clientMsgId` and `deviceId`. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
}

/**
 * One device of one account.
 *
 * Events (`client.on(name, fn)`, `"*"` for all): every push of the protocol by its action (`message`, `recalled`, …)
 * with its data, and `connected {isFirst}`, `disconnected`, `conversations` (all of them, after each connect),
 * `stream_text` (the message as far as it has come, when chunks were missed), `sending`, `sent {data, ack}`,
 * `refused {data, error}`, `over {code, message}`, `logged_out`.
 */
export class Client {
  #emitter = new Emitter();
  #link;
  #feed;
  #watch = null;

  /**
   * @param {object} [options]
   * @param {string} [options.url] the server; the page's own if left out
   * @param {object} [options.session] keeps who is logged in: `load()` and `save(value)`; MemoryStore if left out
   * @param {object} [options.cursors] keeps how far we have come, likewise
   * @param {object} [options.outbox] keeps what is not acknowledged yet, likewise
   * @param {object} [options.timing] see TIMING
   */
  constructor({ url = location.origin, session, cursors, outbox, timing } = {}) {
    const times = { ...TIMING, ...timing };
    const emit = (name, data) => this.#emitter.emit(name, data);
    /** `get`, `post`, `put`, `delete`, `fetch`, `upload`: every request over HTTP, with the token. */
    this.http = new Http(url, session ?? new MemoryStore(), times.patience);
    this.#link = new Link(this.http, times);
    this.#link.ended = (over) => emit("over", { code: over.code, message: over.message });
    this.#feed = new Feed(this.#link, this.http, cursors ?? new MemoryStore(), emit);
    this.outbox = new Outbox(this.#link, outbox ?? new MemoryStore(), emit);
  }

  /** Listen; returns what ends it. */
  on(name, fn) {
    return this.#emitter.on(name, fn);
  }

  /** The next event of this name. */
  once(name) {
    return this.#emitter.once(name);
  }

  // who we are

  get userId() {
    return this.http.userId;
  }

  get deviceId() {
    return this.http.session?.deviceId ?? "";
  }

  get isLoggedIn() {
    return Boolean(this.http.session?.token);
  }

  /** Make an account; it is not logged in yet. */
  register(username, password, nickname) {
    return this.http.post("/api/register", { username, password, ...(nickname ? { nickname } : {}) });
  }

  /** Log in as this device; the same `deviceId` is the same device again. */
  async login(username, password, deviceId = this.http.session?.deviceId ?? `web-${newId()}`) {
    const before = this.userId;
    const { token, refreshToken, userId } = await this.http.post("/api/login", { username, password, deviceId });
    this.#leave({ isForgotten: before !== userId });
    this.http.begin({ token, refreshToken, userId, username, deviceId });
    return userId;
  }

  /** End the session and forget it, and what was not sent. The device stays known, for the next login. */
  async logout() {
    try {
      await this.http.post("/api/logout");
    } finally {
      this.forget();
    }
  }

  /** The same without asking the server: when it has ended the session itself. */
  forget() {
    this.#leave({ isForgotten: true });
    this.http.end();
  }

  #leave({ isForgotten }) {
    if (isForgotten && this.isLoggedIn) this.#emitter.emit("logged_out", {});
    this.close();
    this.outbox.clear({ isForgotten });
    this.#link.clear();
    this.#feed.reset({ isForgotten });
  }

  // being connected

  get isConnected() {
    return this.#link.isUp;
  }

  /** Connect, and stay so until `close()` or `over`. Resolves at the first connection; SessionOver if there is none. */
  async connect() {
    this.#watch ??= this.#watchNetwork();
    this.#link.run();
    this.outbox.resume((id) => this.#feed.own(id));
    await this.#link.up();
  }

  close() {
    this.#watch?.abort();
    this.#watch = null;
    this.#link.stop();
  }

  #watchNetwork() {
    const watch = new AbortController();
    const { signal } = watch;
    addEventListener("online", () => this.#link.wake(), { signal });
    addEventListener("offline", () => this.#link.drop(), { signal });
    document.addEventListener("visibilitychange", () => document.hidden || this.#link.wake(), { signal });
    return watch;
  }

  // saying something

  /**
   * Send a text, or with `type` and `payload` something else, to one of `to` (a user), `group`, `conv`.
   * Resolves with the ack when it is on disk. Until then it goes again over every new connection and, with an
   * `outbox` that lasts, after a reload; under the same `clientMsgId`, so it is there once.
   */
  send(text, { to, group, conv, type = "text", payload = { text }, clientMsgId = newId(), ...more } = {}) {
    this.#feed.own(clientMsgId);
    const data = { ...addressed(to, group, conv), type, payload, clientMsgId, ...given(more), at: Date.now() };
    return this.outbox.send(data);
  }

  /** A message to be written bit by bit: `await client.stream({conv})`, then `write(delta)` … `end()` or `fail(why)`. */
  stream({ to, group, conv, text = "", clientMsgId = newId(), replyTo } = {}) {
    this.#feed.own(clientMsgId);
    const data = { ...addressed(to, group, conv), clientMsgId, ...given({ replyTo }) };
    return new Stream(this.#link, this.http, data, text).start();
  }

  recall = (convId, serverMsgId) => this.#link.ask("recall", { convId, serverMsgId });
  edit = (convId, serverMsgId, text) => this.#link.ask("edit", { convId, serverMsgId, payload: { text } });
  react = (convId, serverMsgId, emoji, { remove = false } = {}) =>
    this.#link.ask("react", { convId, serverMsgId, emoji, remove });
  /** Everything up to `seq` is read; resolves with the watermark as it is now. */
  read = async (convId, seq) => (await this.#link.ask("read", { convId, seq })).seq;

  /** Worth nothing later, so it is only said while connected. */
  typing(convId, typing = true) {
    this.#link.tell(this.#link.connection, "typing", "typing", { convId, typing });
  }

  /** Any other request of the protocol, for what may be asked twice: calls and what is to come. */
  ask = (action, data) => this.#link.ask(action, data);

  /** The last seq of a conversation up to which everything was shown. */
  shownUpto = (convId) => this.#feed.shownUpto(convId);

  // reading

  /** A page of messages: those after `fromSeq`, or the newest before `beforeSeq`, or the newest of all. */
  history = (convId, { fromSeq, beforeSeq, limit = 50 } = {}) =>
    this.http.get("/api/messages/history", { convId, fromSeq, beforeSeq, limit });
}

function addressed(to, group, conv) {
  if ([to, group, conv].filter((each) => each !== undefined).length !== 1) {
    throw new TypeError("a message goes to one of: to, group, conv");
  }
  if (conv !== undefined) return { convId: conv };
  return group !== undefined ? { convType: "group", groupId: group } : { convType: "c2c", to };
}

const given = (fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
