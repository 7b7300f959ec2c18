// Oneself: profile, devices, how it all looks, the account.
import { html, useEffect, useRef, useState } from "../../vendor/preact-htm.js";
import { client, logOut, people } from "../core/app.js";
import { deviceName } from "../core/device.js";
import { LANGUAGES, language, speak, t } from "../core/i18n.js";
import { back, hrefOf } from "../core/route.js";
import { useSignals } from "../core/signal.js";
import { theme, wear } from "../core/theme.js";
import { ago } from "../core/times.js";
import { Avatar } from "./avatar.js";
import { SoundAndCamera } from "./device_choice.js";
import { Icon } from "./icons.js";
import { Person } from "./new_chat.js";
import { NotificationSettings } from "./notices.js";
import { attempt, note, sure } from "./overlay.js";

/** Let a picture be chosen and uploaded, then `use(url)`. */
export function chooseAvatar(use) {
  const input = document.createElement("input");
  Object.assign(input, { type: "file", accept: "image/png,image/jpeg,image/webp,image/gif" });
  input.onchange = () =>
    attempt(
      client.http.upload(input.files[0]).then(({ url, thumbnail, mimeType }) => {
        if (!mimeType.startsWith("image/")) throw new Error(t("profile.no_picture"));
        return use(thumbnail ?? url);
      }),
    );
  input.click();
}

function Profile() {
  const { me } = people;
  const form = useRef();
  if (!me) return html`<span class="spinner"></span>`;
  const save = async (event) => {
    event.preventDefault();
    if (await attempt(people.updateMe({ nickname: new FormData(form.current).get("nickname").trim() }))) note(t("saved.changes"));
  };
  return html`<div class="profile-head">
      <button type="button" class="avatar-button" onClick=${() => chooseAvatar((avatarUrl) => people.updateMe({ avatarUrl }))} aria-label=${t("profile.picture")}>
        <${Avatar} id=${me.userId} name=${me.nickname || me.username} url=${me.avatarUrl} size=${112} /><span class="avatar-edit"><${Icon} name="edit" size=${18} /></span>
      </button>
      <p>@${me.username}</p>
    </div>
    <form ref=${form} onSubmit=${save}>
      <label class="field"><span>${t("login.nickname")}</span><input name="nickname" defaultValue=${me.nickname} maxlength="64" /></label>
      <button class="button primary">${t("do.save")}</button>
    </form>`;
}

function Devices() {
  const [devices, setDevices] = useState([]);
  const load = () => attempt(client.http.get("/api/users/me/devices").then(({ devices: found }) => setDevices(found)));
  useEffect(() => {
    load();
  }, []);
  const remove = async ({ deviceId }) => {
    if (!(await sure(t("device.remove"), t("device.remove_sure"), t("do.remove")))) return;
    await attempt(client.http.delete(`/api/users/me/devices/${encodeURIComponent(deviceId)}`));
    load();
  };
  return html`<p class="hint">${t("device.hint")}</p><ul class="people">
    ${devices.map((device) => {
      const isThis = device.deviceId === client.deviceId;
      return html`<li class="person-row" key=${device.deviceId}>
        <span class="person"><span class="saved-icon"><${Icon} name="device" /></span><span class="person-text"><b>${isThis ? t("device.this") : deviceName(device.deviceId)}</b>
          <small class=${device.online ? "is-online" : ""}>${device.online ? t("presence.online") : t("presence.seen", { ago: ago(device.lastSeen) })}${device.transport ? ` · ${device.transport}` : ""}</small></span></span>
        ${!isThis && html`<button type="button" class="button small danger" onClick=${() => remove(device)}>${t("do.remove")}</button>`}
      </li>`;
    })}
  </ul>`;
}

