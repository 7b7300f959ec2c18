// The list of conversations, and what happens in them.
import { go, route } from "../core/route.js";
import { Signal } from "../core/signal.js";
import { summary } from "../core/summary.js";
import { Asked } from "./asked.js";
import * as changes from "./changes.js";
import { Drafts } from "./drafts.js";
import { Refused } from "./refused.js";
import { Timeline } from "./timeline.js";

const KEPT = 20;

export class Conversations {
  #client;
  #people;
  #groups;
  #fading;
  #timelines = new Map(); // convId → Timeline, the one opened last at the end
  #drafts;
  #reading = new Map(); // convId → seq on its way
  #untold = new Set(); // convIds of which the server did not hear it
  #byId = new Map();
  #order = null;
  /** convId → userId → the timer that ends it. */
  #typing = new Map();
  isLoaded = false;
  refused = new Refused();
  changed = new Signal(0);
  onNews = () => {};

  constructor(client, people, groups, fading) {
    this.#client = client;
    this.#drafts = new Drafts(client);
    this.#fading = fading;
    this.#people = people;
    this.#groups = groups;
    client.on("connected", () => (this.#isNewer = false));
    client.on("conversations", (lines) => this.#take(lines, { isAll: true }));
    client.on("message", (message) => this.#receive(message));
    client.on("sending", (data) => this.#placeOf(data)?.changed.poke());
    client.on("sent", ({ data, ack }) => this.#sent(data, ack));
    client.on("refused", ({ data, error }) => this.refused.add(data, error));
    client.on("recalled", (data) => this.#change(data, changes.recalled(data)));
    client.on("edited", (data) => this.#change(data, changes.edited(data)));
    client.on("replaced", (data) => this.#change(data, changes.replaced(data)));
    client.on("reaction", (data) => this.#change(data, changes.reacted(data)));
    client.on("stream_chunk", (data) => this.#timelines.get(data.convId)?.update(data.seq, changes.grown(data)));
    client.on("stream_text", (message) => this.#timelines.get(message.convId)?.update(message.seq, changes.regrown(message)));
    client.on("stream_end", (data) => this.#change(data, changes.ended(data)));
    client.on("read", (data) => this.#read(data));
    client.on("typing", (data) => this.#type(data));
    client.on("mention", ({ convId, seq }) => this.#turn(convId, { mentionSeq: seq }));
    client.on("conversation_updated", (data) => this.#updated(data));
    client.on("group_created", () => this.reload());
    client.on("group_updated", ({ groupId, name, avatarUrl }) => this.#regroup(groupId, name, avatarUrl));
    client.on("group_disbanded", ({ groupId }) => this.#drop(this.#ofGroup(groupId)?.convId));
    client.on("member_joined", ({ userId }) => userId === client.userId && this.reload());
    client.on("member_left", (data) => data.userId === client.userId && this.#drop(this.#ofGroup(data.groupId)?.convId));
  }

  clear() {
    clearTimeout(this.#expiry);
    for (const who of this.#typing.values()) who.forEach(clearTimeout);
    for (const kept of [this.#timelines, this.#reading, this.#untold, this.#byId, this.#typing, this.#latest]) kept.clear();
    this.#drafts.clear();
    this.refused.clear();
    this.isLoaded = false;
    this.#reloading = this.#after = null;
    this.#poke();
  }

  // the list

  /** Pinned first, then the latest. */
  get list() {
    this.#order ??= [...this.#byId.values()].sort(
      (one, other) => Number(other.pinned) - Number(one.pinned) || other.updatedAt - one.updatedAt,
    );
    return this.#order;
  }

  /** All that is unread where it is not muted. */
  get unread() {
    let sum = 0;
    for (const { unread, muted } of this.#byId.values()) if (!muted) sum += unread;
    return sum;
  }

  #poke() {
    this.#order = null;
    this.changed.poke();
  }

  #take(lines, { isAll = false } = {}) {
    const fresh = lines.map((line) => this.#freshOf(line, this.#byId.get(line.convId)));
    if (isAll) this.#byId = new Map(fresh.map((line) => [line.convId, line]));
    else for (const line of fresh) this.#byId.set(line.convId, line);
    for (const { lastMessage } of fresh) if (lastMessage && lastMessage.convType === "group") this.#people.name(lastMessage.from);
    this.isLoaded = true;
    this.#poke();
    if (isAll) this.#drafts.saveAgain((convId) => this.#byId.has(convId));
    this.#expireNext();
    if (isAll && this.#isNewer) this.reload(); // these were asked for before
  }

  /** A line, with what we have heard since the server made it. */
  #freshOf(line, known) {
    const draft = this.#drafts.of(line.convId) ?? line.draft;
    const isTold = known && !this.#untold.delete(line.convId);
    const newest = known?.lastSeq > line.lastSeq ? known : line;
    const readSeq = Math.max(line.readSeq, isTold ? known.readSeq : 0);
    const { lastSeq, lastMessage, updatedAt } = newest;
    const unread = Math.min(newest.unread, Math.max(lastSeq - readSeq, 0)); // fewer, where one has deleted
    return { ...line, draft, lastSeq, readSeq, unread, lastMessage, updatedAt, mentionSeq: known?.mentionSeq ?? 0 };
  }

  #expiry = null;
  /** The last message of a conversation is another one as soon as it has expired. */
  #expireNext() {
    clearTimeout(this.#expiry);
    const now = Date.now();
    const times = [...this.#byId.values()].map(({ lastMessage }) => lastMessage?.expireAt ?? 0).filter((at) => at > now);
    const wait = Math.min(...times) - now;
    if (wait < 2 ** 31) this.#expiry = setTimeout(() => this.reload(), wait);
  }

  #latest = new Asked(() => this.#askForLatest(), ({ conversations }) => this.#take(conversations));
  #isNewer = false; // whether they were asked for since all of them were
  #reloading = null;
  #after = null;
  /** Something is new that we know nothing of; nor may what is on its way already. */
  reload() {
    this.#isNewer = true;
    if (this.#reloading) return (this.#after ??= this.#reloadAfter(this.#reloading));
    const loading = (this.#reloading = this.#latest
      .anew()
      .catch(() => {}) // the next connection brings all of them
      .finally(() => this.#reloading === loading && (this.#reloading = null)));
    return loading;
  }

  /** Those that are pinned come first. */
  #askForLatest() {
    const pinned = this.list.filter(({ pinned }) => pinned).length;
    return this.#client.http.get("/api/conversations", { limit: Math.min(50 + pinned, 200) });
  }

  #reloadAfter(loading) {
    const after = loading.then(() => {
      if (this.#after !== after) return null;
      this.#after = null;
      return this.reload();
    });
    return after;
  }

  #set(convId, news) {
    const conv = this.#byId.get(convId);
    if (!conv) return;
    this.#byId.set(convId, { ...conv, ...news });
    this.#poke();
  }

  /** The same, whatever the list on its way says. */
  #turn(convId, news) {
    this.#latest.do(() => this.#set(convId, news));
  }

  #drop(convId) {
    this.#latest.do(() => this.#byId.delete(convId) && this.#poke());
  }

  #ofGroup = (groupId) => this.list.find((conv) => conv.groupId === groupId);

  #regroup(groupId, name, avatarUrl) {
    const conv = this.#ofGroup(groupId);
    if (conv) this.#turn(conv.convId, { title: name ?? conv.title, avatarUrl: avatarUrl ?? conv.avatarUrl });
  }

  /** The conversation with somebody, which may have to begin yet. */
  with(userId) {
    const [lower, higher] = [userId, this.#client.userId].sort();
    return this.list.find((conv) => conv.peerId === userId)?.convId ?? `c2c:${lower}:${higher}`;
  }

  /** A conversation by its id; one of a pair that has said nothing yet is made up. */
  get(convId) {
    const conv = this.#byId.get(convId);
    if (conv) return conv;
    const [kind, ...pair] = convId.split(":");
    const peerId = pair.find((id) => id !== this.#client.userId);
    if (kind !== "c2c" || !peerId || pair.length !== 2 || !pair.includes(this.#client.userId)) return null;
    const nothing = { pinned: false, muted: false, draft: this.#drafts.of(convId) ?? "", lastSeq: 0, readSeq: 0, unread: 0, lastMessage: null };
    return { convId, convType: "c2c", peerId, title: "", avatarUrl: "", isNew: true, updatedAt: 0, ...nothing };
  }

  titleOf(conv) {
    return (conv.peerId && this.#people.name(conv.peerId)) || conv.title;
  }

  avatarOf(conv) {
    return (conv.peerId && this.#people.avatar(conv.peerId)) || conv.avatarUrl;
  }

  /** Whether one is called where one has not read yet. */
  isMentioned = ({ mentionSeq = 0, readSeq }) => mentionSeq > readSeq;

  open = (convId) => go("chats", convId);

  timeline(convId) {
    let timeline = this.#timelines.get(convId);
    this.#timelines.delete(convId);
    timeline ??= new Timeline(this.#client, () => this.get(convId) ?? { convId, lastSeq: 0 }, this.refused);
    this.#timelines.set(convId, timeline);
    if (this.#timelines.size > KEPT) this.#timelines.delete(this.#timelines.keys().next().value);
    return timeline;
  }

  #placeOf({ convId, to, groupId }) {
    const id = convId ?? (to ? this.with(to) : this.#ofGroup(groupId)?.convId);
    return this.#timelines.get(id);
  }

  // what others do

  #receive(message) {
    const { convId, seq, from, timestamp } = message;
    const timeline = this.#timelines.get(convId);
    timeline?.receive(message);
    if (route.value.id !== convId) timeline?.trim();
    this.#quiet(convId, from);
    const conv = this.#byId.get(convId);
    if (!conv) return this.reload().then(() => this.#announce(message));
    const readSeq = from === this.#client.userId ? Math.max(conv.readSeq, seq) : conv.readSeq;
    const lastSeq = Math.max(conv.lastSeq, seq);
    const isNewest = seq >= conv.lastSeq;
    const isCounted = seq <= conv.lastSeq || seq <= conv.readSeq; // the list that came with the connection knew of it; read elsewhere
    this.#set(convId, {
      lastSeq,
      readSeq,
      unread: from === this.#client.userId ? lastSeq - readSeq : conv.unread + (isCounted ? 0 : 1),
      ...(isNewest ? { lastMessage: message, updatedAt: timestamp } : {}),
    });
    if (message.expireAt) this.#expireNext();
    this.#announce(message);
  }

  #announce(message) {
    const conv = this.#byId.get(message.convId);
    if (!conv || message.from === this.#client.userId || message.seq <= conv.readSeq || (conv.muted && !this.isMentioned(conv))) return;
    this.onNews({ convId: conv.convId, title: this.titleOf(conv), text: summary(message) });
  }

  #change(data, change) {
    const { convId, seq } = data;
    this.#timelines.get(convId)?.update(seq, change);
    this.#latest.do(() => {
      const { lastMessage } = this.#byId.get(convId) ?? {};
      if (lastMessage?.seq === seq) this.#set(convId, { lastMessage: change(lastMessage) });
    });
  }

  #read({ convId, userId, seq }) {
    if (userId !== this.#client.userId) return this.#timelines.get(convId)?.hasRead(userId, seq);
    const conv = this.#byId.get(convId);
    if (conv && seq > conv.readSeq) this.#setRead(conv, seq);
  }

  #setRead({ convId, lastSeq }, seq) {
    this.#set(convId, { readSeq: seq, unread: Math.max(lastSeq - seq, 0) });
  }

  /** Who types in a conversation. */
  typists = (convId) => [...(this.#typing.get(convId)?.keys() ?? [])];

  #type({ convId, userId, typing }) {
    this.#quiet(convId, userId);
    if (!typing) return;
    if (!this.#typing.has(convId)) this.#typing.set(convId, new Map());
    this.#typing.get(convId).set(userId, setTimeout(() => this.#quiet(convId, userId), 6000));
    this.changed.poke();
  }

  #quiet(convId, userId) {
    const who = this.#typing.get(convId);
    clearTimeout(who?.get(userId));
    if (who?.delete(userId)) this.changed.poke();
  }

  #updated({ convId, deleted, ...news }) {
    if (deleted) {
      this.#timelines.get(convId)?.clear();
      return this.#drop(convId);
    }
    if (news.draft !== undefined && this.#drafts.of(convId) !== undefined) delete news.draft; // we are writing it ourselves
    this.#turn(convId, news);
  }

  // what we do

  /** `send` of the client, to this conversation. */
  say = (conv, text, more) => this.#send(conv, text, more).catch(() => {}); // `refused` shows it at its place

  /** The same of what was said before, here or elsewhere; what was refused goes under its id. Rejects with a refusal. */
  sayAgain(conv, { clientMsgId, ...said }) {
    this.refused.remove(clientMsgId);
    return this.#send(conv, said.payload.text, { ...said, clientMsgId });
  }

  #send(conv, text, more = {}) {
    const where = conv.groupId ? { group: conv.groupId } : conv.isNew ? { to: conv.peerId } : { conv: conv.convId };
    const fades = more.burnAfterRead || more.expireAtMs ? {} : this.#fading.fieldsFor(conv.convId);
    return this.#client.send(text, { ...where, ...fades, ...more });
  }

  #sent(data, ack) {
    const { at, expireAtMs, ...said } = data;
    const { convId, serverMsgId, seq, timestamp } = ack;
    const conv = this.get(convId) ?? {};
    const where = conv.groupId ? { convType: "group", groupId: conv.groupId } : { convType: "c2c", to: conv.peerId };
    const message = { ...where, ...said, convId, serverMsgId, seq, timestamp, from: this.#client.userId, recalled: false };
    this.#receive(expireAtMs ? { ...message, expireAt: expireAtMs } : message);
    if (ack.duplicate) this.#lookUp(message);
  }

  /** It was stored by an earlier try, perhaps not as it was said: only whoever gets the first ack is told. */
  async #lookUp({ convId, seq }) {
    const { messages } = await this.#client.history(convId, { fromSeq: seq - 1, limit: 1 }).catch(() => ({ messages: [] }));
    for (const stored of messages) if (stored.seq === seq) this.#change(stored, () => stored);
  }

  async recall(message) {
    await this.#client.recall(message.convId, message.serverMsgId);
    this.#change(message, changes.recalled());
  }

  async edit(message, text) {
    await this.#client.edit(message.convId, message.serverMsgId, text);
    this.#change(message, changes.edited({ payload: { ...message.payload, text }, editedAt: Date.now() }));
  }

  async react(message, emoji) {
    const userId = this.#client.userId;
    const removed = message.reactions?.some((each) => each.emoji === emoji && each.userIds.includes(userId)) ?? false;
    await this.#client.react(message.convId, message.serverMsgId, emoji, { remove: removed });
    this.#change(message, changes.reacted({ userId, emoji, removed }));
  }

  /** Look at what disappears once read; when its time is over it counts as read, by which the server burns it. */
  uncover(message) {
    const { convId, seq } = message;
    this.#timelines.get(convId)?.uncover(message, () => {
      this.#change(message, changes.recalled({ reason: "burned" }));
      this.seen(convId, seq);
    });
  }

  /** Somebody has looked at everything up to here, but for what is covered. */
  async seen(convId, upto) {
    const seq = Math.min(upto, (this.#timelines.get(convId)?.covered ?? Infinity) - 1);
    const conv = this.#byId.get(convId);
    if (!conv || seq <= conv.readSeq || seq <= (this.#reading.get(convId) ?? 0)) return;
    this.#reading.set(convId, seq);
    this.#setRead(conv, seq);
    await this.#client.read(convId, seq).catch(() => this.#untold.add(convId));
    if (this.#reading.get(convId) === seq) this.#reading.delete(convId);
  }

  setDraft({ convId }, text) {
    const conv = this.get(convId);
    if (!conv || text === conv.draft) return;
    this.#drafts.write(conv, text);
    this.#set(convId, { draft: text });
  }

  #path = ({ convId }, act) => `/api/conversations/${encodeURIComponent(convId)}/${act}`;

  async pin(conv) {
    await this.#client.http.post(this.#path(conv, "pin"), { pinned: !conv.pinned });
    this.#turn(conv.convId, { pinned: !conv.pinned });
  }

  async mute(conv) {
    await this.#client.http.post(this.#path(conv, "mute"), { muted: !conv.muted });
    this.#turn(conv.convId, { muted: !conv.muted });
  }

  async delete({ convId }) {
    const upto = this.get(convId)?.lastSeq;
    await this.#client.http.post("/api/conversations/delete", { convId });
    if (this.get(convId)?.lastSeq === upto) this.#updated({ convId, deleted: true }); // else it has begun anew
  }

  async readAll() {
    const upto = [...this.#byId.values()];
    await this.#client.http.post("/api/unread/mark_all_read");
    for (const { convId, lastSeq } of upto) this.#read({ convId, userId: this.#client.userId, seq: lastSeq });
  }
}
