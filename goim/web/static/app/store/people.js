// People: friends, those who ask, who is here, what everybody is called.
import { Signal } from "../core/signal.js";

export class People {
  #client;
  #asked = new Map(); // userId → promise
  #friendsInOrder = inOrder();
  #requestsInOrder = inOrder();
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
    client.on("friend_request", () => this.#loadRequests().catch(() => {})); // the next connection asks again
    client.on("friend_accepted", () => this.refresh());
    client.on("friend_removed", ({ userId }) => {
      this.friends.delete(userId);
      this.presence.delete(userId);
      this.waiting.delete(userId);
      this.requests = this.requests.filter((each) => each.userId !== userId);
      this.changed.poke();
    });
  }

  clear() {
    for (const kept of [this.known, this.friends, this.presence, this.blocked, this.waiting, this.#asked]) kept.clear();
    for (const inOrder of [this.#friendsInOrder, this.#requestsInOrder]) inOrder()(); // what was asked before is nobody's
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
    const { http } = this.#client;
    const isNews = this.#friendsInOrder();
    const [friends, blocks] = await Promise.all([
      all((offset) => http.get("/api/friends", { limit: 200, offset }), "friends"),
      all((offset) => http.get("/api/blocks", { limit: 200, offset }), "blocks"),
      this.#loadRequests(),
      this.me ? null : this.begin(),
    ]).catch(() => [null]); // the next connection asks again
    if (!friends || !isNews()) return;
    this.friends = new Map(friends.map((friend) => [friend.userId, friend]));
    this.isLoaded = true;
    this.blocked = new Set(blocks.map(({ userId }) => userId));
    this.#know(...friends);
    await this.loadPresence([...this.friends.keys()]);
  }

  async #loadRequests() {
    const isNews = this.#requestsInOrder();
    const { requests } = await this.#client.http.get("/api/friends/requests", { limit: 200 });
    if (!isNews()) return;
    this.requests = requests;
    this.#know(...requests);
  }

  async loadPresence(userIds) {
    for (let at = 0; at < userIds.length; at += 200) {
      const asked = userIds.slice(at, at + 200).join(",");
      const answer = await this.#client.http.get("/api/presence", { userIds: asked }).catch(() => null);
      if (answer) this.#present(answer.presence);
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
    this.requests = this.requests.filter((each) => each.userId !== userId);
    if (status === "pending") this.waiting.add(userId);
    await this.refresh();
    return status;
  }

  async remove(userId) {
    await this.#client.http.delete(`/api/friends/${encodeURIComponent(userId)}`);
    this.friends.delete(userId);
    this.requests = this.requests.filter((each) => each.userId !== userId);
    this.changed.poke();
  }

  async rename(userId, remark) {
    await this.#client.http.put(`/api/friends/${encodeURIComponent(userId)}`, { remark });
    await this.refresh();
  }

  async block(userId, isBlocked) {
    const path = `/api/blocks/${encodeURIComponent(userId)}`;
    await (isBlocked ? this.#client.http.post(path) : this.#client.http.delete(path));
    if (isBlocked) this.blocked.add(userId);
    else this.blocked.delete(userId);
    this.changed.poke();
  }

  async updateMe(profile) {
    this.me = await this.#client.http.put("/api/users/me", profile);
    this.#know(this.me);
  }
}

/** Called for each question; what it returns tells when its answer is there whether that is news: not if a later one
 * was answered before. */
function inOrder() {
  let [asked, answered] = [0, 0];
  return () => {
    const mine = ++asked;
    return () => mine > answered && ((answered = mine), true);
  };
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
