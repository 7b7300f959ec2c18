// Say it to others, too: choosing to whom, and where it was refused.
import { html, useEffect, useRef, useState } from "../../vendor/preact-htm.js";
import { client, conversations, groups, online, people } from "../core/app.js";
import { t } from "../core/i18n.js";
import { useSignals } from "../core/signal.js";
import { summary } from "../core/summary.js";
import { Forward, isForwardable } from "../store/forward.js";
import { Avatar } from "./avatar.js";
import { whyClosed } from "./closed.js";
import { Icon } from "./icons.js";
import { dialog, DialogHead, note, whyRefused } from "./overlay.js";

/** Every conversation, then the groups and friends with whom there is none in the list. */
function places() {
  const known = new Set(conversations.list.map(({ peerId, groupId }) => peerId ?? groupId));
  const others = [...groups.mine.values()].filter(({ groupId }) => !known.has(groupId)).map((group) => ({ ...group, convType: "group", title: group.name }));
  const friends = [...people.friends.keys()].filter((userId) => !known.has(userId)).map((userId) => conversations.get(conversations.with(userId)));
  return [...conversations.list, ...others, ...friends];
}

const Face = ({ conv }) => html`<${Avatar} id=${conv.peerId ?? conv.groupId} name=${conversations.titleOf(conv)} url=${conversations.avatarOf(conv)} size=${36} />`;

function Place({ conv, isChosen, onToggle }) {
  const why = isChosen ? "" : whyClosed(conv); // who was chosen can be left out again
  return html`<li><label class="person">
    <input type="checkbox" checked=${isChosen} disabled=${why !== ""} onChange=${() => onToggle(conv)} />
    <${Face} conv=${conv} /><span class="person-text"><b dir="auto">${conversations.titleOf(conv) || "…"}</b>${why && html`<small>${why}</small>`}</span>
  </label></li>`;
}

function Choose({ chosen, onToggle }) {
  const [q, setQ] = useState("");
  const field = useRef();
  const wanted = q.trim().toLowerCase();
  const found = places().filter((conv) => conversations.titleOf(conv).toLowerCase().includes(wanted));
  const leaveOut = (conv) => (onToggle(conv), field.current.focus()); // what was pressed is gone
  return html`<label class="field"><span>${t("forward.search")}</span><input ref=${field} autofocus value=${q} onInput=${(event) => setQ(event.target.value)} autocomplete="off" /></label>
    <ul class="people choose">
      ${found.map((conv) => html`<${Place} key=${conv.convId} conv=${conv} isChosen=${chosen.has(conv.convId)} onToggle=${onToggle} />`)}
      ${!found.length && html`<li class="list-empty">${t("list.nothing")}</li>`}
    </ul>
    ${chosen.size > 0 && html`<ul class="chips" aria-label=${t("forward.chosen")}>${[...chosen.values()].map((conv) => html`<li key=${conv.convId}>
      <button type="button" class="chip" onClick=${() => leaveOut(conv)} aria-label=${t("forward.leave_out", { name: conversations.titleOf(conv) })}><span>${conversations.titleOf(conv)}</span><${Icon} name="close" size=${14} /></button>
    </li>`)}</ul>`}`;
}

const Refused = ({ parts }) => html`<ul class="people refusals">
  ${parts.map(({ conv, error }) => html`<li key=${conv.convId} class="person"><${Face} conv=${conv} /><span class="person-text"><b dir="auto">${conversations.titleOf(conv)}</b><small>${whyRefused(error)}</small></span></li>`)}
</ul>`;

const howMany = ({ count, refused }) =>
  refused.length ? t("forward.partly", { sent: count - refused.length, all: count }) : t("forward.done", { count });

function Forwarding({ message, timeline, close }) {
  const [isOnline] = useSignals(online, timeline.changed, conversations.changed, people.changed, groups.changed);
  const [chosen, setChosen] = useState(new Map()); // convId → conversation
  const [forward, setForward] = useState(null);
  const [refused, setRefused] = useState(null); // where, once that is known
  const [isBusy, setBusy] = useState(false);
  const isOpen = useRef(true);
  useEffect(() => () => (isOpen.current = false), []);
  const now = timeline.bySeq(message.seq) ?? message; // it may be edited or taken back meanwhile
  const isLost = !forward && !isForwardable(now);

  const toggle = (conv) => {
    const next = new Map(chosen);
    if (!next.delete(conv.convId)) next.set(conv.convId, conv);
    setChosen(next);
  };
  const send = async () => {
    if (isBusy) return;
    const way = forward ?? new Forward(conversations, now, [...chosen.values()]);
    setForward(way);
    setBusy(true);
    await way.send();
    setBusy(false);
    setRefused(way.refused);
    if (way.refused.some(({ error }) => error.name === "SessionOver")) return; // the next login sends it
    if (way.refused.length && isOpen.current) return;
    const why = way.refused.map(({ conv, error }) => `${conversations.titleOf(conv)}: ${whyRefused(error)}`);
    note([howMany(way), ...why].join("\n"), { isBad: why.length > 0 });
    close();
  };

  const going = isOnline === false ? t("forward.waiting") : refused ? t("state.waiting") : "";
  const state = isLost ? t("forward.lost") : isBusy ? going : refused ? howMany(forward) : "";
  const label = isBusy ? t("state.waiting") : forward ? t("do.again") : chosen.size ? t("forward.to", { count: chosen.size }) : t("do.forward");
  return html`<${DialogHead} title=${t("do.forward")} close=${close} />
    <div class="about"><${Icon} name="forward" /><span class="about-text"><b>${now.from === client.userId ? t("you") : people.name(now.from)}</b><span dir="auto">${summary(now)}</span></span></div>
    <p class="forward-state" role="status">${state}</p>
    ${refused ? html`<${Refused} parts=${refused} />` : html`<div inert=${isBusy}><${Choose} chosen=${chosen} onToggle=${toggle} /></div>`}
    <footer class="dialog-foot">
      <button type="button" class="button" onClick=${() => close()}>${t(forward ? "do.close" : "do.cancel")}</button>
      <button type="button" class="button primary" disabled=${isLost || !chosen.size} onClick=${send}>${label}</button>
    </footer>`;
}

export const openForward = (message, timeline) => dialog(Forwarding, { message, timeline, title: t("do.forward") });
