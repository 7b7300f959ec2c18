// What is found by a word, a moment after it was written.
import { useEffect, useState } from "../../vendor/preact-htm.js";
import { note, wordsFor } from "./overlay.js";

const PAUSE = 250;

/** In Chinese one character says as much as others' words do. */
const isEnough = (word, least) => word.length >= least || /\P{ASCII}/u.test(word);

/** What `ask(word)` resolves with; null while the word is shorter than `least`, or nothing is known yet. */
export function useFound(word, least, ask) {
  const [found, setFound] = useState(null);
  useEffect(() => {
    if (!isEnough(word, least)) return setFound(null);
    let isWanted = true;
    const look = () =>
      ask(word).then(
        (all) => isWanted && setFound(all),
        (error) => isWanted && note(wordsFor(error), { isBad: true }),
      );
    const timer = setTimeout(look, PAUSE);
    return () => ((isWanted = false), clearTimeout(timer));
  }, [word]);
  return found;
}

/** The messages with a word, of one conversation or of all. */
export const searchMessages = (client, convId) => async (q) =>
  (await client.http.get("/api/messages/search", { q: q.slice(0, 100), convId, limit: convId ? 50 : 30 })).messages;
