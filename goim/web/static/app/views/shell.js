// The frame: where one can go, the list there, what is open, and what is known of it.
import { html, useEffect } from "../../vendor/preact-htm.js";
import { conversations, online, people, groups } from "../core/app.js";
import { t } from "../core/i18n.js";
import { go, hrefOf, route } from "../core/route.js";
import { useSignals } from "../core/signal.js";
import { Avatar } from "./avatar.js";
import { Chat } from "./chat.js";
import { ChatList } from "./chat_list.js";
import { Details } from "./details.js";
import { Icon } from "./icons.js";
import { JoinPage } from "./join.js";
import { areDetailsOpen } from "./open.js";
import { closeAll } from "./overlay.js";
import { PeopleList, PersonPage } from "./people.js";
import { SavedList, SavedPage } from "./saved.js";
import { SettingsList, SettingsPage } from "./settings.js";

/** Everything that one can go to: its list, and what shows one of the list. */
const PLACES = {
  chats: { icon: "chats", List: ChatList, Main: Chat, badge: () => conversations.unread, hasDetails: true },
  people: { icon: "people", List: PeopleList, Main: PersonPage, badge: () => people.requests.length + groups.invitations.length },
  join: { List: ChatList, Main: JoinPage }, // without a place in the bar
  saved: { icon: "saved", List: SavedList, Main: SavedPage, badge: () => 0 },
  settings: { icon: "settings", List: SettingsList, Main: SettingsPage, badge: () => 0 },
};

function Rail({ place }) {
  useSignals(conversations.changed, people.changed, groups.changed);
  const me = people.me;
  return html`<nav class="rail" aria-label=${t("nav.label")}>
    ${Object.entries(PLACES).map(([name, { icon, badge }]) => {
      if (!icon) return null;
      const count = badge();
      const label = t(`nav.${name}`);
      return html`<a href=${hrefOf(name)} class="rail-item" aria-current=${name === place ? "page" : undefined}
        aria-label=${count ? t("nav.badge", { label, count }) : label} title=${label}>
        <${Icon} name=${icon} size=${24} />
        ${count > 0 && html`<span class="badge" aria-hidden="true">${count > 99 ? "99+" : count}</span>`}
        <span class="rail-label">${label}</span>
      </a>`;
    })}
    ${me && html`<a href=${hrefOf("settings", "profile")} class="rail-me" aria-label=${t("nav.me", { name: me.nickname || me.username })}>
      <${Avatar} id=${me.userId} name=${me.nickname || me.username} url=${me.avatarUrl} size=${36} />
    </a>`}
  </nav>`;
}

function Offline() {
  const [isOnline] = useSignals(online);
  if (isOnline !== false) return null;
  return html`<div class="offline" role="status"><span class="spinner" aria-hidden="true"></span>${t("offline")}</div>`;
}

const SHORTCUTS = {
  k: () => document.querySelector(".pane-list input[type=search]")?.focus(),
};

function onKeyDown(event) {
  if ((event.ctrlKey || event.metaKey) && SHORTCUTS[event.key]) {
    event.preventDefault();
    SHORTCUTS[event.key]();
  } else if (event.altKey && ["ArrowUp", "ArrowDown"].includes(event.key) && route.value.place === "chats") {
    event.preventDefault();
    const list = conversations.list;
    const at = list.findIndex(({ convId }) => convId === route.value.id);
    const next = list[at + (event.key === "ArrowUp" ? -1 : 1)];
    if (next) go("chats", next.convId);
  }
}

export function Shell() {
  const [{ place: asked, id }, isOpen] = useSignals(route, areDetailsOpen);
  const place = PLACES[asked] ? asked : "chats";
  const { List, Main, hasDetails } = PLACES[place];
  useEffect(() => {
    addEventListener("keydown", onKeyDown);
    const unwatch = route.watch(closeAll); // what was asked on another page
    return () => {
      unwatch();
      removeEventListener("keydown", onKeyDown);
      closeAll(); // whoever is nobody any more sees nothing of it
    };
  }, []);
  const withDetails = hasDetails && id && isOpen;
  return html`<div class="shell ${id ? "has-main" : ""} ${withDetails ? "has-details" : ""}">
    <${Offline} />
    <${Rail} place=${place} />
    <section class="pane-list" aria-label=${t(PLACES[place].icon ? `nav.${place}` : "nav.chats")}><${List} key=${place} id=${id} /></section>
    <main class="pane-main"><${Main} key=${place + id} id=${id} /></main>
    ${withDetails && html`<aside class="pane-details" aria-label=${t("details.label")}><${Details} key=${id} id=${id} /></aside>`}
  </div>`;
}
