// The message that another answers, in a line.
import { html, useEffect, useState } from "../../vendor/preact-htm.js";
import { client, people } from "../core/app.js";
import { t } from "../core/i18n.js";
import { summary } from "../core/summary.js";
import { jumpTo } from "./open.js";

const fetched = new Map(); // serverMsgId → message or null

/** Where a message probably stands: today's ids end with the seq. Whether it is so is looked up. */
export const seqHint = (serverMsgId) => Number(/-(\d+)$/.exec(serverMsgId)?.[1] ?? 0);

async function find(convId, serverMsgId) {
  const seq = seqHint(serverMsgId);
  if (!seq) return null;
  const { messages } = await client.history(convId, { fromSeq: seq - 1, limit: 1 });
  return messages.find((message) => message.serverMsgId === serverMsgId) ?? null;
}

/** `message` as it is loaded; if it is null, it is looked for. */
export function Quote({ convId, serverMsgId, message }) {
  const [found, setFound] = useState(fetched.get(serverMsgId));
  useEffect(() => {
    if (message || found !== undefined) return;
    find(convId, serverMsgId).then(
      (answer) => (fetched.set(serverMsgId, answer), setFound(answer)),
      () => {}, // shown without its words
    );
  }, [message]);
  const shown = message ?? found;
  const name = shown ? (shown.from === client.userId ? t("you") : people.name(shown.from)) : "";
  return html`<button type="button" class="quote" onClick=${() => shown && jumpTo(convId, shown.seq)} disabled=${!shown}>
    <b>${name}</b><span>${shown ? summary(shown) : t("message.unknown")}</span>
  </button>`;
}
