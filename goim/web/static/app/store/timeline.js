// The messages of one conversation, as far as they are loaded: one stretch without gaps that can grow at both ends.
import { Signal } from "../core/signal.js";
import { secondsFor } from "./fading.js";
import { isSaidIn } from "./refused.js";

const PAGE = 50;
/** Of so many loaded messages the older ones are let go again as soon as nobody looks at them. */
const MOST = 500;

export class Timeline {
  #client;
  #conv;
  #refused;
  #loading = null;
  #cleared = 0;
  #late = []; // what happened to messages while they were being fetched
  #arrived = []; // and those that came meanwhile
  messages = []; // by seq, without gaps
  reads = new Map(); // userId → up to which seq they have read
  isAtStart = false;
  isAtEnd = false;
  isLoaded = false;
  /** The seq after which the line "new" stands, while the conversation is looked at. */
  unreadAfter = null;
  /** A message to scroll to: {seq}. */
  wanted = null;
  changed = new Signal(0);

  constructor(client, conv, refused) {
    this.#client = client;
    this.#refused = refused;
    this.#conv = conv; // a function: the conversation as it is now
  }

  get first() {
    return this.messages[0]?.seq ?? 0;
  }

  get last() {
    return this.messages.at(-1)?.seq ?? 0;
  }

  /** What was said here and is not acknowledged yet. */
  get waiting() {
    return this.#client.outbox.waiting.filter((data) => this.has(data));
  }

