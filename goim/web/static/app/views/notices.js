// What tells of news while one looks elsewhere.
import { html } from "../../vendor/preact-htm.js";
import { notifier } from "../core/app.js";
import { t } from "../core/i18n.js";
import { useSignals } from "../core/signal.js";
import { ringing } from "../store/calls.js";
import { attempt } from "./overlay.js";
import { Switch } from "./switch.js";

/** The page of the settings. */
export function NotificationSettings() {
  const [state, isLoud] = useSignals(notifier.state, ringing.isLoud);
  const isPossible = state === "on" || state === "off";
  return html`<div class="switches">
    <${Switch} icon="bell" label=${t("notify.desktop")} hint=${isPossible ? t("notify.desktop_hint") : t(`notify.${state}`)} isOn=${state === "on"} isDisabled=${!isPossible}
      onChange=${(isOn) => attempt(notifier.turn(isOn))} />
    <${Switch} icon="phone" label=${t("notify.ring")} hint=${t("notify.ring_hint")} isOn=${isLoud} onChange=${(isOn) => ringing.turn(isOn)} />
  </div>`;
}
