// What tells of news while one looks elsewhere.
import { html, useEffect } from "../../vendor/preact-htm.js";
import { notifier, webPush } from "../core/app.js";
import { t } from "../core/i18n.js";
import { useSignals } from "../core/signal.js";
import { ringing } from "../store/calls.js";
import { attempt } from "./overlay.js";
import { Switch } from "./switch.js";

const isPossible = (state) => state === "on" || state === "off";

function Desktop() {
  const [state] = useSignals(notifier.state);
  const hint = isPossible(state) ? t("notify.desktop_hint") : t(`notify.${state}`);
  return html`<${Switch} icon="bell" label=${t("notify.desktop")} hint=${hint} isOn=${state === "on"} isDisabled=${!isPossible(state)} onChange=${(isOn) => attempt(notifier.turn(isOn))} />`;
}

function Push() {
  const [state] = useSignals(webPush.state);
  useEffect(() => {
    attempt(webPush.look());
  }, []);
  const hint = state === null || isPossible(state) ? t("notify.push_hint") : t(`notify.${state}`);
  return html`<${Switch} icon="megaphone" label=${t("notify.push")} hint=${hint} isOn=${state === "on"} isDisabled=${!isPossible(state)} onChange=${(isOn) => attempt(webPush.turn(isOn))} />`;
}

/** The page of the settings. */
export function NotificationSettings() {
  const [isLoud] = useSignals(ringing.isLoud);
  return html`<div class="switches">
    <${Desktop} />
    <${Push} />
    <${Switch} icon="phone" label=${t("notify.ring")} hint=${t("notify.ring_hint")} isOn=${isLoud} onChange=${(isOn) => ringing.turn(isOn)} />
  </div>`;
}
