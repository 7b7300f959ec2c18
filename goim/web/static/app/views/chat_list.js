// The conversations: search in them, what is new, what was begun, who types.
import { html, useState } from "../../vendor/preact-htm.js";
import { client, conversations, people } from "../core/app.js";
import { t } from "../core/i18n.js";
import { Pure } from "../core/pure.js";
import { hrefOf } from "../core/route.js";
import { useSignals } from "../core/signal.js";
import { summary } from "../core/summary.js";
import { brief, dayOf, whole } from "../core/times.js";
import { Avatar } from "./avatar.js";
import { convMenu } from "./conv_menu.js";
import { searchMessages, useFound } from "./found.js";
import { Icon } from "./icons.js";
import { openNewChat, openNewGroup, Person } from "./new_chat.js";
import { attempt, openMenu } from "./overlay.js";
import { jumpTo } from "./open.js";

const Sender = ({ name }) => html`<bdi class="sender">${name}:</bdi> `;

class Row extends Pure {
  render({ conv, title, avatarUrl, isOnline, isCurrent, isRefused, typist, sender }) {
    const { lastMessage, unread, muted, pinned, draft } = conv;
    const at = lastMessage?.timestamp ?? conv.updatedAt;
    const isMine = lastMessage?.from === client.userId;
    return html`<a href=${hrefOf("chats", conv.convId)} class="row" aria-current=${isCurrent ? "true" : undefined}
      onContextMenu=${(event) => openMenu(event, convMenu(conv))} data-conv=${conv.convId}>
      <${Avatar} id=${conv.peerId ?? conv.groupId} name=${title} url=${avatarUrl} size=${48} isOnline=${isOnline} />
      <span class="row-text">
        <span class="row-line">
          <b class="row-title" dir="auto">${title || "…"}</b>
          ${muted && html`<${Icon} name="mute" size=${14} />`}
          <time class="row-time" title=${whole(at)}>${at ? brief(at) : ""}</time>
        </span>
        <span class="row-line">
          <span class="row-last" dir="auto">
            ${typist !== undefined
              ? html`<em class="typing">${typist ? t("typing.who", { name: typist }) : t("typing.one")}</em>`
              : draft && !isCurrent
                ? html`<em class="draft">${t("list.draft")}</em> ${draft}`
                : html`${sender && html`<${Sender} name=${sender} />`}${summary(lastMessage)}`}
          </span>
          ${isRefused && html`<span class="state bad" role="img" aria-label=${t("state.failed")}><${Icon} name="alert" size=${17} /></span>`}
          ${conversations.isMentioned(conv) && html`<span class="badge" aria-label=${t("list.mentioned")}><${Icon} name="at" size=${12} /></span>`}
          ${unread > 0
            ? html`<span class=${muted ? "badge quiet" : "badge"} aria-label=${t("list.unread", { count: unread })}>${unread > 999 ? "999+" : unread}</span>`
            : pinned && html`<${Icon} name="pin" size=${15} />`}
        </span>
      </span>
    </a>`;
  }
}

/** `today`: what a row says of its time is another thing tomorrow. */
const rowOf = (conv, current, today) => {
  const { lastMessage, convType, convId, peerId } = conv;
  const typists = conversations.typists(convId);
  const isGroup = convType === "group";
  const sender = !isGroup || !lastMessage || lastMessage.recalled ? "" : lastMessage.from === client.userId ? t("you") : people.name(lastMessage.from);
  return html`<${Row} key=${convId} conv=${conv} title=${conversations.titleOf(conv)} avatarUrl=${conversations.avatarOf(conv)}
    isOnline=${Boolean(peerId) && people.isOnline(peerId)} isCurrent=${convId === current} isRefused=${conversations.refused.of(conv).length > 0} sender=${sender} today=${today}
    typist=${typists.length ? (isGroup ? people.name(typists[0]) : "") : undefined} />`;
};

function Found({ message }) {
  const conv = conversations.get(message.convId);
  if (!conv) return null;
  const title = conversations.titleOf(conv);
  const open = () => jumpTo(message.convId, message.seq);
  return html`<a href=${hrefOf("chats", message.convId)} class="row" onClick=${open}>
    <${Avatar} id=${conv.peerId ?? conv.groupId} name=${title} url=${conversations.avatarOf(conv)} size=${40} />
    <span class="row-text">
      <span class="row-line"><b class="row-title" dir="auto">${title}</b><time class="row-time">${brief(message.timestamp)}</time></span>
      <span class="row-line"><span class="row-last" dir="auto"><${Sender} name=${message.from === client.userId ? t("you") : people.name(message.from)} />${summary(message)}</span></span>
    </span>
  </a>`;
}

export function ChatList({ id }) {
  useSignals(conversations.changed, conversations.refused.changed, people.changed);
  const [q, setQ] = useState("");
  const wanted = q.trim().toLowerCase();
  const messages = useFound(wanted, 2, searchMessages(client));
  const isNamed = (name) => name.toLowerCase().includes(wanted);
  const list = conversations.list.filter((conv) => !wanted || isNamed(conversations.titleOf(conv)));
  const isNew = (userId) => conversations.get(conversations.with(userId))?.isNew;
  const others = wanted ? [...people.friends.keys()].filter((userId) => isNamed(people.name(userId)) && isNew(userId)) : []; // nothing was said to them yet
  const today = dayOf(Date.now());
  const more = (event) =>
    openMenu(event, [
      { label: t("new.chat"), icon: "user", act: openNewChat },
      { label: t("new.group"), icon: "people", act: openNewGroup },
      { label: t("list.read_all"), icon: "check", act: () => attempt(conversations.readAll()) },
    ]);
  return html`
    <header class="list-head">
      <h1>${t("nav.chats")}</h1>
      <button type="button" class="button-icon" onClick=${more} aria-label=${t("new.label")} aria-haspopup="menu"><${Icon} name="compose" /></button>
    </header>
    <${SearchField} value=${q} onInput=${setQ} label=${t("list.search")} />
    <div class="list-rows">
      ${list.map((conv) => rowOf(conv, id, today))}
      ${others.length > 0 && html`<ul class="people">
        ${others.map((userId) => html`<${Person} key=${userId} userId=${userId} size=${48} onClick=${() => conversations.open(conversations.with(userId))} />`)}
      </ul>`}
      ${wanted && messages && html`<h2 class="list-title">${t("list.messages")}</h2>`}
      ${wanted && messages?.map((message) => html`<${Found} key=${message.serverMsgId} message=${message} />`)}
      ${wanted && !list.length && !others.length && messages?.length === 0 && html`<p class="list-empty">${t("list.nothing")}</p>`}
      ${!wanted && conversations.isLoaded && !list.length && html`<div class="list-empty">
        <${Icon} name="chats" size=${36} />
        <p>${t("list.empty")}</p>
        <button type="button" class="button primary" onClick=${openNewChat}>${t("new.chat")}</button>
      </div>`}
      ${!conversations.isLoaded && [1, 2, 3, 4, 5].map(() => html`<div class="row skeleton"><i></i><b></b></div>`)}
    </div>
  `;
}

export function SearchField({ value, onInput, label }) {
  return html`<div class="search">
    <${Icon} name="search" size=${17} />
    <input type="search" value=${value} placeholder=${label} aria-label=${label} onInput=${(event) => onInput(event.target.value)}
      onKeyDown=${(event) => event.key === "Escape" && onInput("")} />
  </div>`;
}
