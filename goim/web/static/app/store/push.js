// Web Push: the server tells this browser of messages while no page of ours is open.
import { LocalStore } from "../../goim.js";
import { language } from "../core/i18n.js";
import { Signal } from "../core/signal.js";

const wanted = new LocalStore("goim.push"); // whose pushes this browser wants
const canPush = () => "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;

// The one address of a script that the page may make of a text.
const policy = window.trustedTypes?.createPolicy("goim-worker", { createScriptURL: (spoken) => addressFor(spoken) });
const addressFor = (spoken) => `/web/worker.js?language=${spoken === "zh" ? "zh" : "en"}`;

export class WebPush {
  #client;
  /** "off", "on", "denied" or "unsupported" by the browser, "absent" at the server; null until it is known. */
  state = new Signal(null);

  constructor(client, conversations) {
    this.#client = client;
    client.on("connected", ({ isFirst }) => isFirst && this.#again());
    navigator.serviceWorker?.addEventListener("message", ({ data }) => data.open && conversations.open(data.open));
  }

  /** Nobody of this browser wants pushes any more; the server forgets it with the session. */
  clear() {
    if (wanted.load()) this.#unsubscribe().catch(reportError);
    wanted.save(null);
    this.state.value = null;
  }

  async look() {
    this.state.value = await this.#stateNow();
  }

  async #stateNow() {
    if (!canPush()) return "unsupported";
    if (!(await this.#key())) return "absent";
    if (Notification.permission === "denied") return "denied";
    return this.#isWanted && Notification.permission === "granted" ? "on" : "off";
  }

  get #isWanted() {
    return wanted.load() === this.#client.userId;
  }

  /** The server's public key; null if it sends no pushes. */
  async #key() {
    try {
      return (await this.#client.http.get("/api/users/me/push/key")).publicKey;
    } catch (error) {
      if (error.code === "UNSUPPORTED") return null;
      throw error;
    }
  }

  /** Only ever switched on by a click: the browser asks its owner. */
  async turn(isOn) {
    try {
      await this.#afterwards(() => (isOn ? this.#register() : this.#forget()));
    } finally {
      await this.look();
    }
  }

  async #register() {
    if ((await Notification.requestPermission()) !== "granted") return;
    const spoken = language.value;
    const worker = await navigator.serviceWorker.register(policy?.createScriptURL(spoken) ?? addressFor(spoken), { scope: "/web/" });
    await isActive(worker);
    const subscription = await this.#subscribe(worker.pushManager, await this.#key());
    const { endpoint, keys } = subscription.toJSON();
    await this.#client.http.post("/api/users/me/push", { type: "webpush", endpoint, keys });
    wanted.save(this.#client.userId);
  }

  async #subscribe(manager, applicationServerKey) {
    const options = { userVisibleOnly: true, applicationServerKey };
    try {
      return await manager.subscribe(options);
    } catch (error) {
      if (error.name !== "InvalidStateError") throw error; // else there is one, for another key
      await (await manager.getSubscription())?.unsubscribe();
      return manager.subscribe(options);
    }
  }

  async #forget() {
    wanted.save(null);
    await this.#unsubscribe();
    await this.#client.http.delete(`/api/users/me/push/${encodeURIComponent(this.#client.deviceId)}`).catch((error) => {
      if (error.code !== "NOT_FOUND") throw error; // else it was forgotten with an earlier session
    });
  }

  async #unsubscribe() {
    const worker = await navigator.serviceWorker?.getRegistration("/web/");
    await (await worker?.pushManager.getSubscription())?.unsubscribe();
  }

  /** A subscription is good for one session, and the browser may have changed it. */
  async #again() {
    const isDue = () => canPush() && this.#isWanted && Notification.permission === "granted";
    await this.#afterwards(() => isDue() && this.#register()).catch(() => {}); // the next start tries it, too
  }

  #before = Promise.resolve();
  /** One after the other: what was wanted last is what counts. */
  #afterwards(work) {
    const turn = this.#before.then(work);
    this.#before = turn.catch(() => {}); // whoever waits for it hears
    return turn;
  }
}

/** `subscribe` wants a worker that has started. */
async function isActive({ installing, waiting, active }) {
  const worker = installing ?? waiting;
  if (active || !worker) return;
  await new Promise((resolve) => {
    worker.addEventListener("statechange", () => worker.state === "activated" && resolve());
  });
}
