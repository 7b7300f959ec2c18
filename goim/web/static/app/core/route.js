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
addEventListener("hashchange", () => (route.value = parse()));

export const hrefOf = (place, id = "") => `#/${place}${id ? `/${encodeURIComponent(id)}` : ""}`;

export function go(place, id = "") {
  if (location.hash !== hrefOf(place, id)) location.hash = hrefOf(place, id);
}
