// What a message holds, a view for each type.
import { html, useEffect, useRef, useState } from "../../vendor/preact-htm.js";
import { files, people } from "../core/app.js";
import { format, isEmoji } from "../core/format.js";
import { t } from "../core/i18n.js";
import { hrefOf } from "../core/route.js";
import { bytes, length } from "../core/times.js";
import { isFading } from "../store/fading.js";
import { useFile } from "../store/files.js";
import { Avatar } from "./avatar.js";
import { Icon } from "./icons.js";
import { attempt, dialog } from "./overlay.js";
import { Voice } from "./voice.js";

function Text({ message, names }) {
  const text = message.payload?.text ?? "";
  return html`<div class=${isEmoji(text) ? "text emoji" : "text"} dir="auto">${format(text, names ? names.split("\n") : [])}</div>`;
}

function Stream({ message, names }) {
  const isGoing = message.streamStatus === "streaming";
  return html`<div class=${isGoing ? "stream going" : "stream"} aria-busy=${isGoing}>
    <${Text} message=${message} names=${names} />
    ${isGoing && html`<span class="caret" role="img" aria-label=${t("message.writing")}></span>`}
    ${message.streamStatus === "failed" && html`<p class="stream-failed"><${Icon} name="alert" size=${14} />${t("message.broke_off")}</p>`}
  </div>`;
}

// files

function BigImage({ url, fades, onOpen, close }) {
  const { url: whole } = useFile(files, url, fades);
  useEffect(() => onOpen(close), []);
  return html`<button type="button" class="big-image" onClick=${() => close()} aria-label=${t("do.close")}>
    ${whole ? html`<img src=${whole} alt="" />` : html`<span class="spinner"></span>`}
  </button>`;
}

const MOST_WIDE = 340;
const MOST_HIGH = 320;

function sizeOf({ width, height }) {
  if (!(width > 0 && height > 0)) return { width: 240, height: 180 };
  const scale = Math.min(1, MOST_WIDE / width, MOST_HIGH / height);
  return { width: Math.max(Math.round(width * scale), 60), height: Math.max(Math.round(height * scale), 40) };
}

function Image({ message }) {
  const { url, thumbnail, width, height } = message.payload ?? {};
  const isSmall = width <= MOST_WIDE && height <= MOST_HIGH;
  const fades = isFading(message);
  const closeBig = useRef();
  useEffect(() => () => fades && closeBig.current?.(), []); // it goes with the message
  const { url: shown, failed } = useFile(files, isSmall ? url : (thumbnail ?? url), fades);
  if (!files.isOurs(url)) return html`<${Elsewhere} url=${url} icon="image" />`;
  const { width: wide, height: high } = sizeOf(message.payload);
  return html`<button type="button" class="image" style=${{ width: `${wide}px`, aspectRatio: `${wide} / ${high}` }} aria-label=${t("kind.image")} onClick=${() => dialog(BigImage, { url, fades, onOpen: (close) => void (closeBig.current = close), title: t("kind.image") })}>
    ${shown && html`<img src=${shown} alt="" />`}
    ${failed && html`<span class="image-gone"><${Icon} name="image" />${t("file.gone")}</span>`}
  </button>`;
}

/** What is not on this server is not fetched by itself: who wrote it would see who reads it. */
function Elsewhere({ url, icon }) {
  if (!/^https?:\/\//.test(url ?? "")) return html`<p class="text">${t("file.gone")}</p>`;
  return html`<a class="elsewhere" href=${url} target="_blank" rel="noopener noreferrer"><${Icon} name=${icon} /><span>${url}</span></a>`;
}

function Spoken({ message }) {
  const { url } = message.payload ?? {};
  return files.isOurs(url) ? html`<${Voice} message=${message} />` : html`<${Elsewhere} url=${url} icon="file" />`;
}

function Video({ message }) {
  const { url, thumbnail, duration } = message.payload ?? {};
  const [isWanted, setWanted] = useState(false);
  const { url: film, failed } = useFile(files, isWanted ? url : "", isFading(message));
  const { url: still } = useFile(files, thumbnail ?? "", isFading(message));
  if (!files.isOurs(url)) return html`<${Elsewhere} url=${url} icon="file" />`;
  if (failed) return html`<p class="text">${t("file.gone")}</p>`;
  if (film) return html`<video class="video" controls autoplay playsinline src=${film} aria-label=${t("kind.video")}></video>`;
  return html`<button type="button" class="video video-start" onClick=${() => setWanted(true)} aria-label=${t("file.play")}>
    ${still && html`<img src=${still} alt="" />`}<span>${isWanted ? html`<i class="spinner"></i>` : "▶"}</span><small>${length(duration ?? 0)}</small>
  </button>`;
}

function File({ message }) {
  const { url, name, size } = message.payload ?? {};
  if (!files.isOurs(url)) return html`<${Elsewhere} url=${url} icon="file" />`;
  return html`<button type="button" class="file" onClick=${() => attempt(files.save(url, name ?? "file", isFading(message)))} aria-label=${t("file.save", { name })}>
    <span class="file-icon"><${Icon} name="file" /></span>
    <span class="file-text"><b>${name}</b><small>${bytes(size ?? 0)}</small></span>
  </button>`;
}

// the rest

function Card({ message }) {
  const { userId, nickname } = message.payload ?? {};
  const name = people.name(userId) || nickname || "…";
  return html`<a class="card" href=${hrefOf("people", userId)}>
    <${Avatar} id=${userId ?? ""} name=${name} url=${people.avatar(userId)} size=${44} />
    <span class="file-text"><b>${name}</b><small>${t("kind.card")}</small></span>
  </a>`;
}

/** A grid with a pin, and the way to a map: none is loaded by itself. */
function Location({ message }) {
  const { latitude, longitude, address } = message.payload ?? {};
  if (typeof latitude !== "number" || typeof longitude !== "number") return html`<p class="text">${t("kind.location")}</p>`;
  const href = `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=16/${latitude}/${longitude}`;
  return html`<a class="location" href=${href} target="_blank" rel="noopener noreferrer">
    <span class="map" aria-hidden="true"><${Icon} name="place" size=${30} /></span>
    <span class="file-text"><b>${address || t("kind.location")}</b><small>${latitude.toFixed(4)}, ${longitude.toFixed(4)}</small></span>
  </a>`;
}

function Call({ message, isMine }) {
  const { type, status, duration } = message.payload ?? {};
  const isMissed = status === "missed" || (status === "cancelled" && !isMine);
  const what = isMissed && !isMine ? t("call.missed") : t(`call.${status}`);
  return html`<div class=${isMissed ? "call missed" : "call"}><b>${t(`call.${type}`)}</b><small>${what}${duration ? ` · ${length(duration)}` : ""}</small></div>`;
}

function Custom({ message }) {
  return html`<details class="custom"><summary>${t("kind.custom")}</summary><pre><code>${JSON.stringify(message.payload, null, 2)}</code></pre></details>`;
}

/** The view of each type of message. */
export const CONTENTS = { text: Text, stream: Stream, image: Image, voice: Spoken, video: Video, file: File, card: Card, location: Location, call: Call, custom: Custom };

export const contentOf = (type) => CONTENTS[type] ?? Custom;
export const hasNoFrame = ({ type, payload }) => (type === "text" && isEmoji(payload?.text ?? "")) || type === "image";
