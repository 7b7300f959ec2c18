// What lies above the page: dialogs, menus and short notes that go by themselves.
import { html, useLayoutEffect, useRef } from "../../vendor/preact-htm.js";
import { t } from "../core/i18n.js";
import { Signal, useSignals } from "../core/signal.js";
import { Icon } from "./icons.js";

const dialogs = new Signal([]);
const menu = new Signal(null);
const notes = new Signal([]);

// dialogs

/** Show a dialog: `View` gets `props` and `close(result)`; resolves with the result, undefined if it was left. */
export function dialog(View, props = {}) {
  return new Promise((resolve) => {
    const entry = { View, props };
    entry.close = (result) => {
      dialogs.value = dialogs.value.filter((each) => each !== entry);
      resolve(result);
    };
    dialogs.value = [...dialogs.value, entry];
  });
}

/** Nothing of what lies above the page stays there. */
export function closeAll() {
  for (const { close } of dialogs.value) close();
  closeMenu();
}

function Shown({ View, props, close }) {
  const ref = useRef();
  const isGone = useRef(false);
  useLayoutEffect(() => {
    const before = document.activeElement;
    const box = ref.current;
    box.showModal();
    return () => {
      isGone.current = true;
      box.close(); // below it nothing can have the focus
      before?.focus?.();
    };
  }, []);
  const onClick = (event) => event.target === ref.current && close();
  return html`<dialog ref=${ref} class="dialog" onClose=${() => isGone.current || close()} onClick=${onClick} aria-label=${props.title}>
    <${View} ...${props} close=${close} />
  </dialog>`;
}

export function DialogHead({ title, close }) {
  return html`<header class="dialog-head">
    <h2>${title}</h2>
    <button type="button" class="button-icon" onClick=${() => close()} aria-label=${t("do.close")}><${Icon} name="close" /></button>
  </header>`;
}

function Sure({ title, text, yes, isDangerous, close }) {
  return html`<${DialogHead} title=${title} close=${close} />
    <p class="dialog-text">${text}</p>
    <footer class="dialog-foot">
      <button type="button" class="button" onClick=${() => close(false)}>${t("do.cancel")}</button>
      <button type="button" class="button ${isDangerous ? "danger" : "primary"}" autofocus onClick=${() => close(true)}>${yes}</button>
    </footer>`;
}

/** Ask before it is done; resolves with whether. */
export const sure = (title, text, yes, { isDangerous = true } = {}) => dialog(Sure, { title, text, yes, isDangerous });

function Question({ title, label, value = "", yes, maxlength, isLong, close }) {
  const ref = useRef();
  const submit = (event) => {
    event.preventDefault();
    close(ref.current.value.trim());
  };
  return html`<form method="dialog" onSubmit=${submit}>
    <${DialogHead} title=${title} close=${close} />
    <label class="field"><span>${label}</span>
      ${isLong
        ? html`<textarea ref=${ref} rows="5" maxlength=${maxlength} autofocus>${value}</textarea>`
        : html`<input ref=${ref} defaultValue=${value} maxlength=${maxlength} autofocus autocomplete="off" />`}
    </label>
    <footer class="dialog-foot">
      <button type="button" class="button" onClick=${() => close()}>${t("do.cancel")}</button>
      <button class="button primary">${yes ?? t("do.save")}</button>
    </footer>
  </form>`;
}

/** Ask for a text; resolves with it, undefined if nothing was said. */
export const ask = (title, label, more = {}) => dialog(Question, { title, label, ...more });

// menus

/** Open a menu at an event's place; items `{label, icon, act, isDangerous}`, falsy ones are left out. */
export function openMenu(event, items, { head = null } = {}) {
  event.preventDefault();
  event.stopPropagation?.();
  const box = event.currentTarget?.getBoundingClientRect?.();
  const isKey = !event.clientX && !event.clientY;
  const at = isKey && box ? { x: box.left, y: box.bottom } : { x: event.clientX, y: event.clientY };
  menu.value = { at, items: items.filter(Boolean), head, before: document.activeElement };
}

export const closeMenu = () => (menu.value = null);