  /** Whether this is said here. */
  has(data) {
    return isSaidIn(this.#conv(), data);
  }

  /** {data, error}: what the server has refused of it. */
  get failed() {
    return this.#refused.of(this.#conv());
  }

  bySeq = (seq) => this.messages[this.#indexOf(seq)];
  byId = (serverMsgId) => this.messages.find((message) => message.serverMsgId === serverMsgId);

  #quoted = new Map(); // serverMsgId → what is answered and not loaded: the message, or null while it is not known

  /** The message that another answers; null if it is not known, and then it is looked for. */
  quoted(serverMsgId) {
    const message = this.byId(serverMsgId) ?? this.#quoted.get(serverMsgId);
    if (message === undefined) this.#find(serverMsgId);
    return message ?? null;
  }

  /** Ids end with the seq today; whether it is so is looked up. */
  async #find(serverMsgId) {
    this.#quoted.set(serverMsgId, null);
    const seq = Number(/-(\d+)$/.exec(serverMsgId)?.[1] ?? 0);
    if (!seq) return; // shown without its words
    try {
      const { messages } = await this.#client.history(this.#conv().convId, { fromSeq: seq - 1, limit: 1 });
      this.#quoted.set(serverMsgId, messages.find((message) => message.serverMsgId === serverMsgId) ?? null);
      this.changed.poke();
    } catch {
      this.#quoted.delete(serverMsgId); // the next time it is shown
    }
  }

  #indexOf(seq) {
    let [low, high] = [0, this.messages.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.messages[middle].seq < seq) low = middle + 1;
      else high = middle;
    }
    return this.messages[low]?.seq === seq ? low : -1 - low;
  }

  // loading: one page at a time

  /** The newest page, unless there is one. */
  open() {
    return this.isLoaded ? Promise.resolve() : this.#load({}, (page) => this.#replace(page, !page.hasMore, true));
  }

  toEnd() {
    if (this.isAtEnd) return Promise.resolve();
    return this.#load({}, (page) => this.#replace(page, !page.hasMore, true));
  }

  /** Where a message stands, with what is before and after it. */
  async around(seq) {
    if (this.isLoaded && this.bySeq(seq)) return;
    await this.#load({ beforeSeq: seq + PAGE / 2 }, (page) => this.#replace(page, !page.hasMore, false));
  }

  older() {
    if (this.isAtStart || this.#loading || !this.messages.length) return Promise.resolve();
    return this.#load({ beforeSeq: this.first }, (page) => {
      this.messages = [...page.messages, ...this.messages];
      this.isAtStart = !page.hasMore;
    });
  }

  newer() {
    if (this.isAtEnd || this.#loading || !this.messages.length) return Promise.resolve();
    return this.#load({ fromSeq: this.last }, (page) => {
      this.messages = [...this.messages, ...page.messages];
      this.isAtEnd = !page.hasMore;
    });
  }

  #replace({ messages }, isAtStart, isAtEnd) {
    this.messages = messages;
    this.isAtStart = isAtStart;
    this.isAtEnd = isAtEnd || this.last >= this.#conv().lastSeq;
    this.isLoaded = true;
  }

  async #load(where, take) {
    while (this.#loading) await this.#loading.catch(() => {});
    this.#loading = this.#fetch(where, take).finally(() => (this.#loading = null));
    await this.#loading;
  }

  async #fetch(where, take) {
    const { convId, isNew } = this.#conv();
    const cleared = this.#cleared;
    try {
      const page = isNew ? { messages: [], hasMore: false } : await this.#client.history(convId, { ...where, limit: PAGE });
      if (cleared !== this.#cleared) return;
      take(page);
      if (this.isAtEnd) for (const message of this.#arrived) this.#insert(message);
      for (const [seq, change] of this.#late.splice(0)) this.update(seq, change);
      this.#hideExpired();
      this.changed.poke();
    } finally {
      this.#late = [];
      this.#arrived = [];
    }
  }

  // what happens

  /** A new message, perhaps our own. */
  receive(message) {
    if (this.#loading) this.#arrived.push(message);
    if (this.isAtEnd || !this.isLoaded) this.#insert(message); // the rest is still to come
    if (message.expireAt) this.#hideExpired();
    this.changed.poke();
  }

  /** At the end nobody sees what is far above it: it is fetched again by whoever scrolls there. */
  trim() {
    if (!this.isAtEnd || this.messages.length <= MOST) return;
    this.messages = this.messages.slice(-4 * PAGE);
    this.isAtStart = false;
    this.changed.poke();
  }

  #insert(message) {
    const at = this.#indexOf(message.seq);
    if (at < 0) this.messages = this.messages.toSpliced(-1 - at, 0, message);
  }

  /** `change(message)` makes the new message of the old one; where it is not loaded, nothing. */
  update(seq, change) {
    if (this.#loading) this.#late.push([seq, change]);
    for (const [id, message] of this.#quoted) if (message?.seq === seq) this.#quoted.set(id, change(message));
    const at = this.#indexOf(seq);
    if (at >= 0) this.messages = this.messages.with(at, change(this.messages[at]));
    this.changed.poke();
  }

  #expiry = null;
  /** What has expired is hidden as soon as it has. */
  #hideExpired() {
    clearTimeout(this.#expiry);
    const times = this.messages.flatMap(({ expireAt }) => (expireAt ? [expireAt] : []));
    if (!times.length) return;
    const now = Date.now();
    this.messages = this.messages.filter(({ expireAt }) => !expireAt || expireAt > now);
    const next = Math.min(...times.filter((at) => at > now));
    if (next - now < 2 ** 31) this.#expiry = setTimeout(() => (this.#hideExpired(), this.changed.poke()), next - now);
  }

  // what disappears once it is read

  /** seq → {until, seconds}: it is looked at just now. */
  uncovered = new Map();

  /** Whether it is not shown before somebody asks for it. */
  isCovered = ({ burnAfterRead, recalled, from, seq }) =>
    burnAfterRead === true && !recalled && from !== this.#client.userId && !this.uncovered.has(seq);

  /** The seq of the first message that is not read yet, however much is shown below it. */
  get covered() {
    const { readSeq } = this.#conv();
    const first = this.messages.find((message) => message.seq > readSeq && (this.isCovered(message) || this.uncovered.has(message.seq)));
    return first?.seq ?? Infinity;
  }

  uncover(message, over) {
    const { seq } = message;
    if (!this.isCovered(message)) return;
    const seconds = secondsFor(message);
    this.uncovered.set(seq, { until: Date.now() + seconds * 1000, seconds });
    setTimeout(() => {
      this.uncovered.delete(seq);
      over();
    }, seconds * 1000);
    this.changed.poke();
  }

  /** Nothing of it is to be seen any more. */
  clear() {
    this.#cleared += 1; // nor what is being fetched
    this.messages = [];
    this.#quoted.clear();
    this.isLoaded = this.isAtEnd = this.isAtStart = false;
    this.changed.poke();
  }

  // who has read

  hasRead(userId, seq) {
    if (seq <= (this.reads.get(userId) ?? 0)) return;
    this.reads.set(userId, seq);
    this.changed.poke();
  }

  /** Whether anybody else has read as far. */
  isRead(seq) {
    for (const upto of this.reads.values()) if (upto >= seq) return true;
    return false;
  }

  /** How far the others have read our latest messages: it is pushed while we are here, and asked for when we come. */
  async loadReads() {
    const { convId, convType } = this.#conv();
    const me = this.#client.userId;
    const theirs = this.messages.findLast((message) => message.from !== me);
    if (theirs) this.hasRead(theirs.from, theirs.seq); // who writes has read
    const mine = this.messages.filter(({ from, seq, recalled }) => from === me && !recalled && seq > (theirs?.seq ?? 0));
    let [low, high] = [0, mine.length];
    while (low < high) {
      const middle = low === 0 && high === mine.length ? high - 1 : (low + high) >> 1; // most often all is read
      const { readers } = await this.readers(mine[middle].serverMsgId);
      for (const { userId } of readers) this.hasRead(userId, mine[middle].seq);
      if (readers.length) low = middle + 1;
      else high = middle;
      if (convType === "group") break;
    }
  }

  readers = (serverMsgId) =>
    this.#client.http.get(`/api/messages/${encodeURIComponent(serverMsgId)}/readers`, { convId: this.#conv().convId });
}
