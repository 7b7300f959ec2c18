// People: friends, those who ask, who is here, what everybody is called.
import { Signal } from "../core/signal.js";
import { Asked } from "./asked.js";

export class People {
  #client;
  #asked = new Map(); // userId → promise
  #ours = new Asked(() => this.#askForOurs(), (answer) => this.#takeOurs(answer)); // friends and blocks
  #theirs = new Asked(() => this.#client.http.get("/api/friends/requests", { limit: 200 }), (answer) => this.#takeTheirs(answer));
  known = new Map(); // userId → {userId, username, nickname, avatarUrl}
  friends = new Map(); // userId → the same with remark
  presence = new Map(); // userId → {online, lastSeen}
  blocked = new Set();
  /** Who was asked on this page and has not answered yet: the server lists only who asks us. */
  waiting = new Set();
  requests = [];
  me = null;
  isLoaded = false;
  /** Pokes whenever any of this changes. */
  changed = new Signal(0);

  constructor(client) {
    this.#client = client;
    client.on("connected", () => this.refresh());
    client.on("presence", (data) => this.#present([data]));
    client.on("friend_request", () => this.#theirs.anew().catch(() => {})); // the next connection asks again
    client.on("friend_accepted", () => this.refresh());
    client.on("friend_removed", ({ userId }) => {
      this.presence.delete(userId);
      this.waiting.delete(userId);
      this.#part(userId);
    });
  }

  clear() {
    for (const kept of [this.known, this.friends, this.presence, this.blocked, this.waiting, this.#asked]) kept.clear();
    for (const asked of [this.#ours, this.#theirs]) asked.clear();
    this.requests = [];
    this.me = null;
    this.isLoaded = false;
    this.changed.poke();
  }

  async begin() {
    this.me = await this.#client.http.get("/api/users/me").catch(() => this.me);
    this.#know(this.me);
  }

  #know(...users) {
    for (const user of users) if (user) this.known.set(user.userId, { ...this.known.get(user.userId), ...user });
    this.changed.poke();
  }

  async refresh() {
    const asking = [this.#ours.anew(), this.#theirs.anew(), this.me ? null : this.begin()];
    await Promise.all(asking).catch(() => {}); // the next connection asks again
    await this.loadPresence([...this.friends.keys()]);
  }

  #askForOurs() {
    const part = (name) => all((offset) => this.#client.http.get(`/api/${name}`, { limit: 200, offset }), name);
    return Promise.all([part("friends"), part("blocks")]);
  }

  #takeOurs([friends, blocks]) {
    this.friends = new Map(friends.map((friend) => [friend.userId, friend]));
    this.isLoaded = true;
    this.blocked = new Set(blocks.map(({ userId }) => userId));
    this.#know(...friends);
  }

  #takeTheirs({ requests }) {
    this.requests = requests;
    this.#know(...requests);
  }

  #part(userId) {
    this.#ours.do(() => this.friends.delete(userId));
    this.#answered(userId);
  }

  /** Nobody waits for our half any more. */
  #answered(userId) {
    this.#theirs.do(() => {
      this.requests = this.requests.filter((each) => each.userId !== userId);
      this.changed.poke();
    });
  }

  async loadPresence(userIds) {
    for (let at = 0; at < userIds.length; at += 200) {
      const asked = userIds.slice(at, at + 200).join(",");
      const before = new Map(this.presence);
      const { presence } = await this.#client.http.get("/api/presence", { userIds: asked }).catch(() => ({ presence: [] }));
      this.#present(presence.filter(({ userId }) => this.presence.get(userId) === before.get(userId))); // else it was pushed meanwhile
    }
  }

  #present(list) {
    for (const { userId, online, lastSeen } of list) this.presence.set(userId, { online, lastSeen });
    this.changed.poke();
  }

  isOnline(userId) {
    return this.presence.get(userId)?.online ?? false;
  }

  /** What somebody is called here; "" until it is known (then `changed` pokes). */
  name(userId) {
    const user = this.friends.get(userId) ?? this.known.get(userId);
    if (!user) this.load(userId);
    return user ? user.remark || user.nickname || user.username : "";
  }

  avatar(userId) {
    return this.known.get(userId)?.avatarUrl ?? "";
  }

  /** Everything public about somebody; null if there is no such user any more. */
  load(userId) {
    if (this.known.has(userId)) return Promise.resolve(this.known.get(userId));
    if (!this.#asked.has(userId)) {
      const asking = this.#client.http.get(`/api/users/${encodeURIComponent(userId)}`).then(
        (user) => (this.#know(user), user),
        (error) => (error.code === "NOT_FOUND" ? null : (this.#asked.delete(userId), null)),
      );
      this.#asked.set(userId, asking);
    }
    return this.#asked.get(userId);
  }

  async search(q) {
    const { users } = await this.#client.http.get("/api/users/search", { q, limit: 20 });
    this.#know(...users);
    return users.filter(({ userId }) => userId !== this.#client.userId);
  }

  async add(userId, remark) {
    const { status } = await this.#client.http.post("/api/friends", { friendId: userId, ...(remark ? { remark } : {}) });
    this.#answered(userId);
    if (status === "pending") this.waiting.add(userId);
    await this.refresh();
    return status;
  }

  async remove(userId) {
    await this.#client.http.delete(`/api/friends/${encodeURIComponent(userId)}`);
    this.#part(userId);
  }

  async rename(userId, remark) {
    await this.#client.http.put(`/api/friends/${encodeURIComponent(userId)}`, { remark });
    await this.refresh();
  }

  async block(userId, isBlocked) {
    const path = `/api/blocks/${encodeURIComponent(userId)}`;
    await (isBlocked ? this.#client.http.post(path) : this.#client.http.delete(path));
    this.#ours.do(() => (isBlocked ? this.blocked.add(userId) : this.blocked.delete(userId)));
    this.changed.poke();
  }

  async updateMe(profile) {
    this.me = await this.#client.http.put("/api/users/me", profile);
    this.#know(this.me);
  }
}

/** All parts of a list that comes by `offset`. */
export async function all(part, name) {
  const found = [];
  for (;;) {
    const page = (await part(found.length))[name];
    found.push(...page);
    if (page.length < 200) return found;
  }
}
