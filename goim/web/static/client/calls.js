// A call with somebody: what the two pages agree on through the server, and the pictures and sounds between them.
import { NoCalls } from "./errors.js";
import { MemoryStore } from "./stores.js";

/** What is asked of a camera. */
export const CAMERA = { width: { ideal: 1280 }, height: { ideal: 720 }, facingMode: "user" };

/** The browser's own choice of microphone and camera. */
const openUsual = ({ audio = false, video = false }) => navigator.mediaDevices.getUserMedia({ audio, video: video && CAMERA });

/** How long a connection may be away before it is replaced, in milliseconds. */
const PATIENCE = 3000;
/** For how long after one has left the page it is news that the call is over. */
const NEWS = 600_000;

/**
 * At most one call at a time, in `current`: `{call, state, local, remote, since, isMuted, isCameraOff}`, or null.
 * `state` is "incoming", "outgoing", "connecting", "active", "reconnecting", "ended", or "left": an earlier page was in
 * this call, and one may go back. `changed()` is called whenever any of it changes.
 */
export class Calls {
  #client;
  #openDevices;
  #kept;
  #peer = null; // RTCPeerConnection
  #waiting = []; // candidates that came before what they belong to
  #signals = Promise.resolve(); // one after the other, as they come
  #offeredAt = 0; // by us
  #early = null; // an offer that came while we were away
  #isBusy = false; // something is asked of the browser or the server
  current = null;
  changed = () => {};

  /** `open({audio, video})` resolves with a stream of the microphone and the camera that are to be used; `kept`, a
   * store, keeps which call this page is in, for the next page. */
  constructor(client, { open = openUsual, kept = new MemoryStore() } = {}) {
    this.#client = client;
    this.#openDevices = open;
    this.#kept = kept;
    addEventListener("pagehide", () => this.#keep());
    client.on("call_incoming", (call) => this.#ring(call));
    client.on("call_answered", (call) => this.#answered(call));
    client.on("call_rejected", (call) => this.#over(call));
    client.on("call_ended", (call) => this.#over(call));
    client.on("webrtc_signaling", (signal) => {
      this.#next(signal.callId, () => this.#hear(signal));
    });
    client.on("connected", () => this.#catchUp());
    client.on("over", () => this.#finish());
    client.on("logged_out", () => {
      this.#finish();
      this.dismiss();
    });
  }

  // what one does

  /** Call a friend. The devices come first: nobody is rung by who cannot speak, nor in a browser without WebRTC. */
  async start(to, type) {
    if (this.#isBusy || (this.current && this.current.state !== "ended")) return;
    await this.#busy(async () => {
      const local = await this.#openDevices({ audio: true, video: type === "video" });
      try {
        const call = await this.#client.ask("call_start", { to, type });
        this.#begin(call, "outgoing", local);
        if (call.status === "answered") this.#next(call.callId, () => this.#connect()); // both called at once
      } catch (error) {
        stop(local);
        throw error;
      }
    });
  }

  async answer() {
    const { call, state } = this.current ?? {};
    if (state !== "incoming" || this.#isBusy) return;
    await this.#busy(async () => {
      const local = await this.#openDevices({ audio: true, video: call.type === "video" });
      if (this.current?.call.callId !== call.callId || this.current.state !== "incoming") return stop(local);
      this.#set({ local });
      const answered = await this.#client.ask("call_answer", { callId: call.callId }).catch((error) => {
        if (this.#isThis(call.callId)) this.#finish();
        throw error;
      });
      if (!this.#isThis(call.callId)) return; // hung up meanwhile
      this.#set({ call: answered });
      await this.#connect();
    });
  }

  /** Go back into a call that an earlier page was in. */
  async rejoin() {
    const { call, state } = this.current ?? {};
    if (state !== "left" || this.#isBusy) return;
    await this.#busy(async () => {
      const local = await this.#openDevices({ audio: true, video: call.type === "video" });
      if (!this.#isThis(call.callId)) return stop(local); // it is over meanwhile
      this.#set({ local, state: "connecting", since: Math.min(call.answeredAt, Date.now()) });
      this.#next(call.callId, () => (this.#early ? this.#accept(this.#early) : this.#offer()));
      this.#insist(call.callId);
    });
  }

  async reject() {
    await this.#leave("call_reject", "rejected");
  }

  /** Hang up, or take back a call that still rings. */
  async end() {
    await this.#leave("call_end", this.current?.state === "outgoing" ? "cancelled" : "ended");
  }

  mute(isMuted) {
    for (const track of this.current?.local?.getAudioTracks() ?? []) track.enabled = !isMuted;
    this.#set({ isMuted });
  }

  switchCamera(isCameraOff) {
    for (const track of this.current?.local?.getVideoTracks() ?? []) track.enabled = !isCameraOff;
    this.#set({ isCameraOff });
  }

  /** Go on with another microphone ("audio") or camera ("video"): the one that `open` gives by now. */
  async change(kind) {
    const { local } = this.current ?? {};
    const old = local?.getTracks().find((track) => track.kind === kind);
    if (!old) return;
    const [fresh] = (await this.#openDevices({ [kind]: true })).getTracks();
    if (this.current?.local !== local) return fresh.stop(); // it is over meanwhile
    fresh.enabled = old.enabled;
    const sender = this.#peer?.getSenders().find(({ track }) => track === old);
    local.removeTrack(old);
    local.addTrack(fresh);
    old.stop();
    await sender?.replaceTrack(fresh);
    this.changed();
  }

  /** Nothing more is shown of a call that is over. */
  dismiss() {
    if (this.current?.state !== "ended") return;
    this.current = null;
    this.changed();
  }

  async #busy(work) {
    if (!("RTCPeerConnection" in globalThis)) throw new NoCalls("this browser has no WebRTC, or it is switched off");
    this.#isBusy = true;
    try {
      await work();
    } finally {
      this.#isBusy = false;
    }
  }

  async #leave(action, status) {
    const { call, state } = this.current ?? {};
    if (!call || state === "ended") return;
    this.#finish({ ...call, status });
    this.#kept.save(null);
    try {
      await this.#client.ask(action, { callId: call.callId });
    } catch (error) {
      if (error.code !== "CALL_STATE" && error.code !== "NOT_FOUND") throw error; // else it was over already
    }
  }

  // what happens

  #begin(call, state, local = null) {
    this.current = { call, state, local, remote: null, since: null, isMuted: false, isCameraOff: false };
    this.changed();
  }

  #set(more) {
    if (!this.current || this.current.state === "ended") return;
    Object.assign(this.current, more);
    this.changed();
  }

  #isThis(callId) {
    return this.current?.call.callId === callId && this.current.state !== "ended";
  }

  #ring(call) {
    if (this.current && this.current.state !== "ended") return;
    this.#begin(call, "incoming");
  }

