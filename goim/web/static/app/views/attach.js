// Sends what is no text: pictures, films, files, somebody's card, a place.
import { html, useState } from "../../vendor/preact-htm.js";
import { client, conversations, people, whenOut } from "../core/app.js";
import { t } from "../core/i18n.js";
import { Signal, useSignals } from "../core/signal.js";
import { Avatar } from "./avatar.js";
import { Icon } from "./icons.js";
import { attempt, dialog, DialogHead, note } from "./overlay.js";

/** What is on its way to the server: {convId, name, share, cancel}. */
const uploads = new Signal([]);
whenOut(() => uploads.value.forEach(({ cancel }) => cancel()));

/** How far each of a conversation's files has come. */
export function Uploads({ convId }) {
  const [all] = useSignals(uploads);
  return all
    .filter((each) => each.convId === convId)
    .map(({ name, share, cancel }) => html`<div class="upload" role="status">
      <span>${name}</span><progress max="1" value=${share} aria-label=${t("attach.progress", { name })}></progress>
      <button type="button" class="button-icon" onClick=${cancel} aria-label=${t("do.cancel")}><${Icon} name="close" size=${16} /></button>
    </div>`);
}

/** How long a film takes, and how large it is; nothing if the browser cannot tell. */
function measure(file) {
  return new Promise((resolve) => {
    const film = document.createElement("video");
    const done = (found) => (URL.revokeObjectURL(film.src), resolve(found));
    film.preload = "metadata";
    film.onloadedmetadata = () => done({ duration: Number.isFinite(film.duration) ? film.duration : 0, width: film.videoWidth, height: film.videoHeight });
    film.onerror = () => done({ duration: 0 });
    film.src = URL.createObjectURL(file);
  });
}

/** The message that a file becomes, by what the server found it to be. */
async function messageOf(file, { url, fileName, size, mimeType, width, height, thumbnail }) {
  if (mimeType.startsWith("image/")) return { type: "image", payload: { url, width, height, thumbnail } };
  if (mimeType.startsWith("video/")) return { type: "video", payload: { url, name: fileName, size, ...(await measure(file)) } };
  return { type: "file", payload: { url, name: fileName, size } };
}

async function sendFile(conv, file) {
  const stop = new AbortController();
  const entry = { convId: conv.convId, name: file.name, share: 0, cancel: () => stop.abort() };
  uploads.value = [...uploads.value, entry];
  try {
    const kept = await client.http.upload(file, { signal: stop.signal, progress: (share) => ((entry.share = share), uploads.poke()) });
    const { type, payload } = await messageOf(file, kept);
    await conversations.say(conversations.get(conv.convId) ?? conv, undefined, { type, payload });
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  } finally {
    uploads.value = uploads.value.filter((each) => each !== entry);
  }
}

/** One after another, in the order they were chosen. */
export async function sendFiles(conv, files) {
  const { userId } = client;
  for (const file of files) if (client.userId === userId) await attempt(sendFile(conv, file));
}

function ChooseFriend({ close }) {
  const [q, setQ] = useState("");
  const found = [...people.friends.keys()].filter((id) => people.name(id).toLowerCase().includes(q.toLowerCase()));
  return html`<${DialogHead} title=${t("attach.card")} close=${close} />
    <label class="field"><span>${t("people.search")}</span><input autofocus value=${q} onInput=${(event) => setQ(event.target.value)} /></label>
    <ul class="people">${found.map((id) => html`<li><button type="button" class="person" onClick=${() => close(id)}>
      <${Avatar} id=${id} name=${people.name(id)} url=${people.avatar(id)} size=${36} /><span>${people.name(id)}</span>
    </button></li>`)}</ul>`;
}

export async function sendCard(conv) {
  const userId = await dialog(ChooseFriend, { title: t("attach.card") });
  const user = userId && people.known.get(userId);
  if (user) conversations.say(conv, undefined, { type: "card", payload: { userId, nickname: user.nickname || user.username, avatar: user.avatarUrl } });
}

export function sendLocation(conv) {
  navigator.geolocation.getCurrentPosition(
    ({ coords: { latitude, longitude } }) => conversations.say(conv, undefined, { type: "location", payload: { latitude, longitude } }),
    () => note(t("attach.no_location"), { isBad: true }),
    { timeout: 10_000 },
  );
}
