// Saying elsewhere what was said here.
import { newId } from "../../goim.js";

/** Whether it may be: not what was not meant to stay, nor what is gone or not written to its end. */
export function isForwardable({ seq, type, payload, recalled, burnAfterRead, expireAt, streamStatus }) {
  const isWhole = seq && payload && !recalled && streamStatus !== "streaming" && (type !== "stream" || payload.text);
  return Boolean(isWhole && !burnAfterRead && !expireAt && type !== "call");
}

/** What it says, and nothing of what it answered or who was meant; a file by its address, so no byte of it is copied. */
const contentOf = ({ type, payload }) => (type === "stream" ? { type: "text", payload: { text: payload.text } } : { type, payload });

/** One message on its way to several conversations. */
export class Forward {
  #conversations;
  #content;
  #parts; // {conv, clientMsgId, isSent, error}

  constructor(conversations, message, convs) {
    this.#conversations = conversations;
    this.#content = contentOf(message);
    this.#parts = convs.map((conv) => ({ conv, clientMsgId: newId(), isSent: false, error: null }));
  }

  get count() {
    return this.#parts.length;
  }

  /** {conv, error}: where it was refused. */
  get refused() {
    return this.#parts.filter(({ error }) => error).map(({ conv, error }) => ({ conv, error }));
  }

  /** To all that do not have it yet. Where it was refused before it goes under the same id: it is there once, even if it was stored. */
  async send() {
    await Promise.all(this.#parts.filter(({ isSent }) => !isSent).map((part) => this.#sendTo(part)));
  }

  async #sendTo(part) {
    part.error = null;
    try {
      await this.#conversations.sayAgain(part.conv, { ...this.#content, clientMsgId: part.clientMsgId });
      part.isSent = true;
    } catch (error) {
      part.error = error;
    }
  }
}
