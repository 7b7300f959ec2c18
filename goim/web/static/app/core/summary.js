// A message in a few words: for lists, quotes and notifications.
import { t } from "./i18n.js";
import { length } from "./times.js";

const KINDS = {
  image: "🖼️",
  voice: "🎤",
  video: "🎬",
  file: "📎",
  card: "👤",
  location: "📍",
  call: "📞",
  custom: "✳️",
};

export function summary(message) {
  if (!message) return "";
  if (message.recalled) return t(message.burnAfterRead ? "message.burned" : "message.recalled");
  if (message.expireAt <= Date.now()) return "";
  if (message.burnAfterRead) return `🔥 ${t("message.burns")}`;
  const { type, payload } = message;
  if (type === "text" || type === "stream") {
    if (message.streamStatus === "streaming" && !payload?.text) return t("message.writing");
    return (payload?.text ?? "").replace(/`+|\*\*/g, "");
  }
  const spoken = `${t("kind.voice")} · ${length(Number(payload?.duration) || 0)}`;
  const more = { call: payload && t(`call.${payload.type}`), voice: spoken, file: payload?.name, card: payload?.nickname, location: payload?.address }[type];
  return `${KINDS[type] ?? "✳️"} ${more || t(`kind.${KINDS[type] ? type : "custom"}`)}`;
}
