// One message.
import { html } from "../../vendor/preact-htm.js";
import { client, people } from "../core/app.js";
import { t } from "../core/i18n.js";
import { Pure } from "../core/pure.js";
import { clock, whole } from "../core/times.js";
import { Avatar, colourOf } from "./avatar.js";
import { contentOf, hasNoFrame } from "./contents.js";
import { Burning, Cover, Sign } from "./fading.js";
import { Icon, Ticks } from "./icons.js";
import { whyRefused } from "./overlay.js";
import { Quote } from "./quote.js";

const LONG_PRESS = 500;

function State({ state }) {
  if (state === "waiting") return html`<span class="state" role="img" aria-label=${t("state.waiting")}><${Icon} name="clock" size=${13} /></span>`;
  if (state === "failed") return html`<span class="state bad" role="img" aria-label=${t("state.failed")}><${Icon} name="alert" size=${14} /></span>`;
  return html`<span class="state ${state}" role="img" aria-label=${t(`state.${state}`)}><${Ticks} isRead=${state === "read"} /></span>`;
}

function Reactions({ message, acts }) {
  if (!message.reactions?.length) return null;
  return html`<div class="reactions">
    ${message.reactions.map(({ emoji, userIds }) => {
      const isMine = userIds.includes(client.userId);
      const who = userIds.map((id) => (id === client.userId ? t("you") : people.name(id))).join(", ");
      return html`<button type="button" key=${emoji} class=${isMine ? "reaction mine" : "reaction"} aria-pressed=${isMine} title=${who}
        aria-label=${t("reaction.label", { emoji, who })} onClick=${() => acts.react(message, emoji)}>${emoji}<span>${userIds.length}</span></button>`;
    })}
  </div>`;
}

export class Bubble extends Pure {
  #press = null;

  render({ message, at, isMine, isFirst, isLast, who, name, avatarUrl, quoted, names, state, error, isLit, isCovered, uncovered, acts }) {
    const { seq, recalled, from, type } = message;
    const isGone = recalled === true;
    const Content = contentOf(type);
    const isFrameless = !isGone && !isCovered && !uncovered && hasNoFrame(message) && !message.replyTo;
    const isSystem = type === "call";
    const classes = ["message", isMine ? "mine" : "theirs", isFirst && "first", isLast && "last", isLit && "lit", isFrameless && "frameless", isGone && "gone", isSystem && "system", state === "failed" && "failed", name && "named"];
    const menu = (event) => !isGone && seq && acts.menu(event, message, isMine);
    const time = at ?? message.timestamp;
    return html`<div class=${classes.filter(Boolean).join(" ")} role="article" aria-label=${who} data-seq=${seq} data-id=${message.serverMsgId} onContextMenu=${menu}
      onPointerDown=${(event) => event.pointerType === "touch" && this.hold(event, menu)} onPointerUp=${() => this.let()} onPointerMove=${() => this.let()} onPointerCancel=${() => this.let()}>
      ${avatarUrl !== undefined && name && html`<span class="message-avatar">${isLast && html`<${Avatar} id=${from} name=${name} url=${avatarUrl} size=${32} />`}</span>`}
      <div class="message-body">
        <div class="bubble">
          ${isFirst && name && html`<b class="message-name name-${colourOf(from)}">${name}</b>`}
          ${quoted !== undefined && !isGone && html`<${Quote} convId=${message.convId} message=${quoted} />`}
          ${isGone ? html`<div class="text"><${Icon} name=${message.burnAfterRead ? "flame" : "recall"} size=${15} /> ${t(message.burnAfterRead ? "message.burned" : "message.recalled")}</div>` : isCovered ? html`<${Cover} message=${message} />` : html`<${Content} message=${message} isMine=${isMine} names=${names} />`}
          ${uncovered && !isGone && html`<${Burning} ...${uncovered} />`}
          <span class="meta">
            ${!isGone && html`<${Sign} message=${message} />`}
            ${message.editedAt && !isGone && html`<span>${t("message.edited")}</span>`}
            <time title=${whole(time)}>${clock(time)}</time>
            ${isMine && html`<${State} state=${state} />`}
          </span>
        </div>
        <${Reactions} message=${message} acts=${acts} />
        ${state === "failed" && html`<p class="refused">${whyRefused(error)} <button type="button" class="link" onClick=${() => acts.again(message)}>${t("do.again")}</button> <button type="button" class="link" onClick=${() => acts.discard(message)}>${t("do.discard")}</button></p>`}
      </div>
      ${!isGone && seq && !isSystem && html`<div class="tools">
        <button type="button" class="button-icon" onClick=${(event) => acts.emoji(event, message)} aria-label=${t("do.react")} title=${t("do.react")}><${Icon} name="smile" size=${17} /></button>
        <button type="button" class="button-icon" onClick=${() => acts.reply(message)} aria-label=${t("do.reply")} title=${t("do.reply")}><${Icon} name="reply" size=${17} /></button>
        <button type="button" class="button-icon" onClick=${menu} aria-haspopup="menu" aria-label=${t("do.more")} title=${t("do.more")}><${Icon} name="more" size=${17} /></button>
      </div>`}
    </div>`;
  }

  hold(event, menu) {
    this.#press = setTimeout(() => menu(event), LONG_PRESS);
  }

  let() {
    clearTimeout(this.#press);
  }
}
