// A group that somebody was given the address of: what it is, and the way in.
import { html, useEffect, useState } from "../../vendor/preact-htm.js";
import { client, conversations, groups } from "../core/app.js";
import { t } from "../core/i18n.js";
import { back, hrefOf } from "../core/route.js";
import { Avatar } from "./avatar.js";
import { Icon } from "./icons.js";
import { attempt, note, wordsFor } from "./overlay.js";

/** The address by which others find a group; what they may do there, its policy says. */
export const linkTo = (groupId) => location.origin + location.pathname + hrefOf("join", groupId);

export function JoinPage({ id }) {
  const [group, setGroup] = useState(null);
  const [problem, setProblem] = useState("");
  const [isAsked, setAsked] = useState(false);
  useEffect(() => {
    if (groups.mine.has(id)) return conversations.open(`group:${id}`);
    let isHere = true;
    client.http.get(`/api/groups/${encodeURIComponent(id)}`).then(
      (found) => (found.role ? isHere && conversations.open(found.convId) : setGroup(found)),
      (error) => setProblem(wordsFor(error)),
    );
    return () => (isHere = false);
  }, [id]);
  const join = async () => {
    if (!(await attempt(groups.join(id)))) return;
    if (!groups.mine.has(id)) return (setAsked(true), note(t("join.asked")));
    await conversations.reload();
    conversations.open(group.convId);
  };
  return html`<div class="page-main">
    <header class="page-head only-phone"><button type="button" class="button-icon" onClick=${() => back("chats")} aria-label=${t("do.back")}><${Icon} name="back" /></button></header>
    ${!group && html`<div class="nothing-open">${problem ? html`<p>${problem}</p>` : html`<span class="spinner"></span>`}</div>`}
    ${group && html`<div class="page-body narrow">
      <div class="profile-head"><${Avatar} id=${id} name=${group.name} url=${group.avatarUrl} size=${112} /><h2>${group.name}</h2><p>${t("group.members", { count: group.memberCount })}</p></div>
      <div class="centred"><button type="button" class="button primary" disabled=${isAsked} onClick=${join}>${t(isAsked ? "people.waiting" : group.joinPolicy === "approval" ? "join.ask" : "group.join")}</button></div>
    </div>`}
  </div>`;
}
