// Emoji to choose from.
import { html } from "../../vendor/preact-htm.js";
import { t } from "../core/i18n.js";

const ALL = (
  "😀 😃 😄 😁 😆 😅 😂 🤣 🙂 😉 😊 😇 🥰 😍 😘 😋 😜 🤪 🤗 🤔 🤨 😐 😏 😒 🙄 😬 😌 😴 🤒 🤯 🥳 😎 🤓 😕 😟 😮 😲 🥺 😢 😭 😱 😤 😡 🤬 💀 💩 🤖 👻 " +
  "👍 👎 👌 ✌️ 🤞 🤝 👏 🙌 🙏 💪 👋 ✍️ 👀 🧠 ❤️ 🧡 💛 💚 💙 💜 🖤 💔 💯 ✨ 🔥 🎉 🎂 🎁 🏆 ⭐ ☀️ 🌙 🌈 ☕ 🍵 🍺 🍕 🍜 🍎 🚀 ✈️ 🏠 💡 📌 ✅ ❌ ❓ ❗ 🕒 💻 📱 📷 🎵 🐛 🐱 🐶 🌱 🌸"
).split(" ");

export function EmojiPicker({ onChoose }) {
  return html`<div class="emoji-picker" role="group" aria-label=${t("emoji.label")}>
    ${ALL.map((emoji) => html`<button type="button" role="menuitem" onClick=${() => onChoose(emoji)} aria-label=${emoji}>${emoji}</button>`)}
  </div>`;
}
