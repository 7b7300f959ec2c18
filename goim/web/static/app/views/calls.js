// A call: the sheet that says who calls, and what is seen and done while it lasts.
import { html, useEffect, useLayoutEffect, useReducer, useRef } from "../../vendor/preact-htm.js";
import { client, devices, people } from "../core/app.js";
import { t } from "../core/i18n.js";
import { useSignals } from "../core/signal.js";
import { length } from "../core/times.js";
import { callChanged, calls } from "../store/calls.js";
import { Avatar } from "./avatar.js";
import { HEADER_ACTIONS } from "./chat.js";
import { DeviceDialog } from "./device_choice.js";
import { Icon } from "./icons.js";
import { attempt, dialog } from "./overlay.js";

const call = (conv, type) => () => attempt(calls.start(conv.peerId, type));

HEADER_ACTIONS.push(
  (conv) => conv.peerId && { icon: "phone", label: t("call.start_audio"), act: call(conv, "audio") },
  (conv) => conv.peerId && { icon: "camera", label: t("call.start_video"), act: call(conv, "video") },
);

function Stream({ stream, isMuted, name, label }) {
  const ref = useRef();
  useLayoutEffect(() => {
    ref.current.srcObject = stream;
  }, [stream]);
  const [{ audiooutput }] = useSignals(devices.chosen);
  useLayoutEffect(() => {
    if (!isMuted) devices.direct(ref.current);
  }, [audiooutput]);
  return html`<video ref=${ref} class=${name} autoplay playsinline muted=${isMuted} aria-label=${label}></video>`;
}

function Timer({ since }) {
  const [, tick] = useReducer((n) => n + 1, 0);
  useEffect(() => {
    const timer = setInterval(tick, 1000);
    return () => clearInterval(timer);
  }, []);
  return html`<time role="timer">${length(Math.floor((Date.now() - since) / 1000))}</time>`;
}

/** How it ended, in words. */
function ending({ status, reason, from }) {
  if (reason === "connection_lost") return t("call.lost");
  if (reason === "while_away") return t("call.over");
  if (status === "missed" && from === client.userId) return t("call.no_answer");
  return t(["rejected", "cancelled", "missed"].includes(status) ? `call.${status}` : "call.ended");
}

function Status({ current: { call: it, state, since } }) {
  if (state === "ended") return html`<p class="call-status" role="status">${ending(it)}</p>`;
  if (state === "active") return html`<p class="call-status"><${Timer} since=${since} /></p>`;
  return html`<p class="call-status" role="status">${t(state === "incoming" ? `call.incoming_${it.type}` : `call.${state}`)}</p>`;
}

/** Choose among what this call uses; it goes on with it at once. */
function chooseDevices(type) {
  const kinds = ["audioinput", type === "video" && "videoinput", "audiooutput"];
  const onChoose = (kind) => kind !== "audiooutput" && attempt(calls.change(kind === "audioinput" ? "audio" : "video"));
  return dialog(DeviceDialog, { title: t("media.label"), kinds: kinds.filter(Boolean), onChoose });
}

function Round({ icon, label, act, kind = "", isPressed, isFirst }) {
  const ref = useRef();
  useLayoutEffect(() => {
    if (isFirst) ref.current.focus();
  }, []);
  return html`<button ref=${ref} type="button" class="round ${kind}" autofocus=${isFirst} aria-label=${label} title=${label} aria-pressed=${isPressed} onClick=${act}><${Icon} name=${icon} size=${26} /></button>`;
}

function Buttons({ current: { call: it, state, isMuted, isCameraOff } }) {
  if (state === "ended") return html`<${Round} key="close" icon="close" label=${t("do.close")} act=${() => calls.dismiss()} />`;
  if (state === "left") {
    return html`<${Round} key="end" icon="phone" kind="hang-up" label=${t("call.hang_up")} act=${() => attempt(calls.end())} />
      <${Round} key="return" icon=${it.type === "video" ? "camera" : "phone"} kind="accept" label=${t("call.return")} isFirst act=${() => attempt(calls.rejoin())} />`;
  }
  if (state === "incoming") {
    return html`<${Round} key="reject" icon="phone" kind="hang-up" label=${t("call.reject")} act=${() => attempt(calls.reject())} />
      <${Round} key="accept" icon=${it.type === "video" ? "camera" : "phone"} kind="accept" label=${t("call.accept")} act=${() => attempt(calls.answer())} />`;
  }
  return html`<${Round} key="mute" icon=${isMuted ? "microphone_off" : "microphone"} label=${t("call.mute")} isPressed=${isMuted} act=${() => calls.mute(!isMuted)} />
    ${it.type === "video" && html`<${Round} key="camera" icon=${isCameraOff ? "camera_off" : "camera"} label=${t("call.camera_off")} isPressed=${isCameraOff} act=${() => calls.switchCamera(!isCameraOff)} />`}
    <${Round} key="devices" icon="settings" label=${t("media.label")} act=${() => chooseDevices(it.type)} />
    <${Round} key="end" icon="phone" kind="hang-up" label=${t("call.hang_up")} isFirst act=${() => attempt(calls.end())} />`;
}

function Current({ current }) {
  const { call: it, state, local, remote } = current;
  const ref = useRef();
  useLayoutEffect(() => {
    const before = document.activeElement;
    const sheet = ref.current;
    sheet.showModal();
    if (state === "incoming") sheet.focus(); // no button: who is writing just now does not mean to answer
    return () => {
      sheet.close(); // below it nothing can have the focus
      before?.focus?.();
    };
  }, []);
  const other = it.from === client.userId ? it.to : it.from;
  const name = people.name(other);
  const isVideo = it.type === "video" && Boolean(remote);
  return html`<dialog ref=${ref} tabindex="-1" class="call-sheet ${state} ${isVideo ? "with-video" : ""}" onCancel=${(event) => event.preventDefault()} aria-label=${t(`call.${it.type}`)}>
    ${remote && html`<${Stream} key="remote" stream=${remote} name=${isVideo ? "remote" : "only-sound"} label=${name} />`}
    ${local && it.type === "video" && html`<${Stream} key="local" stream=${local} isMuted name="local" label=${t("you")} />`}
    <header class="call-who">
      ${!isVideo && html`<${Avatar} id=${other} name=${name} url=${people.avatar(other)} size=${112} />`}
      <h2>${name}</h2>
      <${Status} current=${current} />
    </header>
    <footer class="call-buttons"><${Buttons} current=${current} /></footer>
  </dialog>`;
}

export function CallSheet() {
  useSignals(callChanged, people.changed);
  return calls.current && html`<${Current} key=${calls.current.call.callId} current=${calls.current} />`;
}
