// What there is once for the whole page: the client, and what is known of people, groups and conversations.
import { Client, LocalStore } from "../../goim.js";
import { Conversations } from "../store/conversations.js";
import { Devices } from "../store/devices.js";
import { Fading } from "../store/fading.js";
import { Files } from "../store/files.js";
import { Groups } from "../store/groups.js";
import { Notifier } from "../store/notifier.js";
import { People } from "../store/people.js";
import { Player } from "../store/player.js";
import { WebPush } from "../store/push.js";
import { go } from "./route.js";
import { Signal } from "./signal.js";

export const client = new Client({ session: new LocalStore("goim.session"), outbox: new LocalStore("goim.outbox") });

/** "out", "in", or "over" with why the server ended it. */
export const session = new Signal({ state: client.isLoggedIn ? "in" : "out" });
/** null before the first connection, then whether there is one. */
export const online = new Signal(null);

export const files = new Files(client);
export const people = new People(client);
export const groups = new Groups(client, people);
export const fading = new Fading();
export const conversations = new Conversations(client, people, groups, fading);
export const devices = new Devices();
export const player = new Player(files, devices);
export const notifier = new Notifier(conversations);
export const webPush = new WebPush(client, conversations);

const PATIENCE = 1500;
const STORES = [fading, people, groups, conversations, player, files, webPush];

client.on("connected", () => (online.value = true));
client.on("disconnected", () => (online.value = false));
client.on("over", ({ code, message }) => {
  online.value = false;
  session.value = code === 4009 ? { state: "elsewhere" } : { state: "over", code, message };
});

/** Begin, or go on, with the session that is kept. */
export function begin() {
  session.value = { state: "in" };
  people.begin();
  client.connect().catch(() => {}); // `over` has said so
  setTimeout(() => {
    if (online.value === null) online.value = false; // nothing is live yet, but there may be something to read
  }, PATIENCE);
}

/** Nothing of this account stays on the page. */
export function end() {
  for (const store of STORES) store.clear();
  online.value = null;
  session.value = { state: "out" };
}

export async function logOut() {
  await client.logout().catch(() => {}); // forgotten here, whatever the server says
  go("chats"); // whoever logs in next begins there
  end();
}

/** `work()` when nobody is logged in any more: what it keeps was somebody's. */
export const whenOut = (work) => session.watch(() => session.value.state === "out" && work());