function Blocked() {
  const blocked = [...people.blocked];
  const unblock = async (userId) => {
    if (await attempt(people.block(userId, false))) note(t("people.unblocked", { name: people.name(userId) }));
  };
  return html`<p class="hint">${t("people.blocked_hint")}</p>
    <ul class="people">${blocked.map((userId) => html`<${Person} key=${userId} userId=${userId} sub=${usernameOf(userId)}>
      <button type="button" class="button small" onClick=${() => unblock(userId)} aria-label=${t("people.unblock_who", { name: people.name(userId) })}>${t("people.unblock")}</button>
    <//>`)}</ul>
    ${!blocked.length && html`<div class="list-empty"><${Icon} name="block" size=${36} /><p>${t("people.none_blocked")}</p></div>`}`;
}

const usernameOf = (userId) => (people.known.has(userId) ? `@${people.known.get(userId).username}` : "");

function Choice({ label, options, value, onChoose }) {
  return html`<fieldset class="choice"><legend>${label}</legend>
    ${options.map(([name, text]) => html`<label key=${name}><input type="radio" name=${label} checked=${value === name} onChange=${() => onChoose(name)} />${text}</label>`)}
  </fieldset>`;
}

function Appearance() {
  const [worn, spoken] = useSignals(theme, language);
  return html`
    <${Choice} label=${t("theme.label")} value=${worn} onChoose=${wear} options=${["system", "light", "dark"].map((name) => [name, t(`theme.${name}`)])} />
    <${Choice} label=${t("language.label")} value=${spoken} onChoose=${speak} options=${Object.entries(LANGUAGES)} />`;
}

function Account() {
  const form = useRef();
  const change = async (event) => {
    event.preventDefault();
    const { oldPassword, newPassword } = Object.fromEntries(new FormData(form.current));
    const changing = client.http.put("/api/users/me/password", { oldPassword, newPassword }).catch((error) => {
      throw error.code === "BAD_CREDENTIALS" ? new Error(t("account.wrong")) : error;
    });
    if (!(await attempt(changing))) return;
    form.current.reset();
    note(t("account.changed"));
  };
  const leave = async () => {
    if (await sure(t("account.log_out"), t("account.log_out_sure"), t("account.log_out"), { isDangerous: false })) await logOut();
  };
  return html`<form ref=${form} onSubmit=${change}>
      <input type="text" name="username" autocomplete="username" value=${people.me?.username ?? ""} hidden readonly />
      <label class="field"><span>${t("account.old")}</span><input name="oldPassword" type="password" required autocomplete="current-password" /></label>
      <label class="field"><span>${t("account.new")}</span><input name="newPassword" type="password" required minlength="8" maxlength="128" autocomplete="new-password" /></label>
      <button class="button primary">${t("account.change")}</button>
    </form>
    <div class="acts"><button type="button" class="act danger" onClick=${leave}><${Icon} name="leave" />${t("account.log_out")}</button></div>`;
}

/** Every page of the settings. */
const SECTIONS = {
  profile: { icon: "user", View: Profile },
  devices: { icon: "device", View: Devices },
  notify: { icon: "bell", View: NotificationSettings },
  media: { icon: "microphone", View: SoundAndCamera },
  blocked: { icon: "block", View: Blocked },
  appearance: { icon: "sun", View: Appearance },
  account: { icon: "lock", View: Account },
};

export function SettingsList({ id }) {
  useSignals(people.changed);
  const { me } = people;
  return html`
    <header class="list-head"><h1>${t("nav.settings")}</h1></header>
    <div class="list-rows">
      ${me && html`<a class="row me" href=${hrefOf("settings", "profile")}><${Avatar} id=${me.userId} name=${me.nickname || me.username} url=${me.avatarUrl} size=${56} />
        <span class="row-text"><b class="row-title">${me.nickname || me.username}</b><span class="row-last">@${me.username}</span></span></a>`}
      ${Object.entries(SECTIONS).map(([name, { icon }]) => html`<a key=${name} class="row setting" href=${hrefOf("settings", name)} aria-current=${id === name ? "true" : undefined}>
        <${Icon} name=${icon} /><span class="row-title">${t(`settings.${name}`)}</span></a>`)}
    </div>`;
}

export function SettingsPage({ id }) {
  useSignals(people.changed);
  const section = SECTIONS[id];
  if (!section) return html`<div class="nothing-open"><div class="logo" aria-hidden="true"><${Icon} name="settings" size=${40} /></div><p>${t("settings.choose")}</p></div>`;
  return html`<div class="page-main">
    <header class="page-head"><button type="button" class="button-icon only-phone" onClick=${() => back("settings")} aria-label=${t("do.back")}><${Icon} name="back" /></button><h2>${t(`settings.${id}`)}</h2></header>
    <div class="page-body narrow"><${section.View} /></div>
  </div>`;
}
