// One conversation: who it is with, what was said, and what is being said.
import { html, useCallback, useLayoutEffect, useRef, useState } from "../../vendor/preact-htm.js";
import { client, conversations, groups, people } from "../core/app.js";
import { t } from "../core/i18n.js";
import { back } from "../core/route.js";
import { Signal, useSignals } from "../core/signal.js";
import { summary } from "../core/summary.js";
import { ago, brief } from "../core/times.js";
import { Avatar } from "./avatar.js";
import { Composer } from "./composer.js";
import { convMenu } from "./conv_menu.js";
import { searchMessages, useFound } from "./found.js";
import { Icon } from "./icons.js";
import { openMenu } from "./overlay.js";
import { areDetailsOpen, jumpTo } from "./open.js";
import { TimelineView } from "./timeline_view.js";

/** Buttons at the head of a conversation: `(conv) => ({icon, label, act} or null)`. Others may add to it. */
export const HEADER_ACTIONS = [];

function Subtitle({ conv }) {
  const typists = conversations.typists(conv.convId);
  if (typists.length) {
    const name = conv.groupId ? people.name(typists[0]) : "";
    return html`<span class="typing">${typists.length > 1 ? t("typing.many", { count: typists.length }) : name ? t("typing.who", { name }) : t("typing.one")}</span>`;
  }
  if (conv.groupId) {
    const group = groups.mine.get(conv.groupId);
    return html`<span>${group ? t("group.members", { count: group.memberCount }) : ""}</span>`;
  }
  const here = people.presence.get(conv.peerId);
  if (here?.online) return html`<span class="is-online">${t("presence.online")}</span>`;
  return html`<span>${here?.lastSeen ? t("presence.seen", { ago: ago(here.lastSeen) }) : ""}</span>`;
}

function Head({ conv, onSearch }) {
  useSignals(conversations.changed, people.changed, groups.changed, areDetailsOpen);
  const title = conversations.titleOf(conv);
  const actions = HEADER_ACTIONS.map((action) => action(conv)).filter(Boolean);
  const toggle = () => (areDetailsOpen.value = !areDetailsOpen.value);
  return html`<header class="chat-head">
    <button type="button" class="button-icon only-phone" onClick=${() => back("chats")} aria-label=${t("do.back")}><${Icon} name="back" /></button>
    <button type="button" class="chat-who" onClick=${toggle} title=${t("details.open", { title })}>
      <${Avatar} id=${conv.peerId ?? conv.groupId} name=${title} url=${conversations.avatarOf(conv)} size=${40} isOnline=${Boolean(conv.peerId) && people.isOnline(conv.peerId)} />
      <span class="chat-title"><b dir="auto">${title}</b><small><${Subtitle} conv=${conv} /></small></span>
    </button>
    ${actions.map(({ icon, label, act }) => html`<button type="button" class="button-icon" onClick=${act} aria-label=${label} title=${label}><${Icon} name=${icon} /></button>`)}
    <button type="button" class="button-icon" onClick=${onSearch} aria-label=${t("chat.search")} title=${t("chat.search")}><${Icon} name="search" /></button>
    <button type="button" class="button-icon" onClick=${toggle} aria-pressed=${areDetailsOpen.value} aria-label=${t("details.label")} title=${t("details.label")}><${Icon} name="info" /></button>
    ${!conv.isNew && html`<button type="button" class="button-icon" onClick=${(event) => openMenu(event, convMenu(conv))} aria-haspopup="menu" aria-label=${t("do.more")}><${Icon} name="more" /></button>`}
  </header>`;
}

/** Search in this conversation, below its head. */
function Search({ conv, close }) {
  const [q, setQ] = useState("");
  const found = useFound(q.trim(), 1, searchMessages(client, conv.convId));
  const field = useRef();
  useLayoutEffect(() => {
    const before = document.activeElement;
    field.current.focus();
    return () => before?.focus?.();
  }, []);
  return html`<div class="chat-search" role="search" onKeyDown=${(event) => event.key === "Escape" && close()}>
    <div class="search"><${Icon} name="search" size=${17} />
      <input type="search" ref=${field} value=${q} placeholder=${t("chat.search")} aria-label=${t("chat.search")} onInput=${(event) => setQ(event.target.value)} />
      <button type="button" class="button-icon" onClick=${close} aria-label=${t("do.close")}><${Icon} name="close" size=${18} /></button>
    </div>
    ${found && html`<ul class="found">
      ${found.map((message) => html`<li><button type="button" onClick=${() => jumpTo(conv.convId, message.seq)}>
        <b>${message.from === client.userId ? t("you") : people.name(message.from)}</b><time>${brief(message.timestamp)}</time><span dir="auto">${summary(message)}</span>
      </button></li>`)}
      ${!found.length && html`<li class="list-empty">${t("list.nothing")}</li>`}
    </ul>`}
  </div>`;
}

function Open({ conv }) {
  const timeline = conversations.timeline(conv.convId);
  const [isSearching, setSearching] = useState(false);
  const replyTo = useRef(new Signal(null)).current; // {message, isEdit}
  const [isOver, setOver] = useState(false);
  const files = useRef(new Signal(null)).current; // what was dropped here
  const drop = useCallback((event) => {
    event.preventDefault();
    setOver(false);
    if (event.dataTransfer.files.length) files.value = [...event.dataTransfer.files];
  }, []);
  const over = (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    setOver(true);
  };
  return html`<div class="chat ${isOver ? "is-over" : ""}" onDragOver=${over} onDragLeave=${(event) => event.currentTarget.contains(event.relatedTarget) || setOver(false)} onDrop=${drop}>
    <${Head} conv=${conv} onSearch=${() => setSearching(!isSearching)} />
    ${isSearching && html`<${Search} conv=${conv} close=${() => setSearching(false)} />`}
    <${TimelineView} conv=${conv} timeline=${timeline} about=${replyTo} />
    <${Composer} conv=${conv} timeline=${timeline} about=${replyTo} dropped=${files} />
    ${isOver && html`<div class="drop" aria-hidden="true"><${Icon} name="attach" size=${40} />${t("chat.drop")}</div>`}
  </div>`;
}

export function Chat({ id }) {
  useSignals(conversations.changed);
  if (!id) {
    return html`<div class="nothing-open"><div class="logo" aria-hidden="true"><${Icon} name="chats" size=${40} /></div><p>${t("chat.choose")}</p></div>`;
  }
  const conv = conversations.get(id);
  if (!conv && !conversations.isLoaded) return html`<div class="nothing-open"><span class="spinner"></span></div>`;
  if (!conv) {
    return html`<div class="nothing-open"><p>${t("chat.gone")}</p><button type="button" class="button" onClick=${() => back("chats")}>${t("do.back")}</button></div>`;
  }
  if (conv.isNew && !conversations.isLoaded) return html`<div class="nothing-open"><span class="spinner"></span></div>`;
  return html`<${Open} conv=${conv} />`;
}