  #answered(call) {
    if (!this.#isThis(call.callId)) return;
    const { state } = this.current;
    if (state === "incoming" && !this.#isBusy) {
      this.#finish(); // on another device
      this.dismiss();
    } else if (state === "outgoing") {
      this.#set({ call });
      this.#next(call.callId, () => this.#connect());
    }
  }

  #over(call) {
    if (!this.#isThis(call.callId)) return;
    this.#kept.save(null);
    this.#finish(call);
  }

  #finish(call = this.current?.call) {
    this.#close();
    this.#signals = Promise.resolve(); // what is asked of a connection that is then closed is never answered
    if (!this.current) return;
    stop(this.current.local);
    this.#set({ call, local: null, remote: null });
    this.current.state = "ended";
    this.changed();
  }

  /** After a connection was lost, or a reload: a call that is over meanwhile, one to mend. Else nothing is asked: of one
   * that rings each new connection is told. */
  async #catchUp() {
    const before = this.current?.call.callId;
    const isIn = this.current && this.current.state !== "ended";
    if (!isIn && this.#kept.load()?.userId !== this.#client.userId) return;
    const call = await this.#client.http.get("/api/webrtc/current-call").catch((error) => (error.code === "NOT_FOUND" ? null : undefined));
    if (call === undefined || this.#isBusy || this.current?.call.callId !== before) return;
    const { state } = this.current ?? {};
    if (!state || state === "ended") this.#remember(call);
    else if (call?.callId !== this.current.call.callId) this.#over({ ...this.current.call, status: "ended", reason: "connection_lost" });
    if (!call) return;
    if (call.status === "ringing" && call.to === this.#client.userId) this.#ring(call);
    else if (call.status === "answered") this.#answered(call);
    if (this.current?.state === "reconnecting") this.#offerAnew();
  }

  /** For a page after this one. */
  #keep() {
    const { call, since, state } = this.current ?? {};
    if (since && state !== "ended") this.#kept.save({ call, userId: this.#client.userId, at: Date.now() });
  }

  /** An earlier page was in a call: it may go on, or has ended. */
  #remember(now) {
    const kept = this.#kept.load();
    if (!kept || kept.userId !== this.#client.userId) return;
    if (now?.callId === kept.call.callId) return this.#begin(now, "left");
    this.#kept.save(null);
    if (now || Date.now() - kept.at > NEWS) return;
    this.#begin(kept.call, "left");
    this.#finish({ ...kept.call, status: "ended", reason: "while_away" });
  }

  // between the two pages

  /** What two pages agree on goes step by step; a step that fails is mended by the next offer. */
  #next(callId, step) {
    const failed = () => this.#isThis(callId) && this.#set({ state: "reconnecting" });
    this.#signals = this.#signals.then(() => this.#isThis(callId) && step()).catch(failed);
    return this.#signals;
  }

  get #other() {
    const { from, to } = this.current.call;
    return from === this.#client.userId ? to : from;
  }

  /** Who called makes the offer. */
  async #connect() {
    this.#set({ state: "connecting", since: Date.now() });
    this.#keep();
    if (this.current.call.from === this.#client.userId) await this.#offer();
  }

  #close() {
    this.#peer?.close();
    this.#peer = null;
    this.#waiting = [];
    this.#early = null;
  }

  #tell(type, more) {
    const { callId } = this.current.call;
    return this.#client.ask("webrtc_signaling", { callId, type, to: this.#other, ...more });
  }

  /** A new connection for each offer: it is the same when the first is made and when a lost one is replaced. */
  async #open() {
    const { callId } = this.current.call;
    const { iceServers } = await this.#client.http.get("/api/webrtc/ice-servers");
    if (!this.#isThis(callId)) throw new Error("the call is over");
    this.#close();
    const peer = (this.#peer = new RTCPeerConnection({ iceServers }));
    const { local } = this.current;
    for (const track of local?.getTracks() ?? []) peer.addTrack(track, local);
    peer.ontrack = ({ streams }) => this.#set({ remote: streams[0] });
    peer.onicecandidate = ({ candidate }) => {
      // What cannot be told is mended by the next offer.
      if (candidate && this.#peer === peer) this.#tell("candidate", { candidate: candidate.toJSON() }).catch(() => {});
    };
    peer.onconnectionstatechange = () => this.#peer === peer && this.#turn(peer);
    return peer;
  }

  #turn(peer) {
    const state = peer.connectionState;
    if (state === "connected") this.#set({ state: "active" });
    if (state !== "disconnected" && state !== "failed") return;
    this.#set({ state: "reconnecting" });
    setTimeout(() => this.#mend(peer), state === "failed" ? 0 : PATIENCE);
  }

  /** Who called offers a new connection for one that did not come back; without the server, when that is back. */
  #mend(peer) {
    const isMine = this.current?.call.from === this.#client.userId;
    if (isMine && this.#peer === peer && peer.connectionState !== "connected") this.#offerAnew();
  }

  /** Offer again and again, as who was away may not have heard an answer. */
  #insist(callId) {
    setTimeout(async () => {
      if (!this.#isThis(callId) || this.current.state === "active") return;
      await this.#offerAnew(); // without the server: the next time
      this.#insist(callId);
    }, 2 * PATIENCE);
  }

  #offerAnew() {
    return this.#next(this.current.call.callId, () => this.#offer());
  }

  async #offer() {
    this.#offeredAt = Date.now();
    const peer = await this.#open();
    await peer.setLocalDescription();
    await this.#tell("offer", { sdp: peer.localDescription.sdp });
  }

  async #hear({ type, sdp, candidate }) {
    if (this.current.state === "incoming") return;
    if (type === "offer" && this.current.state === "left") this.#leaveForLater(sdp);
    else if (type === "offer" && this.#isFirst()) return;
    else if (type === "offer") await this.#accept(sdp);
    else if (type === "answer" && this.#peer?.signalingState === "have-local-offer") await this.#agree({ type, sdp });
    else if (type === "candidate" && this.#peer?.remoteDescription) await this.#addCandidate(candidate);
    else if (type === "candidate") this.#waiting.push(candidate);
  }

  /** Whether both offer at once, and the answer to ours is on its way: that of who called counts. */
  #isFirst() {
    const isMine = this.current.call.from === this.#client.userId;
    return isMine && this.#peer?.signalingState === "have-local-offer" && Date.now() - this.#offeredAt < PATIENCE;
  }

  #leaveForLater(sdp) {
    this.#early = sdp;
    this.#waiting = [];
  }

  async #accept(sdp) {
    const early = this.#peer ? [] : this.#waiting;
    const peer = await this.#open();
    this.#waiting = early;
    await this.#agree({ type: "offer", sdp });
    await peer.setLocalDescription();
    await this.#tell("answer", { sdp: peer.localDescription.sdp });
  }

  async #agree(description) {
    await this.#peer.setRemoteDescription(description);
    for (const candidate of this.#waiting.splice(0)) await this.#addCandidate(candidate);
  }

  /** One that is of no use, as of a connection before this one, spoils nothing: without any that is, the call is mended. */
  #addCandidate = (candidate) => this.#peer.addIceCandidate(candidate).catch(() => {});
}

function stop(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}
