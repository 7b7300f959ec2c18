// Where one writes: text, answers, edits, mentions, pictures and files.
import { html, useEffect, useLayoutEffect, useRef, useState } from "../../vendor/preact-htm.js";
import { client, conversations, groups, people } from "../core/app.js";
import { calledIn } from "../core/format.js";
import { language, t } from "../core/i18n.js";
import { useSignals } from "../core/signal.js";
import { summary } from "../core/summary.js";
import { sendCard, sendFiles, sendLocation, Uploads } from "./attach.js";
import { Avatar } from "./avatar.js";
import { whyClosed } from "./closed.js";
import { EmojiPicker } from "./emoji.js";
import { chooseTerm, FadingNotice } from "./fading.js";
import { Icon } from "./icons.js";
import { attempt, closeMenu, note, openMenu } from "./overlay.js";
import { RecordButton, RecordingBar } from "./voice.js";

const TYPING_EVERY = 3000;
const MOST = 16_000; // characters: with four bytes each they fit into a message

/** Buttons beside the field: `({conv}) => vnode or null`. Others may add to it. */
export const COMPOSER_TOOLS = [];

function About({ about }) {
  const [value] = useSignals(about);
  if (!value) return null;
  const { message, isEdit } = value;
  const name = isEdit ? t("do.edit") : message.from === client.userId ? t("you") : people.name(message.from);
  return html`<div class="about">
    <${Icon} name=${isEdit ? "edit" : "reply"} />
    <span class="about-text"><b>${name}</b><span dir="auto">${summary(message)}</span></span>
    <button type="button" class="button-icon" onClick=${() => (about.value = null)} aria-label=${t("do.cancel")}><${Icon} name="close" size=${18} /></button>
  </div>`;
}

/** Who may be called in a group, and by which name. */
function callable(groupId, members) {
  const all = members.filter(({ userId }) => userId !== client.userId).map(({ userId, nickname }) => ({ userId, name: people.name(userId) || nickname }));
  return groups.mayManage(groupId) ? [...all, { userId: "all", name: t("mention.all") }] : all;
}

/** Whom an @ at the cursor may mean. */
function useMentions(conv, text, cursor) {
  const word = /(?<![A-Za-z0-9_.@-])@([\p{L}\p{N}_.-]*)$/u.exec(text.slice(0, cursor))?.[1];
  const [members, setMembers] = useState([]);
  useEffect(() => {
    if (word !== undefined && conv.groupId) groups.loadMembers(conv.groupId).then(setMembers, () => {});
  }, [word !== undefined]);
  if (word === undefined || !conv.groupId) return { word, found: [] };
  return { word, found: callable(conv.groupId, members).filter(({ name }) => name.toLowerCase().includes(word.toLowerCase())).slice(0, 6) };
}

