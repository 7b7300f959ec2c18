// Light or dark: as the system has it, or as was chosen here.
import { Signal } from "./signal.js";

const KEY = "goim.theme";

export const theme = new Signal(localStorage.getItem(KEY) ?? "system");

export function wear(name) {
  if (name === "system") localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, name);
  theme.value = name;
  show();
}

function show() {
  if (theme.value === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
}

show();
