// Records what one says: for voice messages.

/** The first that this browser can write; all others can play it. */
const KINDS = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"];
const BITS_PER_SECOND = 32_000;
/** Milliseconds between two looks at how loud it is. */
const LOOK_EVERY = 50;
/** Heights in the picture of a whole message, each from 0 to 100. */
const BARS = 48;
/** Seconds: then it stops by itself. */
const LONGEST = 600;

/** Whether this page could record at all; over plain HTTP no browser lets it. */
export const canRecord = () => Boolean(navigator.mediaDevices?.getUserMedia && window.MediaRecorder);

const endingOf = (type) => (type.includes("mp4") ? "m4a" : type.includes("ogg") ? "ogg" : "webm");

/** `look()` tells how loud a stream is just now, from 0 to 1, until `close()`. */
export function loudness(stream) {
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 2048 });
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const look = () => {
    analyser.getFloatTimeDomainData(samples);
    return Math.min(1, Math.sqrt(samples.reduce((sum, each) => sum + each * each, 0) / samples.length) * 3);
  };
  return { look, close: () => context.state !== "closed" && context.close().catch(() => {}) }; // it may be closing already
}

/** One recording, from `start` to `stop` or `cancel`. `changed()` is called while it goes on. */
export class Recording {
  #recorder;
  #stream;
  #deafen = () => {};
  #timer;
  #parts = [];
  #startedAt = 0;
  #result = null; // promise of what was recorded
  #levels = [];
  isGoing = false;
  changed = () => {};

  /** Ask for the microphone by `open({audio})` and begin; rejects with what the browser says if it gives none. */
  async start(open) {
    this.#stream = await open({ audio: true });
    const mimeType = KINDS.find((kind) => MediaRecorder.isTypeSupported(kind));
    this.#recorder = new MediaRecorder(this.#stream, { mimeType, audioBitsPerSecond: BITS_PER_SECOND });
    this.#recorder.ondataavailable = ({ data }) => data.size && this.#parts.push(data);
    this.#result = new Promise((resolve) => {
      this.#recorder.onstop = () => (this.#halt(), resolve(this.#finish())); // also when the microphone is pulled out
    });
    this.#recorder.start(1000);
    this.#startedAt = performance.now();
    this.isGoing = true;
    const { look, close } = loudness(this.#stream);
    this.#deafen = close;
    this.#timer = setInterval(() => {
      this.#levels.push(look());
      if (this.seconds >= LONGEST) this.stop();
      this.changed();
    }, LOOK_EVERY);
    this.changed();
  }

  get seconds() {
    return this.isGoing ? (performance.now() - this.#startedAt) / 1000 : this.#length;
  }
  #length = 0;

  /** The latest loudnesses, each from 0 to 1. */
  latest(count) {
    return this.#levels.slice(-count);
  }

  /** Stop and resolve with `{file, duration, waveform}`; again gives the same again. */
  async stop() {
    if (this.isGoing) {
      this.#recorder.stop();
      this.#halt();
    }
    return this.#result;
  }

  #halt() {
    if (!this.isGoing) return;
    this.#length = this.seconds;
    this.isGoing = false;
    this.#release();
    this.changed();
  }

  #finish() {
    const type = this.#recorder.mimeType || "audio/webm";
    const file = new File(this.#parts, `voice.${endingOf(type)}`, { type });
    return { file, duration: Math.round(this.#length * 10) / 10, waveform: waveformOf(this.#levels) };
  }

  /** Nothing of it is kept. */
  cancel() {
    if (this.#recorder?.state === "recording") this.#recorder.stop();
    this.isGoing = false;
    this.#parts = [];
    this.#release();
  }

  #release() {
    clearInterval(this.#timer);
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#deafen();
  }
}

/** At most BARS heights from 0 to 100: the loudest of each part, the loudest of all being 100. */
function waveformOf(levels) {
  const top = Math.max(...levels, 0.02);
  const count = Math.min(BARS, levels.length);
  const part = (at) => Math.floor((at * levels.length) / count);
  return Array.from({ length: count }, (_, at) => Math.round((Math.max(...levels.slice(part(at), part(at + 1))) / top) * 100));
}
