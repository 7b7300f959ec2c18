// What is shown: messages and changes in order and once; what was missed is asked for before later ones are shown.
import { GoimError, isPassing, SessionOver } from "./errors.js";
import { sleep } from "./http.js";
import { Progress } from "./progress.js";

const CHANGES = new Set(["recalled", "edited", "reaction", "stream_end"]);
const AT_ONCE = 100;
const REMEMBERED = 10_000;
const GAP_MS = 500;

const isGroup = (convId) => convId.startsWith("group:");

export class Feed {
  #link;
  #http;
  #store;
  #emit;
  #items = [];
  #isBusy = false;
  #shown = null; // convId → Progress
  #streams = new Map(); // streamId → {convId, seq, index} of those that go on
  #ownStreams = new Map();
  #mine = new Set();
  #met = new Set(); // groups met on this connection: how far their changes are, the first pushed says
  #gaps = new Map(); // convId → the timer of what is missing below a message of our own
  #isFirst = true;
  #isSaved = true;

  constructor(link, http, cursors, emit) {
    this.#link = link;
    this.#http = http;
    this.#store = cursors;
    this.#emit = emit;
    link.prepare = () => this.#begin();
    link.take = (envelope) => this.#put({ envelope });
    link.turned = (isUp) => {
      emit(isUp ? "connected" : "disconnected", isUp ? { isFirst: this.#isFirst } : {});
      if (!isUp) return;
      this.#isFirst = false;
      this.#put({ isUp });
    };
  }

  /** Another session: what waits to be shown was for the one before, and what is kept, if that was another's. */
  reset({ isForgotten }) {
    if (isForgotten) this.#store.save(null);
    this.#items = [];
    this.#shown = null;
    this.#isFirst = true;
    this.#streams.clear();
    this.#ownStreams.clear();
    this.#mine.clear();
    this.#met.clear();
    for (const timer of this.#gaps.values()) clearTimeout(timer);
    this.#gaps.clear();
  }

  /** A message under this id is ours: its ack tells of it. */
  own(clientMsgId) {
    this.#mine.add(clientMsgId);
    if (this.#mine.size > REMEMBERED) this.#mine.delete(this.#mine.values().next().value);
  }

  /** The last seq of a conversation before which nothing is missing. */
  shownUpto(convId) {
    return this.#shown?.get(convId)?.messages.upto ?? 0;
  }

  #put(item) {
    this.#items.push(item);
    this.#pump();
  }

  async #pump() {
    if (this.#isBusy) return;
    this.#isBusy = true;
    while (this.#items.length) {
      try {
        await this.#show(this.#items.shift());
      } catch (error) {
        if (!(error instanceof SessionOver)) reportError(error);
      }
    }
    this.#isBusy = false;
    this.#save();
  }

  #save() {
    if (this.#isSaved || !this.#shown) return;
    this.#isSaved = true;
    const all = [...this.#shown].map(([id, p]) => [id, { seq: p.messages.upto, change: p.changes.upto }]);
    this.#store.save(Object.fromEntries(all));
  }

  async #show({ envelope, gap }) {
    if (gap) return this.#fill(gap);
    if (!envelope) return this.#missed();
    if (envelope.id !== undefined) return this.#countOwn(envelope);
    return this.#push(envelope.action, envelope.data);
  }

  /** What this connection did is not pushed to it: its answer stands in the place of the push. */
  #countOwn({ action, data }) {
    if (!["ack", "stream_started", "stream_ended"].includes(action)) return;
    if (data.streamId && data.convId) this.#ownStreams.set(data.streamId, data.convId);
    const convId = data.convId ?? this.#ownStreams.get(data.streamId);
    if (action === "stream_ended") this.#ownStreams.delete(data.streamId);
    if (!convId) return;
    if (data.seq !== undefined) this.#countOwnMessage(convId, data.seq);
    else if (data.change !== undefined) this.#changes(convId, data.change).add(data.change);
    this.#isSaved = false;
  }

  #countOwnMessage(convId, seq) {
    const { messages } = this.#progress(convId, isGroup(convId) ? seq - 1 : 0);
    messages.add(seq);
    if (!messages.leavesGap(seq) || this.#gaps.has(convId)) return;
    const due = () => this.#gaps.delete(convId) && this.#put({ gap: { convId, seq } });
    this.#gaps.set(convId, setTimeout(due, GAP_MS));
  }

  /** Ask for what is missing below a message of our own and has not come by itself: a server that had heard nothing of
   * the conversation before does not know that it owes us that. Without a connection, the next one asks anyway. */
  async #fill({ convId, seq }) {
    const isMissing = this.#shown?.get(convId)?.messages.leavesGap(seq);
    if (isMissing && this.#link.isUp) await this.#catchUp([convId]);
  }

  #progress(convId, upto = 0) {
    if (!this.#shown.has(convId)) {
      this.#shown.set(convId, new Progress(upto));
      if (upto) this.#met.add(convId);
    }
    return this.#shown.get(convId);
  }

  /** Those of a conversation; in a group that one came to late they begin with the one that is coming. */
  #changes(convId, coming) {
    const { changes } = this.#progress(convId);
    if (this.#met.delete(convId)) changes.skipTo(coming - 1);
    return changes;
  }

  async #push(action, data) {
    this.#isSaved = false;
    if (action === "message") return this.#message(data);
    if (action === "stream_chunk") return this.#chunk(data);
    if (CHANGES.has(action)) return this.#change(action, data);
    if (action === "group_created" && data.convId) this.#progress(data.convId); // nothing was said before
    this.#emit(action, data);
  }

