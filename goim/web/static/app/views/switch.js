// Something that is on or off.
import { html, useReducer } from "../../vendor/preact-htm.js";
import { Icon } from "./icons.js";

/** `hint` says what it means, below its name. It shows what `isOn` says once `onChange(isWanted)` is done. */
export function Switch({ label, hint, icon, isOn, isDisabled = false, onChange }) {
  const [, again] = useReducer((n) => n + 1, 0);
  const change = async (event) => {
    await onChange(event.target.checked);
    again();
  };
  return html`<label class="act switch"><${Icon} name=${icon} /><span class="switch-text">${label}${hint && html`<small>${hint}</small>`}</span>
    <input type="checkbox" role="switch" aria-label=${label} aria-description=${hint} checked=${isOn} disabled=${isDisabled} onChange=${change} /></label>`;
}
