// Voice messages: how one is recorded, and how it is played.
import { html, useEffect, useLayoutEffect, useReducer, useRef, useState } from "../../vendor/preact-htm.js";
import { client, conversations, devices, player } from "../core/app.js";
import { t } from "../core/i18n.js";
import { useSignals } from "../core/signal.js";
import { length } from "../core/times.js";
import { isFading } from "../store/fading.js";
import { canRecord, Recording } from "../store/recorder.js";
import { Icon } from "./icons.js";
import { attempt, note, wordsFor } from "./overlay.js";

const [BAR, GAP, HIGH] = [2.5, 2, 30];
const LIVE_BARS = 140;
const MOST_BARS = 64;

// recording

/** Begin to record; null if the browser gives no microphone, which is said. */
async function startRecording() {
  if (!canRecord()) return note(t(window.isSecureContext ? "voice.unsupported" : "voice.insecure"), { isBad: true }), null;
  const recording = new Recording();
  try {
    await recording.start(devices.open);
    return recording;
  } catch (error) {
    recording.cancel();
    note(t({ NotAllowedError: "voice.refused", NotFoundError: "voice.none" }[error.name] ?? "voice.failed"), { isBad: true });
    return null;
  }
}

async function send(conv, recording, more) {
  const { file, duration, waveform } = await recording.stop();
  const { url } = await client.http.upload(file);
  conversations.say(conversations.get(conv.convId) ?? conv, undefined, { type: "voice", payload: { url, duration, waveform }, ...more });
}

/** In the place of the field while one speaks. `more` goes with the message; `done(isSent)` when it is over. */
export function RecordingBar({ conv, recording, more, done }) {
  const [, again] = useReducer((n) => n + 1, 0);
  const [isSending, setSending] = useState(false);
  const first = useRef();
  useLayoutEffect(() => {
    recording.changed = again;
    first.current.focus();
    return () => {
      recording.changed = () => {};
      recording.cancel();
    };
  }, [recording]);
  const give = () => (recording.cancel(), done(false));
  const finish = async () => {
    setSending(true);
    if (await attempt(send(conv, recording, more))) done(true);
    else setSending(false); // what was said is still there: once more
  };
  const onKeyDown = (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    give();
  };
  const levels = recording.latest(LIVE_BARS).map((level) => level * 100);
  return html`<div class="composer-line recording" role="group" aria-label=${t("voice.recording")} onKeyDown=${onKeyDown}>
    <button type="button" class="button-icon danger" onClick=${give} disabled=${isSending} aria-label=${t("voice.discard")} title=${t("voice.discard")}><${Icon} name="trash" size=${22} /></button>
    <div class="composer-field recording-field">
      <i class=${recording.isGoing ? "recording-dot" : "recording-dot still"}></i>
      <time role="timer" aria-label=${t("voice.length")}>${length(Math.floor(recording.seconds))}</time>
      <${Bars} heights=${[...Array(LIVE_BARS - levels.length).fill(0), ...levels]} share=${1} fit="xMaxYMid slice" />
    </div>
    <button type="button" ref=${first} class="button-send" onClick=${finish} disabled=${isSending} aria-label=${t("voice.send")} title=${t("voice.send")}>
      ${isSending ? html`<i class="spinner"></i>` : html`<${Icon} name="send" size=${22} />`}
    </button>
  </div>`;
}

/** Begins to record: where one would send, as long as nothing is written. */
export function RecordButton({ onStart }) {
  const [isAsking, setAsking] = useState(false);
  const isHere = useRef(true);
  useEffect(() => () => (isHere.current = false), []);
  const start = async () => {
    setAsking(true);
    const recording = await startRecording();
    if (!isHere.current) return recording?.cancel(); // the conversation is not looked at any more
    setAsking(false);
    if (recording) onStart(recording);
  };
  return html`<button type="button" class="button-send quiet" onClick=${start} disabled=${isAsking} aria-label=${t("voice.record")} title=${t("voice.record")}><${Icon} name="microphone" size=${22} /></button>`;
}

// playing

function Bars({ heights, share, fit = "none" }) {
  const wide = heights.length * (BAR + GAP) - GAP;
  const draw = (from, to) =>
    heights.slice(from, to).map((height, at) => {
      const tall = Math.max(BAR, (Math.min(100, Math.max(0, height)) / 100) * HIGH);
      return `M${(from + at) * (BAR + GAP) + BAR / 2} ${(HIGH - tall + BAR) / 2}v${Math.max(0.01, tall - BAR)}`;
    }).join("");
  const played = Math.round(share * heights.length);
  return html`<svg class="bars" viewBox="0 0 ${wide} ${HIGH}" preserveAspectRatio=${fit} aria-hidden="true">
    <path d=${draw(played)} /><path class="played" d=${draw(0, played)} />
  </svg>`;
}

/** What somebody else's client drew, if it is a picture; else a line. */
function heightsOf(waveform) {
  const isFine = Array.isArray(waveform) && waveform.length > 0 && waveform.length <= MOST_BARS && waveform.every(Number.isFinite);
  return isFine ? waveform : Array(MOST_BARS / 2).fill(8);
}

export function Voice({ message }) {
  const [state] = useSignals(player.state);
  const [hasFailed, setFailed] = useState(false);
  const { url, duration = 0, waveform } = message.payload ?? {};
  const id = message.serverMsgId ?? message.clientMsgId;
  const fades = isFading(message);
  useEffect(() => () => fades && player.forget(id), [id]);
  const { isPlaying, isLoading, at } = state.id === id ? state : { at: 0 };
  const failed = (error) => (error.code === "NOT_FOUND" ? setFailed(true) : note(wordsFor(error), { isBad: true }));
  const toggle = (from) => player.toggle(id, url, { at: from, fades }).catch(failed);
  const seek = (event) => (state.id === id && !isLoading ? player.seek(Number(event.target.value)) : toggle(Number(event.target.value)));
  const label = t(isPlaying ? "voice.pause" : "voice.play");
  const isBegun = isPlaying || at > 0;
  if (hasFailed) return html`<p class="text">${t("file.gone")}</p>`;
  return html`<div class="voice">
    <button type="button" class="voice-button" onClick=${() => toggle()} aria-label=${label} title=${label}>
      ${isLoading ? html`<i class="spinner"></i>` : html`<${Icon} name=${isPlaying ? "pause" : "play"} size=${22} />`}
    </button>
    <div class="voice-track">
      <div class="voice-picture">
        <${Bars} heights=${heightsOf(waveform)} share=${duration ? at / duration : 0} />
        <input type="range" min="0" max=${duration} step="0.1" value=${Math.min(at, duration)} onInput=${seek}
          aria-label=${t("voice.position")} aria-valuetext=${t("voice.at", { at: length(at), all: length(duration) })} />
      </div>
      <small>${length(isBegun ? at : duration)}</small>
    </div>
  </div>`;
}
