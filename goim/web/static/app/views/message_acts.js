// What one can do with a message.
import { html } from "../../vendor/preact-htm.js";
import { client, conversations, groups, people } from "../core/app.js";
import { t } from "../core/i18n.js";
import { moment } from "../core/times.js";
import { isForwardable } from "../store/forward.js";
import { Avatar } from "./avatar.js";
import { copy } from "./copy.js";
import { EmojiPicker } from "./emoji.js";
import { openForward } from "./forward.js";
import { attempt, closeMenu, dialog, DialogHead, note, openMenu, sure } from "./overlay.js";

const QUICK = ["👍", "❤️", "😂", "😮", "😢", "🎉"];

function Readers({ readers, unread, close }) {
  const row = (userId, at) => html`<li class="person"><${Avatar} id=${userId} name=${people.name(userId)} url=${people.avatar(userId)} size=${34} /><span>${people.name(userId)}</span>${at && html`<time>${moment(at)}</time>`}</li>`;
  return html`<${DialogHead} title=${t("readers.title")} close=${close} />
    <ul class="people">${readers.map(({ userId, readAt }) => row(userId, readAt))}</ul>
    ${unread.length > 0 && html`<h3 class="list-title">${t("readers.not_yet")}</h3><ul class="people">${unread.map((userId) => row(userId))}</ul>`}`;
}

const textOf = ({ type, payload }) => (["text", "stream"].includes(type) ? (payload?.text ?? "") : "");

/** The acts of one conversation's messages; the same object for all of them. */
export function messageActs(conv, timeline, about) {
  const mayRecall = (message, isMine) => isMine || (conv.groupId && groups.mayManage(conv.groupId));
  const acts = {
    react: (message, emoji) => attempt(conversations.react(message, emoji)),
    reply: (message) => (about.value = { message }),
    edit: (message) => (about.value = { message, isEdit: true }),
    again({ clientMsgId }) {
      const { data } = timeline.failed.find((each) => each.data.clientMsgId === clientMsgId);
      const { at, convId, convType, to, groupId, ...said } = data;
      conversations.sayAgain(conversations.get(conv.convId) ?? conv, said).catch(() => {}); // shown as before
    },
    discard: ({ clientMsgId }) => conversations.refused.remove(clientMsgId),
    copy: (message) => copy(textOf(message)),
    forward: (message) => openForward(message, timeline),
    async keep(message) {
      const kept = client.http.post("/api/favorites/message", { messageId: message.serverMsgId, convId: message.convId });
      if (await attempt(kept)) note(t("saved.done"));
    },
    async readers(message) {
      await attempt(timeline.readers(message.serverMsgId).then((found) => dialog(Readers, { ...found, title: t("readers.title") })));
    },
    async recall(message) {
      if (await sure(t("do.recall"), t("recall.sure"), t("do.recall"))) await attempt(conversations.recall(message));
    },
    emoji(event, message) {
      const choose = (emoji) => (closeMenu(), acts.react(message, emoji));
      openMenu(event, [], { head: html`<${EmojiPicker} onChoose=${choose} />` });
    },
    menu(event, message, isMine) {
      const isText = textOf(message) !== "";
      const quick = html`<div class="quick">${QUICK.map((emoji) => html`<button type="button" role="menuitem" aria-label=${t("reaction.add", { emoji })} onClick=${() => (closeMenu(), acts.react(message, emoji))}>${emoji}</button>`)}</div>`;
      openMenu(
        event,
        [
          { label: t("do.reply"), icon: "reply", act: () => acts.reply(message) },
          isForwardable(message) && { label: t("do.forward"), icon: "forward", act: () => acts.forward(message) },
          isText && !message.burnAfterRead && { label: t("do.copy"), icon: "copy", act: () => acts.copy(message) },
          isMine && message.type === "text" && { label: t("do.edit"), icon: "edit", act: () => acts.edit(message) },
          !message.burnAfterRead && !message.expireAt && message.type !== "call" && { label: t("do.save_message"), icon: "saved", act: () => acts.keep(message) },
          isMine && conv.groupId && { label: t("readers.title"), icon: "check", act: () => acts.readers(message) },
          mayRecall(message, isMine) && message.type !== "call" && { label: t("do.recall"), icon: "recall", isDangerous: true, act: () => acts.recall(message) },
        ],
        { head: quick },
      );
    },
  };
  return acts;
}
