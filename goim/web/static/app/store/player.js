// Plays voice messages: one at a time, and on while one looks at something else.
import { Signal } from "../core/signal.js";

export class Player {
  #files;
  #devices;
  #audio = new Audio();
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
    this.#audio.pause();
    this.#audio.removeAttribute("src");
    this.state.value = { id: null, isPlaying: false, isLoading: false, at: 0 };
  }

  /** Play the message `id` with the sound at `address`, or pause it; from `at` seconds on if that is said. */
  async toggle(id, address, at) {
    if (this.state.value.id !== id) await this.#load(id, address);
    if (this.state.value.id !== id) return; // another one meanwhile
    if (at !== undefined) this.seek(at);
    if (this.#audio.paused) await this.#audio.play();
    else this.#audio.pause();
  }

  seek(at) {
    this.#audio.currentTime = at;
    this.#set({ at });
  }

  async #load(id, address) {
    this.#audio.pause();
    this.state.value = { id, isPlaying: false, isLoading: true, at: 0 };
    try {
      const url = await this.#files.url(address);
      if (this.state.value.id !== id) return;
      this.#audio.src = url;
      await this.#devices.direct(this.#audio);
      await this.#measure();
      this.#set({ isLoading: false, at: 0 });
    } catch (error) {
      if (this.state.value.id === id) this.clear();
      throw error;
    }
  }

  /** What browsers record does not say how long it is, and only that can be sought in whose end is known. */
  async #measure() {
    const audio = this.#audio;
    await heard(audio, "loadedmetadata");
    if (Number.isFinite(audio.duration)) return;
    audio.currentTime = 1e7;
    await heard(audio, "seeked");
    audio.currentTime = 0;
    await heard(audio, "seeked");
  }
}

function heard(audio, name) {
  return new Promise((resolve, reject) => {
    audio.addEventListener(name, resolve, { once: true });
    audio.addEventListener("error", () => reject(audio.error), { once: true });
  });
}
