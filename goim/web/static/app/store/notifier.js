// Tells people who look elsewhere: the number in the page's title, and a notification if they have allowed it.
export class Notifier {
  constructor(conversations) {
    conversations.changed.watch(() => {
      const unread = conversations.unread;
      document.title = unread ? `(${unread > 99 ? "99+" : unread}) goim` : "goim";
    });
    conversations.onNews = ({ title, text, convId }) => {
      if (!document.hidden || !("Notification" in window) || Notification.permission !== "granted") return;
      const note = new Notification(title, { body: text, tag: convId });
      note.onclick = () => {
        focus();
        conversations.open(convId);
        note.close();
      };
    };
  }

  get state() {
    return "Notification" in window ? Notification.permission : "denied";
  }

  ask = () => Notification.requestPermission();
}
