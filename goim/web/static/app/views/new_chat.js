// Begin: a conversation with somebody, or a group.
import { html, useRef, useState } from "../../vendor/preact-htm.js";
import { client, conversations, groups, people } from "../core/app.js";
import { t } from "../core/i18n.js";
import { go } from "../core/route.js";
import { useSignals } from "../core/signal.js";
import { Avatar } from "./avatar.js";
import { useFound } from "./found.js";
import { Icon } from "./icons.js";
import { attempt, dialog, DialogHead, note } from "./overlay.js";

/** People on the server whose name has `q` in it; null while nobody is asked for. */
export const usePeopleSearch = (q) => useFound(q.trim(), 2, (word) => people.search(word));

/** Somebody in a list, with what can be done about them at the end. */
export function Person({ userId, onClick, sub, children, size = 40 }) {
  const name = people.name(userId) || "…";
  const inside = html`<${Avatar} id=${userId} name=${name} url=${people.avatar(userId)} size=${size} isOnline=${people.isOnline(userId)} />
    <span class="person-text"><b dir="auto">${name}</b>${sub && html`<small>${sub}</small>`}</span>`;
  return html`<li class="person-row">
    ${onClick ? html`<button type="button" class="person" onClick=${onClick}>${inside}</button>` : html`<span class="person">${inside}</span>`}
    ${children}
  </li>`;
}

async function befriend(userId) {
  const asking = people.add(userId);
  if (await attempt(asking)) note(t((await asking) === "accepted" ? "people.now_friends" : "people.asked", { name: people.name(userId) }));
}

/** The button that fits what we are to somebody. */
export function Befriend({ userId, onChat }) {
  if (userId === client.userId) return null;
  if (people.friends.has(userId)) return html`<button type="button" class="button small" onClick=${onChat}>${t("people.message")}</button>`;
  if (people.waiting.has(userId)) return html`<button type="button" class="button small" disabled>${t("people.waiting")}</button>`;
  return html`<button type="button" class="button small primary" onClick=${() => befriend(userId)}>${t("people.add")}</button>`;
}

function NewChat({ close }) {
  useSignals(people.changed);
  const [q, setQ] = useState("");
  const found = usePeopleSearch(q);
  const start = (userId) => {
    close();
    go("chats", conversations.with(userId));
  };
  const friends = [...people.friends.keys()].filter((id) => people.name(id).toLowerCase().includes(q.trim().toLowerCase()));
  const strangers = found?.filter(({ userId }) => !people.friends.has(userId)) ?? [];
  return html`<${DialogHead} title=${t("new.chat")} close=${close} />
    <label class="field"><span>${t("people.search")}</span><input autofocus value=${q} onInput=${(event) => setQ(event.target.value)} /></label>
    <ul class="people">
      ${friends.map((id) => html`<${Person} key=${id} userId=${id} onClick=${() => start(id)} />`)}
      ${strangers.length > 0 && html`<li class="list-title">${t("people.others")}</li>`}
      ${strangers.map(({ userId, username }) => html`<${Person} key=${userId} userId=${userId} sub=${`@${username}`}><${Befriend} userId=${userId} /><//>`)}
      ${!friends.length && !strangers.length && html`<li class="list-empty">${q ? t("list.nothing") : t("people.none")}</li>`}
    </ul>`;
}

/** Friends to tick; `chosen` is a Set. */
function ChooseFriends({ chosen, onChange, without = [] }) {
  const [q, setQ] = useState("");
  const ids = [...people.friends.keys()].filter((id) => !without.includes(id) && people.name(id).toLowerCase().includes(q.toLowerCase()));
  const toggle = (id) => {
    const next = new Set(chosen);
    if (!next.delete(id)) next.add(id);
    onChange(next);
  };
  return html`<label class="field"><span>${t("people.search")}</span><input value=${q} onInput=${(event) => setQ(event.target.value)} /></label>
    <ul class="people choose">
      ${ids.map((id) => html`<li key=${id}><label class="person">
        <input type="checkbox" checked=${chosen.has(id)} onChange=${() => toggle(id)} />
        <${Avatar} id=${id} name=${people.name(id)} url=${people.avatar(id)} size=${36} /><span class="person-text"><b dir="auto">${people.name(id)}</b></span>
      </label></li>`)}
      ${!ids.length && html`<li class="list-empty">${t(q ? "list.nothing" : "people.none")}</li>`}
    </ul>`;
}

function NewGroup({ close }) {
  useSignals(people.changed);
  const [chosen, setChosen] = useState(new Set());
  const [isBusy, setBusy] = useState(false);
  const form = useRef();
  const submit = async (event) => {
    event.preventDefault();
    const { name, policy } = Object.fromEntries(new FormData(form.current));
    const making = groups.create(name.trim(), [...chosen], policy);
    setBusy(true);
    if (!(await attempt(making))) return setBusy(false);
    await conversations.reload();
    close();
    go("chats", (await making).convId);
  };
  return html`<form ref=${form} onSubmit=${submit}>
    <${DialogHead} title=${t("new.group")} close=${close} />
    <label class="field"><span>${t("group.name")}</span><input name="name" required maxlength="64" autofocus autocomplete="off" /></label>
    <label class="field"><span>${t("group.policy")}</span><select name="policy">
      ${["open", "approval", "invite"].map((policy) => html`<option value=${policy} selected=${policy === "invite"}>${t(`policy.${policy}`)}</option>`)}
    </select></label>
    <${ChooseFriends} chosen=${chosen} onChange=${setChosen} />
    <footer class="dialog-foot"><button type="button" class="button" onClick=${() => close()}>${t("do.cancel")}</button><button class="button primary" disabled=${isBusy}>${t("do.create")}</button></footer>
  </form>`;
}

function Add({ groupId, close }) {
  useSignals(people.changed);
  const [chosen, setChosen] = useState(new Set());
  const members = groups.members.get(groupId)?.map(({ userId }) => userId) ?? [];
  const add = async () => {
    if (await attempt(groups.invite(groupId, [...chosen]))) close();
  };
  return html`<${DialogHead} title=${t("group.add")} close=${close} />
    <${ChooseFriends} chosen=${chosen} onChange=${setChosen} without=${members} />
    <footer class="dialog-foot"><button type="button" class="button" onClick=${() => close()}>${t("do.cancel")}</button>
      <button type="button" class="button primary" disabled=${!chosen.size} onClick=${add}>${t("group.add")}</button></footer>`;
}

export const openNewChat = () => dialog(NewChat, { title: t("new.chat") });
export const openNewGroup = () => dialog(NewGroup, { title: t("new.group") });
export const openAdd = (groupId) => dialog(Add, { groupId, title: t("group.add") });

export function AddButton({ onClick, label }) {
  return html`<button type="button" class="person add" onClick=${onClick}><span class="add-icon"><${Icon} name="plus" /></span><b>${label}</b></button>`;
}
