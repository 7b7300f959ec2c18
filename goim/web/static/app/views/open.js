// What is open beside and within a conversation, for all that open it.
import { conversations } from "../core/app.js";
import { go, route } from "../core/route.js";
import { Signal } from "../core/signal.js";

export const areDetailsOpen = new Signal(false);

// Where they lie above the conversation, another one would be opened below them.
const isAbove = matchMedia("(max-width: 1100px)");
route.watch(() => isAbove.matches && (areDetailsOpen.value = false));

/** Open a conversation where a message stands. */
export function jumpTo(convId, seq) {
  const timeline = conversations.timeline(convId);
  timeline.wanted = { seq };
  go("chats", convId);
  timeline.changed.poke();
}
