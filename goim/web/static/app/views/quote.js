// The message that another answers, in a line.
import { html } from "../../vendor/preact-htm.js";
import { client, people } from "../core/app.js";
import { t } from "../core/i18n.js";
import { summary } from "../core/summary.js";
import { jumpTo } from "./open.js";

/** `message` is null where it is not known. */
export function Quote({ convId, message }) {
  if (!message) return html`<button type="button" class="quote" disabled><b></b><span>${t("message.unknown")}</span></button>`;
  const { from, seq } = message;
  return html`<button type="button" class="quote" onClick=${() => jumpTo(convId, seq)}>
    <b>${from === client.userId ? t("you") : people.name(from)}</b><span dir="auto">${summary(message)}</span>
  </button>`;
}