  async #message(message) {
    const { messages } = this.#progress(message.convId, message.convType === "c2c" ? 0 : message.seq - 1);
    if (messages.has(message.seq)) return;
    if (messages.leavesGap(message.seq)) return this.#catchUp([message.convId]);
    messages.add(message.seq);
    this.#tell(message);
  }

  #tell(message) {
    const { serverMsgId, convId, seq, streamStatus, streamIndex = 0 } = message;
    if (streamStatus === "streaming") this.#streams.set(serverMsgId, { convId, seq, index: streamIndex });
    const isOwn = message.from === this.#http.userId && this.#mine.has(message.clientMsgId);
    if (!isOwn) this.#emit("message", message);
  }

  async #change(action, data) {
    if (!this.#shown.has(data.convId)) {
      if (isGroup(data.convId)) return this.#changed(action, data); // how far we are there, the first message says
      this.#progress(data.convId);
      return this.#catchUp([data.convId]); // what was said first comes first
    }
    const changes = this.#changes(data.convId, data.change);
    if (changes.has(data.change)) return;
    if (changes.leavesGap(data.change)) return this.#catchUp([data.convId]);
    changes.add(data.change);
    this.#changed(action, data);
  }

  #changed(action, data) {
    if (action === "stream_end") this.#streams.delete(data.streamId);
    this.#emit(action, data);
  }

  async #chunk(data) {
    const at = this.#streams.get(data.streamId);
    // It began before this page did, or has ended before this was shown.
    if (!at) return this.#textOf(data.streamId, { convId: data.convId, seq: data.seq, index: 0 });
    if (data.index <= at.index) return;
    if (data.index > at.index + 1) return this.#textOf(data.streamId, at);
    this.#streams.set(data.streamId, { ...at, index: data.index });
    this.#emit("stream_chunk", data);
  }

  /** The text of a stream of which chunks were missed; nothing if they were not. */
  async #textOf(streamId, { convId, seq, index }) {
    let found;
    try {
      found = await this.#http.get("/api/messages/history", { convId, fromSeq: seq - 1, limit: 1 });
    } catch (error) {
      if (isPassing(error)) return; // the next chunk leaves a gap, too, and the end brings all of it
      if (!(error instanceof GoimError)) throw error;
      this.#streams.delete(streamId); // one may not see it any more
      return;
    }
    const message = found.messages.find(({ serverMsgId }) => serverMsgId === streamId);
    if (message?.streamStatus !== "streaming") return void this.#streams.delete(streamId);
    if ((message.streamIndex ?? 0) <= index) return;
    this.#streams.set(streamId, { convId, seq, index: message.streamIndex });
    this.#emit("stream_text", message);
  }

  /** Go on from where the cursors stand; on the very first run, what was said so far does not count as missed. This
   * comes before the first connection: what is said from now on is pushed, or missed. */
  async #begin() {
    if (this.#shown) return;
    const kept = this.#store.load();
    if (kept) {
      this.#shown = new Map(Object.entries(kept).map(([id, { seq, change }]) => [id, new Progress(seq, change)]));
      return;
    }
    const lines = await this.#lines();
    this.#shown = new Map(lines.map((line) => [line.convId, new Progress(line.lastSeq, line.lastChange)]));
    this.#isSaved = false;
    this.#save();
    this.#emit("conversations", lines);
  }

  /** What happened while there was no connection, wherever it did. */
  async #missed() {
    this.#met.clear();
    const lines = await this.#linesWhileConnected();
    if (!lines || !this.#shown) return; // or somebody has logged out
    const behind = [];
    for (const line of lines) {
      if (!this.#shown.has(line.convId)) {
        // A pair that was not there is new from its first message; into a group one may have come late.
        const isPair = line.convType === "c2c";
        this.#shown.set(line.convId, isPair ? new Progress() : new Progress(line.readSeq, line.lastChange));
      }
      if (!this.#shown.get(line.convId).isAt(line.lastSeq, line.lastChange)) behind.push(line.convId);
    }
    this.#isSaved = false;
    this.#emit("conversations", lines);
    await this.#catchUp(behind);
    for (const [streamId, at] of [...this.#streams]) await this.#textOf(streamId, at);
  }

  async #lines() {
    const found = [];
    let cursor;
    do {
      const page = await this.#http.get("/api/conversations", { limit: 200, cursor });
      found.push(...page.conversations);
      cursor = page.nextCursor;
    } while (cursor);
    return found;
  }

  /** The same, asked for until it is answered; null if the connection goes meanwhile: the next one asks anew. */
  async #linesWhileConnected() {
    const { connection } = this.#link;
    while (this.#link.isUp && connection === this.#link.connection) {
      try {
        const lines = await this.#lines();
        return connection === this.#link.connection ? lines : null;
      } catch (error) {
        if (this.#link.isUp && !isPassing(error)) throw error;
        await sleep(500);
      }
    }
    return null;
  }

  async #catchUp(convIds) {
    const wanted = [...convIds];
    while (wanted.length) {
      const convs = wanted.splice(0, AT_ONCE).map((convId) => {
        const at = this.#shown.get(convId);
        return { convId, fromSeq: at.messages.upto, fromChange: at.changes.upto };
      });
      const synced = await this.#link.ask("sync", { convs, limit: 200 });
      for (const conv of synced.convs) {
        this.#synced(conv);
        if (conv.hasMore && (conv.messages.length || conv.changes.length)) wanted.push(conv.convId);
      }
    }
  }

  #synced(conv) {
    const { messages, changes } = this.#shown.get(conv.convId);
    for (const message of conv.messages) {
      if (messages.has(message.seq)) continue;
      messages.skipTo(message.seq); // what is missing below it has expired
      this.#tell(message);
    }
    for (const { change, action, data } of conv.changes) {
      if (changes.has(change)) continue;
      changes.skipTo(change);
      this.#changed(action, data);
    }
    if (conv.hasMore) return;
    messages.skipTo(conv.lastSeq);
    changes.skipTo(conv.lastChange);
  }
}
