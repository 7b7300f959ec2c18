// Every text of the client, in the language of whoever reads it.
import { LocalStore } from "../../goim.js";
import { Signal } from "./signal.js";
import en from "../texts/en.js";
import zh from "../texts/zh.js";

const TABLES = { en, zh };
const kept = new LocalStore("goim.language");

export const LANGUAGES = { en: "English", zh: "中文" };

const own = navigator.language.startsWith("zh") ? "zh" : "en";

export const language = new Signal(kept.load() in TABLES ? kept.load() : own);
document.documentElement.lang = language.value;

export function speak(name) {
  kept.save(name);
  document.documentElement.lang = name;
  language.value = name;
}

/** The text called `name` in each language. */
export const inEach = (name) => Object.values(TABLES).map((table) => table[name]);

/** The text called `name`, its `{places}` filled; with `count` its form for one, if it has one. */
export function t(name, places = {}) {
  const table = TABLES[language.value];
  const text = (places.count === 1 && table[`${name}.one`]) || table[name] || en[name] || name;
  return text.replace(/\{(\w+)\}/g, (whole, place) => places[place] ?? whole);
}
