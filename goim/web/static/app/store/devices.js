// Which microphone, camera and speaker are used: as was chosen here, else the browser's own choice.
import { CAMERA } from "../../client/calls.js";
import { LocalStore } from "../../goim.js";
import { t } from "../core/i18n.js";
import { Signal } from "../core/signal.js";

const kept = new LocalStore("goim.media");
export const KINDS = ["audioinput", "videoinput", "audiooutput"];

/** Whether a page may choose where sound comes out. */
export const canChooseSpeaker = "setSinkId" in HTMLMediaElement.prototype;

export class Devices {
  /** {audioinput, videoinput, audiooutput}: the ids that were chosen, "" or nothing for the browser's choice. */
  chosen = new Signal(kept.load() ?? {});
  /** All there are, as the browser tells it: without names until it has given one. */
  all = new Signal([]);

  constructor() {
    navigator.mediaDevices?.addEventListener("devicechange", () => this.look());
  }

  async look() {
    this.all.value = await navigator.mediaDevices.enumerateDevices();
  }

  choose(kind, deviceId) {
    this.chosen.value = { ...this.chosen.value, [kind]: deviceId };
    kept.save(this.chosen.value);
  }

  /** A stream of what was chosen, or of another one where that is not there any more. */
  open = async ({ audio = false, video = false }) => {
    if (!navigator.mediaDevices) throw new Error(t("voice.insecure"));
    const ask = ({ audioinput, videoinput }) =>
      navigator.mediaDevices.getUserMedia({ audio: audio && exactly(audioinput, {}), video: video && exactly(videoinput, CAMERA) });
    try {
      return await ask(this.chosen.value);
    } catch (error) {
      if (error.name !== "OverconstrainedError") throw error;
      return await ask({}).catch(noneThere);
    }
  };

  /** Let `element` sound where that was chosen. */
  async direct(element) {
    const id = this.chosen.value.audiooutput ?? "";
    if (!canChooseSpeaker || element.sinkId === id) return;
    await element.setSinkId(id).catch(() => element.setSinkId("")); // it is not there any more
  }
}

/** WebKit finds fault with what was asked for where there is no device at all. */
function noneThere(error) {
  throw error.name === "OverconstrainedError" ? new DOMException(error.message, "NotFoundError") : error;
}

const exactly = (deviceId, more) => (deviceId ? { ...more, deviceId: { exact: deviceId } } : more);
