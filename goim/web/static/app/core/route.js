// Where we are, as it stands behind the # of the address: so that a reload, back and forward work.
import { Signal } from "./signal.js";

/** "#/chats/c1" → {place: "chats", id: "c1"} */
function parse() {
  const [place, id] = location.hash.replace(/^#\/?/, "").split("/");
  try {
    return { place: place || "chats", id: id ? decodeURIComponent(id) : "" };
  } catch {
    return { place: "chats", id: "" };
  }
}

export const route = new Signal(parse());

/** Each entry of the browser's history knows whether the one before it is the list that it stands in. */
const mark = (isBelow) => history.state ?? history.replaceState({ isBelow }, "");
mark(false);
addEventListener("hashchange", () => {
  const before = route.value;
  route.value = parse();
  mark(before.place === route.value.place && !before.id);
});

export const hrefOf = (place, id = "") => `#/${place}${id ? `/${encodeURIComponent(id)}` : ""}`;

export function go(place, id = "") {
  if (location.hash !== hrefOf(place, id)) location.hash = hrefOf(place, id);
}

/** From what is open to its list, as the browser's own way back leads there. */
export function back(place) {
  if (history.state?.isBelow) history.back();
  else location.replace(hrefOf(place));
}

/** The same from what is gone, unless one looks at something else by now. */
export const leave = (place, id) => route.value.place === place && route.value.id === id && back(place);
