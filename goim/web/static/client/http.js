// Requests over HTTP, and who asks: JSON out and in, refusals as GoimError, a spent token renewed once.
import { GoimError, SessionOver, Unreachable } from "./errors.js";

const TRIES = 4;
const REFRESH = "/api/token/refresh";

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Http {
  #renewing = null;

  /** `store` keeps the session `{token, refreshToken, userId, username, deviceId}`. */
  constructor(url, store, patience) {
    this.url = url.replace(/\/$/, "");
    this.patience = patience;
    this.store = store;
  }

  get session() {
    return this.store.load();
  }

  get token() {
    return this.session?.token ?? "";
  }

  get(path, query = {}) {
    const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
    const text = new URLSearchParams(given).toString();
    return this.call("GET", text ? `${path}?${text}` : path);
  }

  post = (path, body = {}) => this.call("POST", path, body);
  put = (path, body = {}) => this.call("PUT", path, body);
  delete = (path, body) => this.call("DELETE", path, body);

  /** The JSON of the answer, null for none. */
  async call(method, path, body) {
    const sent = body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
    const answer = await this.fetch(path, { method, ...sent });
    try {
      const text = await answer.text();
      return text ? JSON.parse(text) : null;
    } catch {
      throw new Unreachable(`what ${this.url} answers breaks off, or is not of goim`);
    }
  }

  /** `fetch` with the token; asks again where that is safe: with a new token, or a little later. */
  async fetch(path, options = {}) {
    for (let tried = 1; ; tried++) {
      const used = this.token;
      try {
        return await this.#exchange(path, options, used);
      } catch (error) {
        if (!(error instanceof GoimError)) throw error;
        if (error.code === "UNAUTHORIZED" && used && path !== REFRESH && tried === 1) {
          if (await this.renew(used)) continue;
          throw new SessionOver("the session has ended: log in again", 401);
        }
        const pause = pauseAfter(error, tried);
        if (pause === null || tried >= TRIES) throw error;
        await sleep(pause);
      }
    }
  }

  async #exchange(path, options, token) {
    const headers = { ...options.headers, ...(token && path !== REFRESH ? { authorization: `Bearer ${token}` } : {}) };
    const signal = options.signal ?? AbortSignal.timeout(options.patience ?? this.patience);
    let answer;
    try {
      answer = await fetch(this.url + path, { ...options, headers, signal, credentials: "omit" });
    } catch (error) {
      if (options.signal?.aborted) throw error;
      throw new Unreachable(`nothing answers at ${this.url}`);
    }
    if (answer.ok) return answer;
    throw this.#refusal(answer.status, await answer.json().catch(() => null));
  }

  #refusal(status, problem) {
    if (problem?.code) return new GoimError(problem);
    if (status === 413) return new GoimError({ code: "TOO_LARGE", message: "a proxy before the server finds it too large" });
    return new Unreachable(`${this.url} does not answer as goim does: HTTP ${status}`);
  }

  /** Whether there is another token than `spent` now. Pages of one browser share a session: one of them renews. */
  renew(spent) {
    this.#renewing ??= alone(`goim-renew ${this.url}`, () => this.#renew(spent)).finally(() => (this.#renewing = null));
    return this.#renewing;
  }

  async #renew(spent) {
    const session = this.session;
    if (!session) return false;
    if (session.token !== spent) return true;
    if (!session.refreshToken) return false;
    try {
      const { token, refreshToken } = await this.post(REFRESH, { refreshToken: session.refreshToken });
      this.store.save({ ...session, token, refreshToken });
      return true;
    } catch (error) {
      if (error instanceof GoimError && error.code === "UNAUTHORIZED") return false;
      throw error;
    }
  }

  /** A file as the part `file` of a form; `progress(share)` hears how much has left, from 0 to 1. */
  async upload(file, { name = file.name, progress = () => {}, signal } = {}) {
    const used = this.token;
    try {
      return await this.#send(file, name, progress, signal, used);
    } catch (error) {
      if (error.code !== "UNAUTHORIZED" || !(await this.renew(used))) throw error;
      return this.#send(file, name, progress, signal, this.token);
    }
  }

  #send(file, name, progress, signal, token) {
    return new Promise((resolve, reject) => {
      const form = new FormData();
      form.append("file", file, name || "file");
      const request = new XMLHttpRequest(); // fetch does not tell how far an upload is
      request.open("POST", `${this.url}/api/files/upload`);
      request.setRequestHeader("authorization", `Bearer ${token}`);
      request.responseType = "json";
      request.upload.onprogress = (event) => progress(event.lengthComputable ? event.loaded / event.total : 0);
      request.onload = () =>
        request.status === 201 ? resolve(request.response) : reject(this.#refusal(request.status, request.response));
      request.onerror = () => reject(new Unreachable(`nothing answers at ${this.url}`));
      request.onabort = () => reject(new DOMException("the upload was cancelled", "AbortError"));
      signal?.addEventListener("abort", () => request.abort());
      request.send(form);
    });
  }
}

function pauseAfter(error, tried) {
  if (error.code === "UNAVAILABLE") return 250 * 2 ** tried;
  if (error.code === "RATE_LIMIT" && (error.retryAfterMs ?? 0) <= 3000) return Math.max(error.retryAfterMs ?? 0, 250);
  return null;
}

const alone = (name, work) => (navigator.locks ? navigator.locks.request(name, work) : work());
