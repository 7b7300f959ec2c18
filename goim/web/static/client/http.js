// Requests over HTTP, and who asks: JSON out and in, refusals as GoimError, a spent token renewed once.
import { GoimError, SessionOver, Unreachable } from "./errors.js";

const TRIES = 4;
const REFRESH = "/api/token/refresh";

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Http {
  #renewing = null;
  #whose; // the userId of the session that is ours

  /** `store` keeps the session `{token, refreshToken, userId, username, deviceId}`. */
  constructor(url, store, patience) {
    this.url = url.replace(/\/$/, "");
    this.patience = patience;
    this.store = store;
  }

  /** The session that is kept, unless it is somebody else's: who has logged in in another page of this browser. */
  get session() {
    const kept = this.store.load();
    this.#whose ??= kept?.userId;
    return isOf(this.#whose, kept) ? kept : null;
  }

  get userId() {
    return this.session?.userId ?? "";
  }

  get token() {
    return this.session?.token ?? "";
  }

  /** From now on this is who we are. */
  begin(session) {
    this.#whose = session.userId;
    this.store.save(session);
  }

  /** We are nobody any more, on the same device. */
  end() {
    const kept = this.store.load();
    if (isOf(this.#whose, kept)) this.store.save(kept?.deviceId ? { deviceId: kept.deviceId } : null);
    this.#whose = undefined;
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
    const { userId } = this;
    const sent = body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
    const answer = await this.fetch(path, { method, ...sent });
    try {
      const text = await answer.text();
      return text ? JSON.parse(text) : null;
    } catch {
      throw new Unreachable(`what ${this.url} answers breaks off, or is not of goim`);
    } finally {
      this.#mustBe(userId);
    }
  }

  /** What was asked for one account is not asked again by the next, and the answer is nothing to it. */
  #mustBe(userId) {
    if (userId && this.userId !== userId) throw new SessionOver("logged out", 4001);
  }

  /** `fetch` with the token; asks again where that is safe: with a new token, or a little later. */
  async fetch(path, options = {}) {
    const { userId } = this;
    for (let tried = 1; ; tried++) {
      this.#mustBe(userId);
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
      if (this.session?.refreshToken !== session.refreshToken) return false; // it is over meanwhile
      this.store.save({ ...session, token, refreshToken });
      return true;
    } catch (error) {
      if (error instanceof GoimError && error.code === "UNAUTHORIZED") return false;
      throw error;
    }
  }

  /** A file as the part `file` of a form; `progress(share)` hears how much has left, from 0 to 1. */
  async upload(file, { name = file.name, progress = () => {}, signal } = {}) {
    const { userId, token: used } = this;
    try {
      return await this.#send(file, name, progress, signal, used);
    } catch (error) {
      if (error.code !== "UNAUTHORIZED" || !(await this.renew(used))) throw error;
      this.#mustBe(userId);
      return await this.#send(file, name, progress, signal, this.token);
    } finally {
      this.#mustBe(userId);
    }
  }

  #send(file, name, progress, signal, token) {
    return new Promise((resolve, reject) => {
      const cancelled = new DOMException("the upload was cancelled", "AbortError");
      if (signal?.aborted) throw cancelled;
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
      request.onabort = () => reject(cancelled);
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

const isOf = (userId, session) => !session?.userId || !userId || session.userId === userId;

/** Where a page may take no locks, as in frames that may keep nothing, it shares the session with none. */
async function alone(name, work) {
  let isBegun = false;
  try {
    return await navigator.locks.request(name, () => ((isBegun = true), work()));
  } catch (error) {
    if (isBegun) throw error;
    return work();
  }
}
