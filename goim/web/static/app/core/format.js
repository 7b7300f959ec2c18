// A text as it is shown: links, mentions, code and bold, made of elements and never of markup.
import { html } from "../../vendor/preact-htm.js";

const BLOCK = /```(?:[\w+-]*\n)?([\s\S]*?)(?:```|$)/g;
const INLINE = /`([^`\n]+)`|\*\*([^*\n]+)\*\*|(https?:\/\/[^\s<>"'\uFF00-\uFF60\u3000-\u303F…“”‘’]+[^\s<>"'.,;:!?)\]\uFF00-\uFF60\u3000-\u303F…“”‘’])/gu;
const ONLY_EMOJI = /^(?:\p{RGI_Emoji}|\p{Extended_Pictographic}){1,3}$/v;

/** Whether it is one to three emoji, which are shown large. */
export const isEmoji = (text) => text.length < 60 && ONLY_EMOJI.test(text.trim());

/** `names`: the mentioned ones, as they stand behind an @. */
export function format(text, names = []) {
  const parts = [];
  let at = 0;
  for (const found of text.matchAll(BLOCK)) {
    parts.push(...inline(text.slice(at, found.index), names));
    parts.push(html`<pre><code>${found[1].replace(/\n$/, "")}</code></pre>`);
    at = found.index + found[0].length;
    if (text[at] === "\n") at += 1;
  }
  parts.push(...inline(text.slice(at), names));
  return parts;
}

const quoted = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Any of the names behind an @; the longest first, or it would be taken for one that begins like it. */
const call = (names) => `@(${names.toSorted((one, other) => other.length - one.length).map(quoted).join("|")})`;

/** Which of the names stand behind an @. */
export const calledIn = (text, names) =>
  names.length ? [...new Set([...text.matchAll(new RegExp(call(names), "gu"))].map(([, name]) => name))] : [];

/** What is looked for within a line. */
const pattern = (names) => (names.length ? new RegExp(`${INLINE.source}|${call(names)}(?![\\p{L}\\p{N}])`, "gu") : INLINE);

function inline(text, names) {
  const parts = [];
  let at = 0;
  for (const found of text.matchAll(pattern(names))) {
    const [whole, code, bold, link, mention] = found;
    parts.push(text.slice(at, found.index));
    if (code) parts.push(html`<code>${code}</code>`);
    if (bold) parts.push(html`<strong>${bold}</strong>`);
    if (link) parts.push(html`<a href=${link} target="_blank" rel="noopener noreferrer">${link}</a>`);
    if (mention) parts.push(html`<span class="mention">@${mention}</span>`);
    at = found.index + whole.length;
  }
  parts.push(text.slice(at));
  return parts.filter(Boolean);
}
