// What does not stay: choosing it, its sign, the cover before it is read, and the time that is left.
import { html, useEffect, useReducer } from "../../vendor/preact-htm.js";
import { conversations, fading } from "../core/app.js";
import { t } from "../core/i18n.js";
import { useSignals } from "../core/signal.js";
import { left, term } from "../core/times.js";
import { TERMS } from "../store/fading.js";
import { Icon } from "./icons.js";
import { openMenu } from "./overlay.js";

const nameOf = (chosen) => (chosen === null ? t("fade.stays") : chosen === "burn" ? t("fade.burn") : t("fade.after", { term: term(chosen) }));

/** Choose how long what is said in this conversation lasts. */
export function chooseTerm(event, conv) {
  const now = fading.of(conv.convId);
  const terms = [null, ...(conv.groupId ? [] : ["burn"]), ...TERMS];
  openMenu(event, terms.map((each) => ({ label: nameOf(each), icon: each === now ? "check" : "blank", act: () => fading.choose(conv.convId, each) })));
}

/** Above the field, as long as what one says does not stay. */
export function FadingNotice({ conv }) {
  useSignals(fading.chosen);
  const chosen = fading.of(conv.convId);
  if (chosen === null) return null;
  return html`<div class="about fading" role="status">
    <${Icon} name=${chosen === "burn" ? "flame" : "timer"} />
    <span class="about-text"><b>${t("fade.label")}</b><span>${nameOf(chosen)}</span></span>
    <button type="button" class="button-icon" onClick=${() => fading.choose(conv.convId, null)} aria-label=${t("fade.off")} title=${t("fade.off")}><${Icon} name="close" size=${18} /></button>
  </div>`;
}

/** Drawn again each second, or less often while that says the same. */
function useClock(until) {
  const [, tick] = useReducer((n) => n + 1, 0);
  useEffect(() => {
    if (!until) return;
    const timer = setInterval(tick, until - Date.now() > 3_600_000 ? 30_000 : 500);
    return () => clearInterval(timer);
  }, [until]);
}

/** In a bubble: that it will go, and when. */
export function Sign({ message }) {
  const until = message.expireAt ?? message.expireAtMs;
  useClock(until);
  if (message.burnAfterRead) return html`<span class="fading-sign" role="img" aria-label=${t("message.burns")} title=${t("message.burns")}><${Icon} name="flame" size=${13} /></span>`;
  if (!until) return null;
  return html`<span class="fading-sign" title=${t("message.expires")}><${Icon} name="timer" size=${13} /><span role="timer" aria-label=${t("message.expires")}>${left(until)}</span></span>`;
}

/** Over what disappears once it is read: it is read when one says so. */
export function Cover({ message }) {
  return html`<button type="button" class="cover" onClick=${() => conversations.uncover(message)}>
    <${Icon} name="flame" size=${22} /><span class="file-text"><b>${t("fade.open")}</b><small>${t("fade.open_hint")}</small></span>
  </button>`;
}

/** How long it may still be looked at. */
export function Burning({ until, seconds }) {
  useClock(until);
  const share = Math.max(0, (until - Date.now()) / 1000 / seconds);
  return html`<span class="burning" role="timer" aria-label=${t("fade.left")}>
    <i style=${{ "--share": share }}></i>${left(until)}
  </span>`;
}
