// Which microphone, camera and speaker: a list of each, and whether they work.
import { html, useEffect, useLayoutEffect, useRef, useState } from "../../vendor/preact-htm.js";
import { devices } from "../core/app.js";
import { t } from "../core/i18n.js";
import { useSignals } from "../core/signal.js";
import { canChooseSpeaker, KINDS } from "../store/devices.js";
import { loudness } from "../store/recorder.js";
import { startPlaying } from "../store/tones.js";
import { Icon } from "./icons.js";
import { attempt, DialogHead } from "./overlay.js";

const ICONS = { audioinput: "microphone", videoinput: "camera", audiooutput: "speaker" };

function Select({ kind, onChoose }) {
  const [all, chosen] = useSignals(devices.all, devices.chosen);
  const found = all.filter((each) => each.kind === kind && each.deviceId && each.deviceId !== "default");
  const value = found.some(({ deviceId }) => deviceId === chosen[kind]) ? chosen[kind] : "";
  const choose = (event) => {
    devices.choose(kind, event.target.value);
    onChoose(kind);
  };
  return html`<label class="field device-field"><span><${Icon} name=${ICONS[kind]} size=${17} />${t(`media.${kind}`)}</span>
    <select value=${value} onChange=${choose}>
      <option value="">${t("media.default")}</option>
      ${found.map(({ deviceId, label }, at) => html`<option key=${deviceId} value=${deviceId}>${label || `${t(`media.${kind}`)} ${at + 1}`}</option>`)}
    </select>
  </label>`;
}

/** A list of each kind; `onChoose(kind)` hears what was chosen anew. */
function DeviceSelects({ kinds = KINDS, onChoose = () => {} }) {
  useEffect(() => {
    if (navigator.mediaDevices) devices.look();
  }, []);
  return kinds.filter((kind) => kind !== "audiooutput" || canChooseSpeaker).map((kind) => html`<${Select} key=${kind} kind=${kind} onChoose=${onChoose} />`);
}

/** What the camera sees and the microphone hears, for as long as this is shown. */
function Trial({ stream }) {
  const film = useRef();
  const meter = useRef();
  useLayoutEffect(() => {
    film.current.srcObject = stream;
    const { look, close } = loudness(stream);
    const timer = setInterval(() => (meter.current.value = look()), 60);
    return () => (clearInterval(timer), close());
  }, [stream]);
  const hasPicture = stream.getVideoTracks().length > 0;
  return html`<div class="trial">
    <video ref=${film} class="trial-film" autoplay playsinline muted hidden=${!hasPicture} aria-label=${t("media.picture")}></video>
    <label class="trial-level"><${Icon} name="microphone" size=${17} /><meter ref=${meter} min="0" max="1" value="0" aria-label=${t("media.level")}></meter></label>
  </div>`;
}

const end = (stream) => stream?.getTracks().forEach((track) => track.stop());

/** Both, or the microphone alone where there is no camera. */
async function open() {
  return devices.open({ audio: true, video: true }).catch((error) => {
    if (error.name !== "NotFoundError") throw error;
    return devices.open({ audio: true });
  });
}

/** The page of the settings. */
export function SoundAndCamera() {
  const [stream, setStream] = useState(null);
  const opened = useRef(null);
  const show = (found) => {
    end(opened.current);
    opened.current = found;
    setStream(found);
  };
  useEffect(() => () => end(opened.current), []);
  const isThere = useRef(true);
  useEffect(() => () => (isThere.current = false), []);
  const begin = async () => {
    const found = await open();
    if (!isThere.current) return end(found);
    show(found);
    await devices.look(); // they have names from now on
  };
  const chosen = (kind) => kind !== "audiooutput" && opened.current && attempt(begin());
  return html`<p class="hint">${t("media.hint")}</p>
    <${DeviceSelects} onChoose=${chosen} />
    ${stream && html`<${Trial} stream=${stream} />`}
    <div class="trial-acts">
      <button type="button" class="button" onClick=${() => (stream ? show(null) : attempt(begin()))}><${Icon} name=${stream ? "close" : "microphone"} size=${18} />${t(stream ? "media.stop" : "media.try")}</button>
      <button type="button" class="button" onClick=${() => attempt(startPlaying("sample", devices))}><${Icon} name="speaker" size=${18} />${t("media.sound")}</button>
    </div>`;
}

/** The same during a call. */
export function DeviceDialog({ title, kinds, onChoose, close }) {
  return html`<${DialogHead} title=${title} close=${close} /><${DeviceSelects} kinds=${kinds} onChoose=${onChoose} />`;
}
