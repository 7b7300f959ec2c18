// What one can do with a whole conversation.
import { conversations } from "../core/app.js";
import { t } from "../core/i18n.js";
import { leave } from "../core/route.js";
import { attempt, sure } from "./overlay.js";

async function remove(conv) {
  if (!(await sure(t("conv.delete"), t("conv.delete_sure"), t("do.delete")))) return;
  if (await attempt(conversations.delete(conv))) leave("chats", conv.convId);
}

export const convMenu = (conv) =>
  conv.isNew
    ? []
    : [
        { label: t(conv.pinned ? "conv.unpin" : "conv.pin"), icon: "pin", act: () => attempt(conversations.pin(conv)) },
        { label: t(conv.muted ? "conv.unmute" : "conv.mute"), icon: conv.muted ? "bell" : "mute", act: () => attempt(conversations.mute(conv)) },
        conv.unread > 0 && { label: t("conv.read"), icon: "check", act: () => conversations.seen(conv.convId, conv.lastSeq) },
        { label: t("conv.delete"), icon: "trash", isDangerous: true, act: () => remove(conv) },
      ];
