// What is known of a conversation: the person, or the group with its members, notices and rules.
import { html, useEffect, useState } from "../../vendor/preact-htm.js";
import { client, conversations, groups, people } from "../core/app.js";
import { t } from "../core/i18n.js";
import { go, leave } from "../core/route.js";
import { useSignals } from "../core/signal.js";
import { brief } from "../core/times.js";
import { Avatar } from "./avatar.js";
import { copy } from "./copy.js";
import { Icon } from "./icons.js";
import { linkTo } from "./join.js";
import { AddButton, Befriend, openAdd, Person } from "./new_chat.js";
import { ask, attempt, dialog, DialogHead, note, openMenu, sure } from "./overlay.js";
import { PersonActs, PersonHead } from "./people.js";
import { chooseAvatar } from "./settings.js";
import { areDetailsOpen } from "./open.js";
import { Switch } from "./switch.js";

function Settings({ conv }) {
  if (conv.isNew) return null;
  return html`<div class="acts">
    <${Switch} label=${t("conv.mute")} icon="mute" isOn=${conv.muted} onChange=${() => attempt(conversations.mute(conv))} />
    <${Switch} label=${t("conv.pin")} icon="pin" isOn=${conv.pinned} onChange=${() => attempt(conversations.pin(conv))} />
  </div>`;
}

// groups

const HOURS = [1, 8, 24];

function memberMenu(event, groupId, member) {
  const mine = groups.mine.get(groupId)?.role;
  const rank = { owner: 0, admin: 1, member: 2 };
  const isAbove = rank[mine] < rank[member.role];
  const isOwner = mine === "owner";
  const set = (news) => attempt(groups.setMember(groupId, member.userId, news));
  const name = people.name(member.userId);
  const handOver = async () => {
    if (await sure(t("member.hand_over"), t("member.hand_over_sure", { name }), t("member.hand_over"))) await set({ role: "owner" });
  };
  const putOut = async () => {
    if (await sure(t("member.put_out"), t("member.put_out_sure", { name }), t("member.put_out"))) await attempt(groups.putOut(groupId, member.userId));
  };
  const isMuted = member.muteUntil > Date.now();
  openMenu(event, [
    { label: t("people.profile"), icon: "user", act: () => go("people", member.userId) },
    isOwner && member.role === "member" && { label: t("member.make_admin"), icon: "check", act: () => set({ role: "admin" }) },
    isOwner && member.role === "admin" && { label: t("member.make_member"), icon: "user", act: () => set({ role: "member" }) },
    ...(isAbove && !isMuted ? HOURS.map((hours) => ({ label: t("member.mute", { count: hours }), icon: "mute", act: () => set({ muteUntil: Date.now() + hours * 3_600_000 }) })) : []),
    isAbove && isMuted && { label: t("member.unmute"), icon: "bell", act: () => set({ muteUntil: 0 }) },
    isOwner && { label: t("member.hand_over"), icon: "lock", act: handOver },
    isAbove && { label: t("member.put_out"), icon: "leave", isDangerous: true, act: putOut },
  ]);
}

