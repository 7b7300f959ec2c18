// What runs while no page is open: shows the pushes of the server, and opens the conversation that one is about.

const TEXTS = {
  en: { title: "goim", message: "New message" },
  zh: { title: "goim", message: "新消息" },
};
const words = TEXTS[new URL(location.href).searchParams.get("language")] ?? TEXTS.en;

const windows = () => self.clients.matchAll({ type: "window", includeUncontrolled: true });

/** What a push says; who writes, and what, only where the server tells. */
function noteOf({ convId, groupName, fromName, text, timestamp }) {
  const said = text || words.message;
  const body = groupName && fromName ? `${fromName}: ${said}` : said;
  return { title: groupName ?? fromName ?? words.title, options: { body, tag: convId, renotify: true, timestamp, data: { convId } } };
}

async function show(push) {
  if ((await windows()).some(({ visibilityState }) => visibilityState === "visible")) return; // it is on the screen
  const { title, options } = noteOf(push);
  await self.registration.showNotification(title, options);
}

async function open(convId) {
  const [page] = await windows();
  if (!page) return self.clients.openWindow(`/#/chats/${encodeURIComponent(convId)}`);
  page.postMessage({ open: convId });
  await page.focus();
}

self.addEventListener("push", (event) => event.waitUntil(show(event.data.json())));
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data.convId));
});
