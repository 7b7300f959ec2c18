// Tells people who look elsewhere: the number in the page's title, and notifications if they have allowed them.
import { LocalStore } from "../../goim.js";
import { Signal } from "../core/signal.js";

const kept = new LocalStore("goim.notify");

export class Notifier {
  #unread = 0;
  #caller = "";
  /** "on", "off", "denied" by the browser, or "unsupported". */
  state = new Signal(stateNow());

  constructor(conversations) {
    conversations.changed.watch(() => this.#count(conversations.unread));
    conversations.onNews = ({ title, text, convId }) => {
      if (document.hidden) this.#show(title, { body: text, tag: convId }, () => conversations.open(convId));
    };
  }

  /** Only ever asked for by a click. */
  async turn(isOn) {
    if (isOn && Notification.permission === "default") await Notification.requestPermission();
    kept.save(isOn);
    this.state.value = stateNow();
  }

  /** Somebody calls; what it returns ends that. */
  call(name, text, callId) {
    this.#caller = `${name} ${text}`;
    this.#entitle();
    const isLookedAt = !document.hidden && document.hasFocus();
    const note = isLookedAt ? null : this.#show(name, { body: text, tag: callId, requireInteraction: true }, () => {});
    return () => {
      note?.close();
      this.#caller = "";
      this.#entitle();
    };
  }

  #count(unread) {
    if (unread === this.#unread) return;
    this.#unread = unread;
    this.#entitle();
    const told = unread ? navigator.setAppBadge?.(unread) : navigator.clearAppBadge?.();
    told?.catch(() => {}); // only an installed page has a badge
  }

  #entitle() {
    const count = this.#unread ? `(${this.#unread > 99 ? "99+" : this.#unread}) ` : "";
    document.title = this.#caller ? `☎ ${this.#caller}` : `${count}goim`;
  }

  #show(title, options, open) {
    if (this.state.value !== "on") return null;
    try {
      const note = new Notification(title, { icon: "/web/icon.svg", ...options });
      note.onclick = () => {
        focus();
        open();
        note.close();
      };
      return note;
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      this.state.value = "unsupported"; // on phones only a worker may
      return null;
    }
  }
}

function stateNow() {
  if (!("Notification" in window)) return "unsupported";
  if (Notification.permission === "denied") return "denied";
  return Notification.permission === "granted" && kept.load() !== false ? "on" : "off";
}
