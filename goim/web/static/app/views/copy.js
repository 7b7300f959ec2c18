// Puts a text where it can be pasted from.
import { t } from "../core/i18n.js";
import { attempt, note } from "./overlay.js";

export async function copy(text) {
  if (await attempt(write(text))) note(t("copied"));
}

async function write(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const before = document.activeElement; // over plain HTTP there is only the old way
  const field = Object.assign(document.createElement("textarea"), { value: text });
  document.body.append(field);
  field.select();
  const isDone = document.execCommand("copy");
  field.remove();
  before?.focus();
  if (!isDone) throw new Error(t("copied.not"));
}
