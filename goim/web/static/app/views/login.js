// Who are you? Log in, or make an account.
import { html, useLayoutEffect, useRef, useState } from "../../vendor/preact-htm.js";
import { begin, client, end } from "../core/app.js";
import { newDeviceId } from "../core/device.js";
import { LANGUAGES, language, speak, t } from "../core/i18n.js";
import { Icon } from "./icons.js";
import { wordsFor } from "./overlay.js";

export function Login({ why }) {
  const [isNew, setNew] = useState(false);
  const [error, setError] = useState(why ?? "");
  const [isBusy, setBusy] = useState(false);
  const form = useRef();
  useLayoutEffect(() => form.current.elements.username.focus(), []);

  const submit = async (event) => {
    event.preventDefault();
    const { username, password, nickname } = Object.fromEntries(new FormData(form.current));
    setBusy(true);
    setError("");
    try {
      if (isNew) await client.register(username.trim(), password, nickname.trim());
      const before = client.userId;
      const userId = await client.login(username.trim(), password, client.deviceId || newDeviceId());
      if (why && userId !== before) end();
      begin();
    } catch (refused) {
      setError(wordsFor(refused));
      setBusy(false);
    }
  };

  return html`<main class="login">
    <form ref=${form} onSubmit=${submit} class="login-card">
      <div class="logo" aria-hidden="true"><${Icon} name="chats" size=${34} /></div>
      <h1>${isNew ? t("login.welcome") : t("login.back")}</h1>
      <p class="login-hint">${isNew ? t("login.register_hint") : t("login.hint")}</p>
      <label class="field"><span>${t("login.username")}</span>
        <input name="username" required minlength="3" maxlength="32" pattern="[A-Za-z0-9_.\\-]+" title=${t("login.username_rule")}
          autocomplete="username" autocapitalize="none" spellcheck=${false} />
      </label>
      ${isNew && html`<label class="field"><span>${t("login.nickname")}</span><input name="nickname" maxlength="64" autocomplete="nickname" /></label>`}
      <label class="field"><span>${t("login.password")}</span>
        <input name="password" type="password" required minlength="8" maxlength="128" autocomplete=${isNew ? "new-password" : "current-password"} />
      </label>
      <p class="login-error" role="alert">${error}</p>
      <button class="button primary wide" disabled=${isBusy}>${isBusy ? t("login.busy") : isNew ? t("login.create") : t("login.enter")}</button>
      <p class="login-other">
        ${isNew ? t("login.have_account") : t("login.no_account")}${" "}<button type="button" class="link" onClick=${() => (setNew(!isNew), setError(""))}>${isNew ? t("login.enter") : t("login.create")}</button>
      </p>
    </form>
    <p class="login-languages">
      ${Object.entries(LANGUAGES).map(
        ([name, label]) => html`<button type="button" class="link" aria-pressed=${language.value === name} onClick=${() => speak(name)}>${label}</button>`,
      )}
    </p>
  </main>`;
}

/** The same device has connected from another window: only one of them can be live. */
export function Elsewhere() {
  const here = useRef();
  useLayoutEffect(() => here.current.focus(), []);
  return html`<main class="login">
    <div class="login-card centred">
      <div class="logo" aria-hidden="true"><${Icon} name="device" size=${34} /></div>
      <h1>${t("elsewhere.title")}</h1>
      <p class="login-hint">${t("elsewhere.text")}</p>
      <button ref=${here} type="button" class="button primary wide" onClick=${begin}>${t("elsewhere.here")}</button>
    </div>
  </main>`;
}
