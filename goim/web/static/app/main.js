// The page: who is nobody yet logs in, everybody else sees their conversations.
import { html, render } from "../vendor/preact-htm.js";
import { begin, client, session } from "./core/app.js";
import { language, t } from "./core/i18n.js";
import { useSignals } from "./core/signal.js";
import "./core/theme.js";
import { CallSheet } from "./views/calls.js";
import { Elsewhere, Login } from "./views/login.js";
import { Overlay } from "./views/overlay.js";
import { Shell } from "./views/shell.js";

function Page() {
  const [{ state, code }, spoken] = useSignals(session, language);
  const why = code === 4010 ? t("over.kicked") : t("over.ended");
  return html`<div key=${spoken} class="page">
    ${state === "in" && html`<${Shell} />`}
    ${state === "out" && html`<${Login} key="out" />`}
    ${state === "over" && html`<${Login} key="over" why=${why} />`}
    ${state === "elsewhere" && html`<${Elsewhere} />`}
    ${state === "in" && html`<${CallSheet} />`}
    <${Overlay} />
  </div>`;
}

if (client.isLoggedIn) begin();
render(html`<${Page} />`, document.getElementById("app"));
