// Groups: what mine are, who is in them, what was posted, where I am invited.
import { Signal } from "../core/signal.js";
import { Asked } from "./asked.js";
import { all } from "./people.js";

const pathOf = (groupId, more = "") => `/api/groups/${encodeURIComponent(groupId)}${more}`;

export class Groups {
  #client;
  #people;
  #all = new Asked(() => this.#askForAll(), (answer) => this.#takeAll(answer)); // those that are mine, and invitations
  #lists = new Map(); // groupId → Asked: who is in it
  mine = new Map(); // groupId → group
  members = new Map(); // groupId → [{userId, nickname, role, muteUntil, joinedAt}]
  invitations = [];
  changed = new Signal(0);

  constructor(client, people) {
    this.#client = client;
    this.#people = people;
    client.on("connected", () => {
      this.refresh();
      for (const groupId of this.#lists.keys()) this.#reload(groupId);
    });
    client.on("group_created", () => this.refresh());
    client.on("group_invite", () => this.refresh());
    client.on("group_updated", ({ groupId, by, ...news }) => this.#update(groupId, news));
    client.on("group_disbanded", ({ groupId }) => this.#gone(groupId));
    client.on("member_joined", (data) => (data.userId === client.userId ? this.refresh() : this.#count(data.groupId, 1)));
    client.on("member_left", (data) => (data.userId === client.userId ? this.#gone(data.groupId) : this.#count(data.groupId, -1)));
    client.on("member_updated", ({ groupId, userId }) => {
      if (userId === client.userId) this.refresh();
      this.#reload(groupId);
    });
  }

  clear() {
    for (const asked of [this.#all, ...this.#lists.values()]) asked.clear();
    for (const kept of [this.mine, this.members, this.#lists]) kept.clear();
    this.invitations = [];
    this.changed.poke();
  }

  refresh() {
    return this.#all.anew().catch(() => {}); // the next connection asks again
  }

  #askForAll() {
    const { http } = this.#client;
    return Promise.all([
      all((offset) => http.get("/api/groups", { limit: 200, offset }), "groups"),
      http.get("/api/groups/invitations", { limit: 200 }),
    ]);
  }

  #takeAll([groups, { invitations }]) {
    this.mine = new Map(groups.map((group) => [group.groupId, group]));
    this.invitations = invitations;
    this.changed.poke();
  }

  #update(groupId, news) {
    this.#all.do(() => {
      const group = this.mine.get(groupId);
      if (group) this.mine.set(groupId, { ...group, ...news });
      this.changed.poke();
    });
  }

  #gone(groupId) {
    this.#all.do(() => {
      this.mine.delete(groupId);
      this.changed.poke();
    });
    this.#lists.get(groupId)?.clear();
    this.#lists.delete(groupId);
    this.members.delete(groupId);
  }

  /** So many more are in it. */
  #count(groupId, more) {
    const group = this.mine.get(groupId);
    if (group) this.#update(groupId, { memberCount: group.memberCount + more });
    this.#reload(groupId);
  }

  /** Who is in it, or what they may do, is not as we know it. */
  #reload(groupId) {
    if (this.#lists.has(groupId)) this.loadMembers(groupId, { isFresh: true }).catch(() => {}); // likewise
  }

  /** Who is in it; the first thousand, which is as many as anybody looks at. */
  async loadMembers(groupId, { isFresh = false } = {}) {
    if (!this.#lists.has(groupId)) {
      this.#lists.set(groupId, new Asked(() => this.#askForMembers(groupId), (found) => this.#takeMembers(groupId, found)));
    }
    if (isFresh || !this.members.has(groupId)) await this.#lists.get(groupId).anew();
    return this.members.get(groupId) ?? []; // it is gone by now
  }

  async #askForMembers(groupId) {
    const found = [];
    let cursor;
    do {
      const page = await this.#client.http.get(pathOf(groupId, "/members"), { limit: 200, cursor });
      found.push(...page.members);
      cursor = page.nextCursor;
    } while (cursor && found.length < 1000);
    return found;
  }

  #takeMembers(groupId, found) {
    const rank = { owner: 0, admin: 1, member: 2 };
    found.sort((one, other) => rank[one.role] - rank[other.role] || one.joinedAt - other.joinedAt);
    this.members.set(groupId, found);
    if (found.length < 1000) this.#update(groupId, { memberCount: found.length });
    this.changed.poke();
    this.#people.loadPresence(found.map(({ userId }) => userId));
  }

  mayManage(groupId) {
    return ["owner", "admin"].includes(this.mine.get(groupId)?.role);
  }

  async create(name, memberIds, joinPolicy) {
    const made = await this.#client.http.post("/api/groups", { name, memberIds, joinPolicy });
    await this.refresh();
    return made;
  }

  async change(groupId, news) {
    this.#update(groupId, await this.#client.http.put(pathOf(groupId), news));
  }

  async muteAll(groupId, muted) {
    await this.#client.http.post(pathOf(groupId, "/mute"), { muted });
    this.#update(groupId, { muted });
  }

  async invite(groupId, userIds) {
    const answer = await this.#client.http.post(pathOf(groupId, "/members"), { userIds });
    await this.loadMembers(groupId, { isFresh: true });
    return answer;
  }

  async setMember(groupId, userId, news) {
    await this.#client.http.put(pathOf(groupId, `/members/${encodeURIComponent(userId)}`), news);
    await Promise.all([this.loadMembers(groupId, { isFresh: true }), news.role === "owner" ? this.refresh() : null]);
  }

  async putOut(groupId, userId) {
    await this.#client.http.delete(pathOf(groupId, `/members/${encodeURIComponent(userId)}`));
    await this.loadMembers(groupId, { isFresh: true });
  }

  async join(groupId) {
    await this.#client.http.post(pathOf(groupId, "/join"));
    await this.refresh();
  }

  async decline(groupId) {
    await this.#client.http.delete(`/api/groups/invitations/${encodeURIComponent(groupId)}`);
    await this.refresh();
  }

  async leave(groupId) {
    await this.#client.http.post(pathOf(groupId, "/leave"));
    this.#gone(groupId);
  }

  async disband(groupId) {
    await this.#client.http.delete(pathOf(groupId));
    this.#gone(groupId);
  }

  notices = async (groupId) => (await this.#client.http.get(pathOf(groupId, "/notices"), { limit: 20 })).notices;
  post = (groupId, title, content) => this.#client.http.post(pathOf(groupId, "/notices"), { title, content });
  asking = async (groupId) => (await this.#client.http.get(pathOf(groupId, "/requests"), { limit: 50 })).requests;
  decide = (groupId, userId, accept) =>
    this.#client.http.post(pathOf(groupId, `/requests/${encodeURIComponent(userId)}`), { accept });
}