function Members({ groupId }) {
  const members = groups.members.get(groupId);
  const [count, setCount] = useState(8);
  return html`<section>
    <h3 class="list-title">${t("group.members_title")}</h3>
    <${AddButton} label=${t("group.add")} onClick=${() => openAdd(groupId)} />
    <ul class="people">
      ${members?.slice(0, count).map((member) => {
        const { userId, role, muteUntil } = member;
        const sub = [role !== "member" && t(`role.${role}`), muteUntil > Date.now() && t("member.muted")].filter(Boolean).join(" · ");
        return html`<${Person} key=${userId} userId=${userId} sub=${sub || (people.isOnline(userId) ? t("presence.online") : "")} size=${36}>
          ${userId !== client.userId && html`<button type="button" class="button-icon" aria-haspopup="menu" aria-label=${t("member.more", { name: people.name(userId) })} onClick=${(event) => memberMenu(event, groupId, member)}><${Icon} name="more" size=${18} /></button>`}
        <//>`;
      })}
    </ul>
    ${members?.length > count && html`<button type="button" class="button wide" onClick=${() => setCount(count + 100)}>${t("do.show_more")}</button>`}
  </section>`;
}

function Notice({ notice, close }) {
  return html`<${DialogHead} title=${notice.title} close=${close} /><p class="dialog-text notice">${notice.content}</p>
    <p class="hint">${people.name(notice.createdBy)} · ${brief(notice.createdAt)}</p>`;
}

function Notices({ groupId }) {
  const [list, setList] = useState([]);
  const load = () => groups.notices(groupId).then(setList, () => {});
  useEffect(() => {
    load();
    return client.on("group_notice", (notice) => notice.groupId === groupId && load());
  }, [groupId]);
  const post = async () => {
    const title = await ask(t("notice.new"), t("notice.title"), { maxlength: 200, yes: t("do.next") });
    if (!title) return;
    const content = await ask(title, t("notice.content"), { maxlength: 10_000, isLong: true, yes: t("notice.post") });
    if (content && (await attempt(groups.post(groupId, title, content)))) load();
  };
  const mayPost = groups.mayManage(groupId);
  if (!list.length && !mayPost) return null;
  return html`<section>
    <h3 class="list-title">${t("notice.all")}</h3>
    ${mayPost && html`<${AddButton} label=${t("notice.new")} onClick=${post} />`}
    <ul class="notices">${list.map((notice) => html`<li key=${notice.noticeId}><button type="button" onClick=${() => dialog(Notice, { notice, title: notice.title })}>
      <${Icon} name="megaphone" /><span><b>${notice.title}</b><small>${notice.content}</small></span><time>${brief(notice.createdAt)}</time>
    </button></li>`)}</ul>
  </section>`;
}

function Asking({ groupId }) {
  const [list, setList] = useState([]);
  const load = () => groups.asking(groupId).then(setList, () => {});
  useEffect(() => {
    load();
    return client.on("group_join_request", (data) => data.groupId === groupId && load());
  }, [groupId]);
  const decide = async (userId, accept) => {
    await attempt(groups.decide(groupId, userId, accept));
    load();
    groups.loadMembers(groupId, { isFresh: true }).catch(() => {});
  };
  if (!list.length) return null;
  return html`<section><h3 class="list-title">${t("group.asking")}</h3><ul class="people">
    ${list.map(({ userId }) => html`<${Person} key=${userId} userId=${userId} size=${36}>
      <button type="button" class="button small primary" onClick=${() => decide(userId, true)}>${t("do.accept")}</button>
      <button type="button" class="button-icon" onClick=${() => decide(userId, false)} aria-label=${t("do.decline")}><${Icon} name="close" size=${18} /></button>
    <//>`)}
  </ul></section>`;
}

function GroupActs({ group }) {
  const { groupId, convId, role, name, joinPolicy, muted, memberCount } = group;
  const mayManage = groups.mayManage(groupId);
  const rename = async () => {
    const given = await ask(t("group.rename"), t("group.name"), { value: name, maxlength: 64 });
    if (given) await attempt(groups.change(groupId, { name: given }));
  };
  const part = async () => {
    if (role === "owner" && memberCount > 1) return note(t("group.leave_owner"), { isBad: true });
    if ((await sure(t("group.leave"), t("group.leave_sure", { name }), t("group.leave"))) && (await attempt(groups.leave(groupId)))) leave("chats", convId);
  };
  const disband = async () => {
    if ((await sure(t("group.disband"), t("group.disband_sure", { name }), t("group.disband"))) && (await attempt(groups.disband(groupId)))) leave("chats", convId);
  };
  const policy = (event) =>
    openMenu(event, ["open", "approval", "invite"].map((each) => ({ label: t(`policy.${each}`), icon: each === joinPolicy ? "check" : "lock", act: () => attempt(groups.change(groupId, { joinPolicy: each })) })));
  return html`<div class="acts">
    ${mayManage && html`<button type="button" class="act" onClick=${rename}><${Icon} name="edit" />${t("group.rename")}</button>
      <button type="button" class="act" onClick=${() => chooseAvatar((avatarUrl) => groups.change(groupId, { avatarUrl }))}><${Icon} name="image" />${t("profile.picture")}</button>
      <button type="button" class="act" onClick=${policy} aria-haspopup="menu"><${Icon} name="lock" />${t("group.policy_is", { policy: t(`policy.${joinPolicy}`) })}</button>
      <${Switch} label=${t("group.mute_all")} icon="mute" isOn=${muted} onChange=${() => attempt(groups.muteAll(groupId, !muted))} />`}
    ${joinPolicy !== "invite" && html`<button type="button" class="act" onClick=${() => copy(linkTo(groupId))}><${Icon} name="copy" />${t("join.copy")}</button>`}
    <button type="button" class="act danger" onClick=${part}><${Icon} name="leave" />${t("group.leave")}</button>
    ${role === "owner" && html`<button type="button" class="act danger" onClick=${disband}><${Icon} name="trash" />${t("group.disband")}</button>`}
  </div>`;
}

function GroupDetails({ conv }) {
  const { groupId } = conv;
  const group = groups.mine.get(groupId);
  useEffect(() => {
    groups.loadMembers(groupId).catch(() => {});
  }, [groupId]);
  return html`<div class="profile-head">
      <${Avatar} id=${groupId} name=${conv.title} url=${conv.avatarUrl} size=${96} />
      <h2>${conv.title}</h2>
      <p>${group ? t("group.members", { count: group.memberCount }) : ""}</p>
    </div>
    <${Settings} conv=${conv} />
    ${group && html`${groups.mayManage(groupId) && html`<${Asking} groupId=${groupId} />`}
      <${Notices} groupId=${groupId} />
      <${Members} groupId=${groupId} />
      <${GroupActs} group=${group} />`}`;
}

function PersonDetails({ conv }) {
  const { peerId } = conv;
  const isStranger = people.isLoaded && !people.friends.has(peerId) && !people.blocked.has(peerId);
  return html`<${PersonHead} userId=${peerId} />
    ${isStranger && html`<div class="centred"><${Befriend} userId=${peerId} /></div>`}
    <${Settings} conv=${conv} /><${PersonActs} userId=${peerId} />`;
}

export function Details({ id }) {
  useSignals(conversations.changed, people.changed, groups.changed);
  const conv = conversations.get(id);
  useEffect(() => {
    if (!conv && conversations.isLoaded) areDetailsOpen.value = false; // it has ended
  }, [conv]);
  if (!conv) return null;
  return html`<header class="details-head">
      <button type="button" class="button-icon" onClick=${() => (areDetailsOpen.value = false)} aria-label=${t("do.close")}><${Icon} name="close" /></button>
      <h2>${t("details.label")}</h2>
    </header>
    <div class="details-body">
      ${conv.groupId ? html`<${GroupDetails} conv=${conv} />` : html`<${PersonDetails} conv=${conv} />`}
    </div>`;
}

