// Favourites: messages that were kept, and notes of one's own.
import { html, useEffect, useState } from "../../vendor/preact-htm.js";
import { client, conversations, whenOut } from "../core/app.js";
import { t } from "../core/i18n.js";
import { back, hrefOf, leave } from "../core/route.js";
import { Signal, useSignals } from "../core/signal.js";
import { summary } from "../core/summary.js";
import { brief, whole } from "../core/times.js";
import { SearchField } from "./chat_list.js";
import { contentOf } from "./contents.js";
import { Icon } from "./icons.js";
import { ask, attempt, sure } from "./overlay.js";
import { jumpTo } from "./open.js";

const PAGE = 100;
const list = new Signal(null);
whenOut(() => (list.value = null));

let asked = 0;
let sought = "";
async function load(keyword = sought) {
  const mine = ++asked;
  sought = keyword;
  const { favorites } = await client.http.get(keyword ? "/api/favorites/search" : "/api/favorites", { keyword, limit: PAGE });
  if (mine === asked) list.value = favorites; // else another word was looked for meanwhile
}

async function loadMore() {
  const mine = asked;
  const { favorites } = await client.http.get("/api/favorites", { limit: PAGE, offset: list.value.length });
  if (mine === asked) list.value = [...list.value, ...favorites];
}

async function write() {
  const title = await ask(t("saved.new"), t("notice.title"), { maxlength: 200, yes: t("do.next") });
  if (!title) return;
  const content = await ask(title, t("saved.content"), { maxlength: 10_000, isLong: true });
  if (content && (await attempt(client.http.post("/api/favorites/custom", { title, content })))) await load();
}

const wordsOf = (favourite) => (favourite.message ? summary(favourite.message) : favourite.content);

export function SavedList({ id }) {
  const [favourites] = useSignals(list);
  const [q, setQ] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => attempt(load(q.trim())), q ? 250 : 0);
    return () => clearTimeout(timer);
  }, [q]);
  return html`
    <header class="list-head"><h1>${t("nav.saved")}</h1>
      <button type="button" class="button-icon" onClick=${write} aria-label=${t("saved.new")} title=${t("saved.new")}><${Icon} name="plus" /></button>
    </header>
    <${SearchField} value=${q} onInput=${setQ} label=${t("saved.search")} />
    <div class="list-rows">
      ${favourites?.map((each) => html`<a key=${each.favoriteId} class="row" href=${hrefOf("saved", each.favoriteId)} aria-current=${id === each.favoriteId ? "true" : undefined}>
        <span class="saved-icon"><${Icon} name=${each.message ? "chats" : "edit"} /></span>
        <span class="row-text"><span class="row-line"><b class="row-title" dir="auto">${each.title}</b><time class="row-time">${brief(each.createdAt)}</time></span><span class="row-last" dir="auto">${wordsOf(each)}</span></span>
      </a>`)}
      ${!q && favourites?.length > 0 && favourites.length % PAGE === 0 && html`<button type="button" class="button wide" onClick=${() => attempt(loadMore())}>${t("do.show_more")}</button>`}
      ${favourites?.length === 0 && html`<div class="list-empty"><${Icon} name="saved" size=${36} /><p>${q ? t("list.nothing") : t("saved.empty")}</p></div>`}
    </div>`;
}

export function SavedPage({ id }) {
  const [favourites] = useSignals(list);
  const favourite = favourites?.find(({ favoriteId }) => favoriteId === id);
  if (!favourite) {
    return html`<div class="nothing-open"><div class="logo" aria-hidden="true"><${Icon} name="saved" size=${40} /></div><p>${t("saved.choose")}</p>
      <button type="button" class="button only-phone" onClick=${() => back("saved")}>${t("do.back")}</button></div>`;
  }
  const { message, title, content, createdAt } = favourite;
  const Content = message && contentOf(message.type);
  const remove = async () => {
    if (!(await sure(t("do.delete"), t("saved.delete_sure"), t("do.delete"))) || !(await attempt(client.http.delete(`/api/favorites/${id}`)))) return;
    leave("saved", id);
    await load();
  };
  return html`<div class="page-main">
    <header class="page-head">
      <button type="button" class="button-icon only-phone" onClick=${() => back("saved")} aria-label=${t("do.back")}><${Icon} name="back" /></button>
      <h2>${title}</h2>
      ${message && conversations.get(message.convId) && html`<button type="button" class="button small" onClick=${() => jumpTo(message.convId, message.seq)}>${t("saved.in_chat")}</button>`}
      <button type="button" class="button-icon" onClick=${remove} aria-label=${t("do.delete")}><${Icon} name="trash" /></button>
    </header>
    <div class="page-body narrow">
      <div class="saved-content">${message ? html`<${Content} message=${message} names="" />` : html`<p class="text">${content}</p>`}</div>
      <p class="hint">${whole(message?.timestamp ?? createdAt)}</p>
    </div>
  </div>`;
}