export function Composer({ conv, timeline, about, dropped }) {
  const [answer, drop] = useSignals(about, dropped);
  useSignals(people.changed, groups.changed);
  const [text, setText] = useState(conv.draft);
  const [cursor, setCursor] = useState(0);
  const [chosen, setChosen] = useState(0);
  const [recording, setRecording] = useState(null);
  const field = useRef();
  const mentioned = useRef(new Map()); // name → userId
  const typedAt = useRef(0);
  const { word, found } = useMentions(conv, text, cursor);
  const reason = whyClosed(conv);

  useLayoutEffect(() => {
    if (matchMedia("(pointer: fine)").matches) field.current?.focus();
  }, []);
  useLayoutEffect(() => {
    if (!field.current) return;
    field.current.style.height = "auto";
    field.current.style.height = `${field.current.scrollHeight}px`;
  }, [text]);
  useLayoutEffect(() => {
    if (recording) return () => field.current?.focus(); // when it is over
  }, [recording]);
  useLayoutEffect(() => {
    if (answer) field.current?.focus();
    if (!answer?.isEdit) return;
    setText(answer.message.payload.text);
    return () => setText(conversations.get(conv.convId)?.draft ?? ""); // however the edit ends
  }, [answer]);
  useEffect(() => {
    if (!conv.groupId || !conv.draft.includes("@")) return; // else nobody is called in what was begun before
    groups.loadMembers(conv.groupId).then((members) => {
      for (const { name, userId } of callable(conv.groupId, members)) mentioned.current.set(name, userId);
    }, () => {});
  }, []);
  useEffect(() => {
    if (!drop) return;
    dropped.value = null;
    sendFiles(conv, drop);
  }, [drop]);
  useEffect(() => {
    if (document.activeElement !== field.current && !answer?.isEdit) setText(conv.draft); // written on another device
  }, [conv.draft]);

  const write = (value) => {
    setText(value);
    setCursor(field.current?.selectionStart ?? value.length);
    setChosen(0);
    if (answer?.isEdit) return;
    conversations.setDraft(conv, value);
    if (value && !conv.isNew && Date.now() - typedAt.current > TYPING_EVERY) {
      typedAt.current = Date.now();
      client.typing(conv.convId);
    }
  };

  const insert = (piece, from = field.current.selectionStart) => {
    field.current.focus();
    field.current.setRangeText(piece, from, field.current.selectionEnd, "end"); // at once: the next key may be down
    write(field.current.value);
  };

  const mention = ({ userId, name }) => {
    mentioned.current.set(name, userId);
    insert(`@${name} `, cursor - word.length - 1);
  };

  /** What is refused stays in the field. */
  const change = async (asked, said) => {
    const isDone = said === asked.message.payload.text || (await attempt(conversations.edit(asked.message, said)));
    if (isDone && about.value === asked) about.value = null;
  };

  const send = () => {
    const said = text.trim();
    if (!said) return;
    if (said.length > MOST) return note(t("composer.too_long", { most: MOST.toLocaleString(language.value), count: said.length.toLocaleString(language.value) }), { isBad: true });
    if (answer?.isEdit) return change(answer, said);
    const ids = calledIn(said, [...mentioned.current.keys()]).map((name) => mentioned.current.get(name));
    const mentions = ids.includes("all") ? ["all"] : ids;
    conversations.say(conv, said, { ...(mentions.length ? { mentions } : {}), ...(answer ? { replyTo: answer.message.serverMsgId } : {}) });
    about.value = null;
    mentioned.current.clear();
    typedAt.current = 0;
    setText("");
    conversations.setDraft(conv, "");
    field.current.focus();
  };

  const onKeyDown = (event) => {
    if (event.isComposing || event.keyCode === 229) return; // of an input method (229 in Safari): it is not for us
    if (found.length && ["ArrowDown", "ArrowUp", "Enter", "Tab"].includes(event.key)) {
      event.preventDefault();
      if (event.key === "ArrowDown") setChosen((chosen + 1) % found.length);
      else if (event.key === "ArrowUp") setChosen((chosen + found.length - 1) % found.length);
      else mention(found[chosen]);
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      send();
    } else if (event.key === "Escape" && answer) {
      about.value = null;
    } else if (event.key === "ArrowUp" && !text) {
      const last = timeline.messages.findLast((message) => message.from === client.userId && message.type === "text" && !message.recalled);
      if (last) {
        event.preventDefault();
        about.value = { message: last, isEdit: true };
      }
    }
  };

  const pick = (accept) => {
    const input = document.createElement("input");
    Object.assign(input, { type: "file", multiple: true, accept });
    input.onchange = () => sendFiles(conv, [...input.files]);
    input.click();
  };
  const fade = (button) => chooseTerm({ preventDefault() {}, currentTarget: button }, conv);
  const attach = (event) => {
    const button = event.currentTarget;
    openMenu(event, [
      { label: t("attach.image"), icon: "image", act: () => pick("image/*,video/*") },
      { label: t("attach.file"), icon: "file", act: () => pick("") },
      { label: t("attach.card"), icon: "card", act: () => sendCard(conv) },
      "geolocation" in navigator && { label: t("attach.location"), icon: "place", act: () => sendLocation(conv) },
      { label: t("fade.label"), icon: "flame", act: () => fade(button) },
    ]);
  };
  const emoji = (event) => openMenu(event, [], { head: html`<${EmojiPicker} onChoose=${(one) => (closeMenu(), insert(one))} />` });
  const paste = (event) => {
    if (!event.clipboardData.files.length) return;
    event.preventDefault();
    sendFiles(conv, [...event.clipboardData.files]);
  };

  const recorded = (isSent) => {
    setRecording(null);
    if (isSent) about.value = null;
  };
  const spoken = answer && !answer.isEdit ? { replyTo: answer.message.serverMsgId } : {};

  if (reason) return html`<footer class="composer closed"><p><${Icon} name="lock" size=${16} />${reason}</p></footer>`;
  return html`<footer class="composer">
    <${Uploads} convId=${conv.convId} />
    <${FadingNotice} conv=${conv} />
    <${About} about=${about} />
    ${found.length > 0 && html`<ul class="mentions" role="listbox" aria-label=${t("mention.label")}>
      ${found.map((each, at) => html`<li role="option" aria-selected=${at === chosen} onPointerDown=${(event) => (event.preventDefault(), mention(each))}>
        <${Avatar} id=${each.userId} name=${each.name} url=${people.avatar(each.userId)} size=${28} />${each.name}
      </li>`)}
    </ul>`}
    ${recording && html`<${RecordingBar} conv=${conv} recording=${recording} more=${spoken} done=${recorded} />`}
    <div class="composer-line" hidden=${Boolean(recording)}>
      <button type="button" class="button-icon" onClick=${attach} aria-haspopup="menu" aria-label=${t("attach.label")} title=${t("attach.label")}><${Icon} name="attach" size=${22} /></button>
      <div class="composer-field">
        <textarea ref=${field} rows="1" value=${text} placeholder=${t("composer.placeholder")} aria-label=${t("composer.placeholder")} dir="auto"
          onInput=${(event) => write(event.target.value)} onKeyDown=${onKeyDown} onPaste=${paste} onSelect=${(event) => setCursor(event.target.selectionStart)}></textarea>
        <button type="button" class="button-icon" onClick=${emoji} aria-haspopup="menu" aria-label=${t("emoji.label")} title=${t("emoji.label")}><${Icon} name="smile" size=${22} /></button>
      </div>
      ${COMPOSER_TOOLS.map((Tool) => html`<${Tool} conv=${conv} text=${text} />`)}
      ${text.trim() || answer?.isEdit
        ? html`<button type="button" class="button-send" onClick=${send} disabled=${!text.trim()} aria-label=${t("do.send")} title=${t("do.send")}><${Icon} name="send" size=${22} /></button>`
        : html`<${RecordButton} onStart=${setRecording} />`}
    </div>
  </footer>`;
}
