// Light or dark: as the system has it, or as was chosen here.
import { LocalStore } from "../../goim.js";
import { Signal } from "./signal.js";

const kept = new LocalStore("goim.theme");

export const theme = new Signal(kept.load() ?? "system");

export function wear(name) {
  kept.save(name === "system" ? null : name);
  theme.value = name;
  show();
}

function show() {
  if (theme.value === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
}

show();
