// Friends, who asks to be one, where I am invited, and everybody else on the server.
import { html, useState } from "../../vendor/preact-htm.js";
import { client, conversations, groups, people } from "../core/app.js";
import { t } from "../core/i18n.js";
import { back, go, hrefOf } from "../core/route.js";
import { useSignals } from "../core/signal.js";
import { ago } from "../core/times.js";
import { Avatar } from "./avatar.js";
import { SearchField } from "./chat_list.js";
import { Icon } from "./icons.js";
import { Befriend, Person, usePeopleSearch } from "./new_chat.js";
import { ask, attempt, sure } from "./overlay.js";

const seen = (userId) => {
  const here = people.presence.get(userId);
  if (here?.online) return t("presence.online");
  return here?.lastSeen ? t("presence.seen", { ago: ago(here.lastSeen) }) : "";
};

function Invitation({ groupId, name, memberCount, by }) {
  const join = async () => {
    if (!(await attempt(groups.join(groupId)))) return;
    await conversations.reload();
    go("chats", `group:${groupId}`);
  };
  return html`<li class="person-row">
    <span class="person"><${Avatar} id=${groupId} name=${name} size=${40} /><span class="person-text"><b dir="auto">${name}</b><small>${t("group.invited_by", { name: people.name(by), count: memberCount })}</small></span></span>
    <button type="button" class="button small primary" onClick=${join}>${t("group.join")}</button>
    <button type="button" class="button-icon" onClick=${() => attempt(groups.decline(groupId))} aria-label=${t("do.decline")}><${Icon} name="close" size=${18} /></button>
  </li>`;
}

function Request({ userId, remark }) {
  return html`<${Person} userId=${userId} sub=${remark || t("people.wants")}>
    <button type="button" class="button small primary" onClick=${() => attempt(people.add(userId))}>${t("do.accept")}</button>
    <button type="button" class="button-icon" onClick=${() => attempt(people.remove(userId))} aria-label=${t("do.decline")}><${Icon} name="close" size=${18} /></button>
  <//>`;
}

export function PeopleList({ id }) {
  useSignals(people.changed, groups.changed);
  const [q, setQ] = useState("");
  const found = usePeopleSearch(q);
  const isWanted = (userId) => people.name(userId).toLowerCase().includes(q.trim().toLowerCase());
  const friends = [...people.friends.keys()].filter(isWanted).sort((one, other) =>
    Number(people.isOnline(other)) - Number(people.isOnline(one)) || people.name(one).localeCompare(people.name(other)));
  const strangers = found?.filter(({ userId }) => !people.friends.has(userId)) ?? [];
  return html`
    <header class="list-head"><h1>${t("nav.people")}</h1></header>
    <${SearchField} value=${q} onInput=${setQ} label=${t("people.search_all")} />
    <div class="list-rows">
      ${!q && groups.invitations.length > 0 && html`<h2 class="list-title">${t("group.invitations")}</h2><ul class="people">${groups.invitations.map((each) => html`<${Invitation} key=${each.groupId} ...${each} />`)}</ul>`}
      ${!q && people.requests.length > 0 && html`<h2 class="list-title">${t("people.requests")}</h2><ul class="people">${people.requests.map((each) => html`<${Request} key=${each.userId} ...${each} />`)}</ul>`}
      ${friends.length > 0 && html`<h2 class="list-title">${t("people.friends", { count: friends.length })}</h2>`}
      ${friends.map((userId) => html`<a key=${userId} href=${hrefOf("people", userId)} class="row" aria-current=${id === userId ? "true" : undefined}>
        <${Avatar} id=${userId} name=${people.name(userId)} url=${people.avatar(userId)} size=${44} isOnline=${people.isOnline(userId)} />
        <span class="row-text"><b class="row-title" dir="auto">${people.name(userId)}</b><span class="row-last">${seen(userId)}</span></span>
      </a>`)}
      ${strangers.length > 0 && html`<h2 class="list-title">${t("people.others")}</h2>`}
      <ul class="people">${strangers.map(({ userId, username }) => html`<${Person} key=${userId} userId=${userId} sub=${`@${username}`} onClick=${() => go("people", userId)}><${Befriend} userId=${userId} /><//>`)}</ul>
      ${!friends.length && !strangers.length && html`<div class="list-empty"><${Icon} name="people" size=${36} /><p>${q ? t("list.nothing") : t("people.none")}</p></div>`}
    </div>`;
}

/** What one can do about somebody; used here and beside a conversation. */
export function PersonActs({ userId }) {
  const isFriend = people.friends.has(userId);
  const isBlocked = people.blocked.has(userId);
  const name = people.name(userId);
  const remark = async () => {
    const given = await ask(t("people.remark"), t("people.remark_hint"), { value: people.friends.get(userId).remark, maxlength: 64 });
    if (given !== undefined) await attempt(people.rename(userId, given));
  };
  const remove = async () => {
    if (await sure(t("people.remove"), t("people.remove_sure", { name }), t("do.remove"))) await attempt(people.remove(userId));
  };
  const block = async () => {
    if (isBlocked || (await sure(t("people.block"), t("people.block_sure", { name }), t("people.block")))) await attempt(people.block(userId, !isBlocked));
  };
  return html`<div class="acts">
    ${isFriend && html`<button type="button" class="act" onClick=${remark}><${Icon} name="edit" />${t("people.remark")}</button>`}
    <button type="button" class="act ${isBlocked ? "" : "danger"}" onClick=${block}><${Icon} name="block" />${t(isBlocked ? "people.unblock" : "people.block")}</button>
    ${isFriend && html`<button type="button" class="act danger" onClick=${remove}><${Icon} name="trash" />${t("people.remove")}</button>`}
  </div>`;
}

export function PersonHead({ userId }) {
  const user = people.known.get(userId);
  const name = people.name(userId) || "…";
  return html`<div class="profile-head">
    <${Avatar} id=${userId} name=${name} url=${people.avatar(userId)} size=${112} />
    <h2>${name}</h2>
    <p>${user ? `@${user.username}` : ""}</p>
    <p class=${people.isOnline(userId) ? "is-online" : ""}>${seen(userId)}</p>
  </div>`;
}

export function PersonPage({ id }) {
  useSignals(people.changed);
  if (!id) return html`<div class="nothing-open"><div class="logo" aria-hidden="true"><${Icon} name="people" size=${40} /></div><p>${t("people.choose")}</p></div>`;
  people.load(id);
  return html`<div class="page-main">
    <header class="page-head only-phone"><button type="button" class="button-icon" onClick=${() => back("people")} aria-label=${t("do.back")}><${Icon} name="back" /></button></header>
    <div class="page-body narrow">
      <${PersonHead} userId=${id} />
      ${id !== client.userId && html`<div class="centred"><${Befriend} userId=${id} onChat=${() => go("chats", conversations.with(id))} /></div><${PersonActs} userId=${id} />`}
    </div>
  </div>`;
}
