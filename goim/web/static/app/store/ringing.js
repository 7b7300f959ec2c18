// What is heard and told while a call rings, here or at the other side.
import { LocalStore } from "../../goim.js";
import { t } from "../core/i18n.js";
import { Signal } from "../core/signal.js";
import { startPlaying } from "./tones.js";

const kept = new LocalStore("goim.ring");

export class Ringing {
  #people;
  #notifier;
  #devices;
  #state = "";
  #quiet = () => {};
  /** Whether a call that comes in is heard. */
  isLoud = new Signal(kept.load() !== false);

  constructor(people, notifier, devices) {
    this.#people = people;
    this.#notifier = notifier;
    this.#devices = devices;
  }

  turn(isLoud) {
    kept.save(isLoud);
    this.isLoud.value = isLoud;
  }

  /** The call is like this now; null if there is none. */
  follow(current) {
    const state = ["incoming", "outgoing"].includes(current?.state) ? current.state : "";
    if (state === this.#state) return;
    this.#state = state;
    this.#quiet();
    const ends = [];
    if (state === "incoming") ends.push(this.#tell(current.call));
    if (state === "outgoing" || (state && this.isLoud.value)) ends.push(this.#sound(state));
    this.#quiet = () => ends.splice(0).forEach((end) => end());
  }

  #tell({ from, type, callId }) {
    let [isOver, end] = [false, () => {}];
    this.#people.load(from).then(() => { // at once, but on a page that has just been opened
      if (!isOver) end = this.#notifier.call(this.#people.name(from), t(`call.incoming_${type}`), callId);
    });
    return () => ((isOver = true), end());
  }

  #sound(name) {
    const playing = startPlaying(name, this.#devices);
    playing.catch(reportError); // a machine without any sound: it is seen, then
    return () => playing.then((end) => end(), () => {});
  }
}