function Menu({ at, items, head, before }) {
  const ref = useRef();
  useLayoutEffect(() => {
    const place = () => {
      const { width, height } = ref.current.getBoundingClientRect();
      const x = Math.max(8, Math.min(at.x, innerWidth - width - 8));
      const y = at.y + height > innerHeight - 8 ? Math.max(8, Math.min(at.y, innerHeight - 8) - height) : at.y;
      Object.assign(ref.current.style, { left: `${x}px`, top: `${y}px` });
    };
    place();
    const box = ref.current;
    box.querySelector("[role=menuitem]")?.focus();
    let isLeft = false; // for what was pressed beside it
    const leave = (event) => box.contains(event.target) || ((isLeft = true), closeMenu());
    addEventListener("pointerdown", leave, true);
    addEventListener("resize", place); // a phone's keyboard goes when the menu takes the focus
    return () => {
      removeEventListener("pointerdown", leave, true);
      removeEventListener("resize", place);
      if (!isLeft && box.contains(document.activeElement)) before?.focus?.();
    };
  }, [items]);
  const onKeyDown = (event) => {
    const all = [...ref.current.querySelectorAll("[role=menuitem]")];
    const step = { ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === "Escape" || event.key === "Tab") {
      event.preventDefault();
      event.stopPropagation();
      closeMenu();
      before?.focus?.();
    } else if (event.key === "Home" || event.key === "End") {
      event.preventDefault();
      all.at(event.key === "Home" ? 0 : -1)?.focus();
    } else if (step) {
      event.preventDefault();
      all[(all.indexOf(document.activeElement) + step + all.length) % all.length]?.focus();
    }
  };
  const act = (item) => {
    closeMenu();
    before?.focus?.();
    item.act();
  };
  return html`<div ref=${ref} class="menu" role="menu" onKeyDown=${onKeyDown}>
    ${head}
    ${items.map(
      (item) => html`<button type="button" role="menuitem" class=${item.isDangerous ? "danger" : ""} onClick=${() => act(item)}>
        ${item.icon && html`<${Icon} name=${item.icon} />`}<span>${item.label}</span>
      </button>`,
    )}
  </div>`;
}

// notes

/** Say something in passing. */
export function note(text, { isBad = false } = {}) {
  const entry = { text, isBad };
  notes.value = [...notes.value.slice(-2), entry];
  setTimeout(() => (notes.value = notes.value.filter((each) => each !== entry)), 5000);
}

/** What went wrong, in words: ours for the codes that people meet, else the server's. */
export function wordsFor(error) {
  const own = t(`error.${typeof error.code === "string" ? error.code : error.name}`); // numbers are of the browser's own
  return own.startsWith("error.") ? error.message : own;
}

/** Why a message was refused: where somebody's program decides that, it has words of its own for it. */
export const whyRefused = (error) => (error.code === "FORBIDDEN" ? error.message : wordsFor(error));

/** Do it, and say so if it fails; resolves with whether it worked. */
export async function attempt(work) {
  try {
    await work;
    return true;
  } catch (error) {
    note(wordsFor(error), { isBad: true });
    return false;
  }
}

/** Above an open dialog, too, where it would not be seen otherwise. */
function raise(element) {
  element.popover = null;
  if (!element.children.length || !element.matches(":root:has(dialog:modal) *")) return;
  element.popover = "manual";
  element.showPopover();
}

export function Overlay() {
  const [shown, open, said] = useSignals(dialogs, menu, notes);
  const box = useRef();
  useLayoutEffect(() => raise(box.current), [said]);
  useLayoutEffect(() => {
    closeMenu(); // at once: later it might be another one
  }, [shown]);
  return html`
    ${shown.map((entry, at) => html`<${Shown} key=${at} ...${entry} />`)}
    ${open && html`<${Menu} key=${open} ...${open} />`}
    <div ref=${box} class="notes" role="status" aria-live="polite">
      ${said.map(({ text, isBad }) => html`<p class=${isBad ? "note bad" : "note"}>${text}</p>`)}
    </div>
  `;
}
