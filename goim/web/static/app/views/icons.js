// Line icons on a grid of 24, drawn with the colour of the text around them.
import { html } from "../../vendor/preact-htm.js";

const PATHS = {
  chats: "M4 5.5h16v11H10l-4 3.5v-3.5H4z",
  people: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c.4-4 3-6 6.5-6s6.1 2 6.5 6M15.5 4.4a3.5 3.5 0 0 1 0 6.3M18 14.5c2 .8 3.2 2.7 3.5 5.5",
  saved: "M6.5 3.5h11v17L12 16.2 6.5 20.5z",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 9.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM9 19.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5 20 20",
  plus: "M12 5v14M5 12h14",
  compose: "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
  send: "M4 12 20 4l-4.5 16-4-6.5zM11.5 13.5 20 4",
  attach: "M19.5 11.5 12 19a5 5 0 0 1-7-7l8-8a3.3 3.3 0 0 1 4.7 4.7l-8 8a1.7 1.7 0 0 1-2.4-2.4l7-7",
  smile: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM8.5 14.5c1 1.3 2.2 2 3.5 2s2.5-.7 3.5-2M9 9.5v.5M15 9.5v.5",
  reply: "M10 7 4.5 12.5 10 18M5 12.5h8.5c3.5 0 6 2 6 6",
  more: "M5 12.5a.500.5 0 1 0 0-1 .500.5 0 0 0 0 1zM12 12.5a.500.5 0 1 0 0-1 .500.5 0 0 0 0 1zM19 12.5a.500.5 0 1 0 0-1 .500.5 0 0 0 0 1z",
  back: "M14.5 5.5 8 12l6.5 6.5",
  down: "M6 9.5l6 6 6-6",
  close: "M6 6l12 12M18 6 6 18",
  info: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 11v5.5M12 7.5v.2",
  pin: "M9 4h6l-1 6 3 3.5H7L10 10zM12 13.5V20",
  bell: "M6 16.5V11a6 6 0 0 1 12 0v5.5l1.5 1.5h-15zM10 20.5h4",
  mute: "M6 16.5V11c0-1 .2-1.9.7-2.7M9 5.8A6 6 0 0 1 18 11v3M4.5 18H16M10 20.5h4M4 4l16 16",
  trash: "M5 7h14M10 7V4.5h4V7M7 7l1 13h8l1-13M10.5 11v5.5M13.5 11v5.5",
  edit: "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  recall: "M4 12a8 8 0 1 1 2.5 5.8M4 5v5h5",
  check: "M5 12.5 10 17.5 19.5 7.5",
  clock: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v5.5l3.5 2",
  alert: "M12 4 2.5 20h19zM12 10v5M12 17.5v.2",
  file: "M6 3.5h8l4 4v13H6zM14 3.5v4h4",
  image: "M4 5h16v14H4zM4 16l4.5-4.5L14 17M13 15.5l2.5-2.5L20 17M15.5 9.5v.01",
  place: "M12 21c-4-4.5-6.5-7.8-6.5-11a6.5 6.5 0 0 1 13 0c0 3.2-2.5 6.5-6.5 11zM12 12a2 2 0 1 0 0-4 2 2 0 0 0 0 4z",
  card: "M3.5 5.5h17v13h-17zM9 12a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM6 16c.3-1.8 1.5-2.5 3-2.5s2.7.7 3 2.5M15 10h3M15 14h3",
  leave: "M10 4H5v16h5M14 8l4 4-4 4M18 12H9",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  device: "M4 5h16v11H4zM9 20h6M12 16v4",
  sun: "M12 16.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
  block: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM5.7 5.7l12.6 12.6",
  user: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20.5c.5-4.3 3.5-6.5 7.5-6.5s7 2.2 7.5 6.5",
  at: "M15.5 12a3.5 3.5 0 1 0-7 0 3.5 3.5 0 0 0 7 0zM15.5 8.5V13c0 3 5 3 5-1a8.5 8.5 0 1 0-3.5 6.9",
  download: "M12 4v11M7 10.5l5 5 5-5M4.5 20h15",
  megaphone: "M4 10v4h3l9 4.5v-13L7 10zM8 14v4.5h3V16M19 9.5c1.2 1.5 1.2 3.5 0 5",
  phone: "M5 4h4l1.5 4.5L8 10.5a12 12 0 0 0 5.5 5.5l2-2.5L20 15v4c0 .8-.7 1.5-1.5 1.5C10.5 20 4 13.5 3.5 5.5 3.5 4.7 4.2 4 5 4z",
  camera: "M3.5 7h11v10h-11zM14.5 10.5 20.5 7.5v9l-6-3",
  camera_off: "M3.5 7v10h11V15M8 7h6.5v3.5l6-3v9M4 3.5 20 20.5",
  microphone: "M12 14.5a3 3 0 0 0 3-3v-5a3 3 0 0 0-6 0v5a3 3 0 0 0 3 3zM5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3",
  microphone_off: "M9 9v2.5a3 3 0 0 0 4.5 2.6M15 10.5v-4a3 3 0 0 0-5.5-1.7M5.5 11.5a6.5 6.5 0 0 0 10 5.5M18.5 11.5c0 1-.2 2-.6 2.8M12 18v3M4 4l16 16",
  speaker: "M4 9.5v5h3.5l5 4.5V5l-5 4.5zM16 9a4.2 4.2 0 0 1 0 6M18.5 6.5a8 8 0 0 1 0 11",
  play: "M8 5.5v13l10.5-6.5z",
  pause: "M9 6v12M15 6v12",
  language: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM3 12h18M12 3c5 5.5 5 12.5 0 18-5-5.5-5-12.5 0-18z",
};

export function Icon({ name, size = 20 }) {
  return html`<svg class="icon" width=${size} height=${size} viewBox="0 0 24 24" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;
}

/** One tick for sent, two for read. */
export function Ticks({ isRead }) {
  const path = isRead ? "M1.5 9.5 5.5 13.5 13 5.5M8.5 12.5l1 1 7.5-8" : "M4 9.5 8 13.5 15.5 5.5";
  return html`<svg class="icon ticks" width="16" height="16" viewBox="0 0 18 18" aria-hidden="true"><path d=${path} /></svg>`;
}
