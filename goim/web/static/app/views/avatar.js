// A picture of somebody: theirs, or their initials on a colour that is always the same.
import { html } from "../../vendor/preact-htm.js";
import { files } from "../core/app.js";
import { useFile } from "../store/files.js";

const COLOURS = 8;

/** The first letters of the first two words, or the first character where words are no letters. */
function initials(name) {
  const words = name.trim().split(/[\s._-]+/).filter(Boolean);
  const letters = words.slice(0, 2).map((word) => [...word][0]);
  return (/^\p{Script=Han}/u.test(name) ? [...name].slice(-2) : letters).join("").toUpperCase();
}

/** The same for the same id; ids of today differ at their end only, so every bit counts (FNV-1a, mixed). */
export function colourOf(id) {
  let sum = 0x811c9dc5;
  for (const character of id) sum = Math.imul(sum ^ character.codePointAt(0), 0x01000193);
  sum = Math.imul(sum ^ (sum >>> 15), 0x2c1b3c6d);
  return ((sum ^ (sum >>> 13)) >>> 0) % COLOURS;
}

export function Avatar({ id, name, url, size = 44, isOnline = false }) {
  const { url: picture } = useFile(files, url);
  return html`<span class="avatar colour-${colourOf(id)}" style=${{ "--size": `${size}px` }} aria-hidden="true">
    ${picture ? html`<img src=${picture} alt="" />` : html`<span>${initials(name || "?") || "?"}</span>`}
    ${isOnline && html`<i class="online"></i>`}
  </span>`;
}
