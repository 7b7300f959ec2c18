// A picture of somebody: theirs, or their initials on a colour that is always the same.
import { html } from "../../vendor/preact-htm.js";
import { files } from "../core/app.js";
import { useFile } from "../store/files.js";

const COLOURS = 8;

/** The first letters of the first two words, or the first character where words are no letters. */
export function initials(name) {
  const words = name.trim().split(/[\s._-]+/).filter(Boolean);
  const letters = words.slice(0, 2).map((word) => [...word][0]);
  return (/^\p{Script=Han}/u.test(name) ? [...name].slice(-2) : letters).join("").toUpperCase();
}

function colourOf(id) {
  let sum = 7;
  for (const character of id) sum = (sum * 31 + character.codePointAt(0)) >>> 0;
  return sum % COLOURS;
}

export function Avatar({ id, name, url, size = 44, isOnline = false }) {
  const { url: picture } = useFile(files, url);
  return html`<span class="avatar colour-${colourOf(id)}" style=${{ "--size": `${size}px` }} aria-hidden="true">
    ${picture ? html`<img src=${picture} alt="" />` : html`<span>${initials(name || "?") || "?"}</span>`}
    ${isOnline && html`<i class="online"></i>`}
  </span>`;
}
