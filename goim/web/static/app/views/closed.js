// Where nobody can write now.
import { groups, people } from "../core/app.js";
import { t } from "../core/i18n.js";

/** Why one cannot write to a conversation now; "" if one can. */
export function whyClosed(conv) {
  if (conv.groupId) {
    const group = groups.mine.get(conv.groupId);
    return group?.muted && !groups.mayManage(conv.groupId) ? t("chat.muted_group") : "";
  }
  if (people.blocked.has(conv.peerId)) return t("chat.blocked");
  return people.isLoaded && !people.friends.has(conv.peerId) ? t("chat.no_friend") : "";
}
