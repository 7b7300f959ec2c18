// Plays voice messages: one at a time, and on while one looks at something else.
import { Signal } from "../core/signal.js";
import { unpacked } from "./wav.js";

export class Player {
  #files;
  #devices;
  #audio = new Audio();
  #loading = new AbortController();
  #own = []; // URLs of what was unpacked, or is to fade
  /** {id, isPlaying, isLoading, at}: which message, and how many seconds of it have been played. */
  state = new Signal({ id: null, isPlaying: false, isLoading: false, at: 0 });

  constructor(files, devices) {
    this.#files = files;
    this.#devices = devices;
    const audio = this.#audio;
    audio.ontimeupdate = () => this.#set({ at: audio.currentTime });
    audio.onplaying = () => this.#set({ isPlaying: true, isLoading: false });
    audio.onpause = () => this.#set({ isPlaying: false });
    audio.onended = () => this.#set({ isPlaying: false, at: 0 });
  }

  #set(news) {
    this.state.value = { ...this.state.value, ...news };
  }

  clear() {
    this.#loading.abort();
    this.#audio.pause();
    this.#audio.removeAttribute("src");
    this.#own.splice(0).forEach(URL.revokeObjectURL);
    this.state.value = { id: null, isPlaying: false, isLoading: false, at: 0 };
  }

  /** Stop if it is this one: its message is gone. */
  forget(id) {
    if (this.state.value.id === id) this.clear();
  }

  /** Play the message `id` with the sound at `address`, or pause it; from `at` seconds on if that is said. */
  async toggle(id, address, { at, fades }) {
    if (this.state.value.id !== id) await this.#load(id, address, fades);
    if (this.state.value.id !== id) return; // another one meanwhile
    if (at !== undefined) this.seek(at);
    if (this.#audio.paused) await this.#audio.play().catch(onlyRefused);
    else this.#audio.pause();
  }

  seek(at) {
    this.#audio.currentTime = at;
    this.#set({ at });
  }

  async #load(id, address, fades) {
    this.clear();
    this.state.value = { id, isPlaying: false, isLoading: true, at: 0 };
    const { signal } = (this.#loading = new AbortController());
    try {
      const url = await this.#files.url(address, fades);
      if (fades) this.#own.push(url);
      if (signal.aborted) return; // another one meanwhile
      this.#audio.src = url;
      await this.#devices.direct(this.#audio);
      await heard(this.#audio, "loadedmetadata", signal);
      if (this.#audio.seekable.length) await this.#measure(signal);
      else await this.#unpack(address, fades, signal);
      this.#set({ isLoading: false, at: 0 });
    } catch (error) {
      if (signal.aborted) return;
      this.clear();
      throw error;
    }
  }

  /** What browsers record does not say how long it is, and only that can be sought in whose end is known. */
  async #measure(signal) {
    const audio = this.#audio;
    if (Number.isFinite(audio.duration)) return;
    for (const place of [1e7, 0]) {
      audio.currentTime = place;
      await heard(audio, "seeked", signal);
    }
  }

  /** Firefox can seek in nothing without an index, and what browsers record has none. */
  async #unpack(address, fades, signal) {
    const file = await unpacked(await (await this.#files.blob(address, fades)).arrayBuffer());
    signal.throwIfAborted();
    this.#own.push(URL.createObjectURL(file));
    this.#audio.src = this.#own.at(-1);
    await heard(this.#audio, "loadedmetadata", signal);
  }
}

/** The next event of this name; rejects if there is an error, or nobody waits for it any more. */
async function heard(audio, name, signal) {
  const ends = new AbortController();
  const options = { signal: AbortSignal.any([signal, ends.signal]) };
  try {
    await new Promise((resolve, reject) => {
      audio.addEventListener(name, resolve, options);
      audio.addEventListener("error", () => reject(audio.error), options);
      signal.addEventListener("abort", () => reject(signal.reason), { signal: ends.signal });
    });
  } finally {
    ends.abort();
  }
}

/** The browser plays nothing after too long a wait, or was told to pause meanwhile: a second click does it. */
function onlyRefused(error) {
  if (error.name !== "NotAllowedError" && error.name !== "AbortError") throw error;
}
