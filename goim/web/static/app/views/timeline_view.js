// What was said, from top to bottom. However much is loaded, only what is near what one sees is in the page.
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../../vendor/preact-htm.js";
import { client, conversations, groups, people } from "../core/app.js";
import { inEach, t } from "../core/i18n.js";
import { useSignals } from "../core/signal.js";
import { day, dayOf } from "../core/times.js";
import { Bubble } from "./bubble.js";
import { Icon } from "./icons.js";
import { messageActs } from "./message_acts.js";

const MOST = 160; // rows in the page
const STEP = 24; // how many come and go at once
const NEAR = 900; // pixels from an end at which more is fetched
const TOGETHER = 5 * 60_000; // messages of one person within this time form a group

/** Which of the loaded messages are in the page: those from `first` on, `MOST` at most. */
function useWindow(timeline) {
  const [range, setRange] = useState({ from: null, isEnd: true });
  const { messages } = timeline;
  let start = Math.max(0, messages.length - MOST);
  if (!range.isEnd) {
    const at = messages.findIndex(({ seq }) => seq >= range.from);
    start = Math.min(Math.max(at, 0), Math.max(0, messages.length - 1));
  }
  const end = Math.min(start + MOST, messages.length);
  const showFrom = (index) => {
    const from = Math.max(0, index);
    const isEnd = from + MOST >= messages.length && timeline.isAtEnd;
    // What comes before the first is shown as it comes: it pushes down what one sees while nothing is left to scroll.
    setRange({ from: from && (messages[from]?.seq ?? null), isEnd });
  };
  return { start, end, showFrom };
}

/** Where a row ends: its head may change with what comes before it. */
const endOf = (row) => row.offsetTop + row.offsetHeight;

/** Keeps what one looks at where it is while things come and go around it, and the end in sight for who is there. */
class Keeper {
  isAtBottom = true;
  /** Somebody wants to the end, which may have to be fetched first. */
  isBound = false;
  #anchor = null;

  constructor(box) {
    this.box = box;
  }

  /** Remember what is at the top of what one sees: when it is scrolled, and before anything changes. */
  note() {
    const { box } = this;
    this.isAtBottom = this.isBound || box.scrollHeight - box.scrollTop - box.clientHeight < 60;
    this.#anchor = null;
    const top = box.scrollTop;
    for (const row of box.querySelectorAll("[data-seq]")) {
      if (row.offsetTop + row.offsetHeight <= top) continue;
      this.#anchor = { seq: row.dataset.seq, y: endOf(row) };
      return;
    }
  }

  hold() {
    const { box } = this;
    if (this.isAtBottom) {
      box.scrollTop = box.scrollHeight;
      return;
    }
    const row = this.#anchor && box.querySelector(`[data-seq="${this.#anchor.seq}"]`);
    if (!row || endOf(row) === this.#anchor.y) return;
    box.scrollTop += endOf(row) - this.#anchor.y; // as far as it has moved, wherever one has scrolled since
    this.#anchor.y = endOf(row);
  }

  /** Put a row at this share of the height. */
  show(seq, share) {
    const row = this.box.querySelector(`[data-seq="${seq}"]`);
    if (!row) return null;
    this.box.scrollTop = row.offsetTop - this.box.clientHeight * share;
    this.note();
    return row;
  }

  /** The last seq that is whole in sight. */
  lastSeen() {
    const bottom = this.box.scrollTop + this.box.clientHeight + 8;
    let last = 0;
    for (const row of this.box.querySelectorAll("[data-seq]")) {
      if (row.offsetTop + Math.min(row.offsetHeight, 80) > bottom) break;
      last = Number(row.dataset.seq);
    }
    return last;
  }
}

export function TimelineView({ conv, timeline, about }) {
  useSignals(timeline.changed, conversations.refused.changed, people.changed, groups.changed);
  const { start, end, showFrom } = useWindow(timeline);
  const box = useRef();
  const content = useRef();
  const keeper = useRef(null);
  const [isBelow, setBelow] = useState(false);
  const [lit, setLit] = useState(null);
  keeper.current?.note();

  const look = () => {
    if (!keeper.current || !document.hasFocus() || document.hidden || !timeline.isLoaded) return;
    const isAll = keeper.current.isAtBottom && timeline.isAtEnd && end === timeline.messages.length;
    conversations.seen(conv.convId, isAll ? timeline.last : keeper.current.lastSeen());
  };

  useLayoutEffect(() => {
    keeper.current = new Keeper(box.current);
    const watcher = new ResizeObserver(() => keeper.current.hold());
    watcher.observe(content.current);
    watcher.observe(box.current);
    return () => watcher.disconnect();
  }, []);

  useEffect(() => {
    timeline.unreadAfter = conv.unread > 0 ? conv.lastSeq - conv.unread : null;
    if (!timeline.wanted && conv.unread > 30) timeline.wanted = { seq: timeline.unreadAfter + 1, share: 0.25 };
    const opening = timeline.wanted ? Promise.resolve() : timeline.open();
    const loadReads = () => timeline.loadReads();
    opening.then(loadReads).catch(() => {}); // what is missing comes with the next connection
    const end = client.on("connected", () => timeline.open().then(loadReads).catch(() => {}));
    return () => (end(), timeline.trim());
  }, [timeline]);

  useEffect(() => {
    const { wanted } = timeline;
    if (!wanted) return;
    timeline.wanted = null;
    timeline.around(wanted.seq).then(() => {
      const at = timeline.messages.findIndex(({ seq }) => seq >= wanted.seq);
      showFrom(at - MOST / 2);
      setLit({ seq: timeline.messages[at]?.seq ?? wanted.seq, share: wanted.share ?? 0.4, isLit: wanted.share === undefined });
    }, () => {});
  });

  useLayoutEffect(() => {
    if (!lit || !keeper.current.show(lit.seq, lit.share)) return;
    const timer = setTimeout(() => setLit(null), 2000);
    return () => clearTimeout(timer);
  }, [lit, start]);

  /** More of what is loaded, or more from the server, where an end comes near. */
  const reach = () => {
    if (!timeline.isLoaded) return;
    const { scrollTop, scrollHeight, clientHeight } = box.current;
    const toBottom = scrollHeight - scrollTop - clientHeight;
    if (scrollTop < NEAR && start > 0) showFrom(start - STEP);
    else if (scrollTop < NEAR) timeline.older().catch(() => {});
    else if (toBottom < NEAR && end < timeline.messages.length) showFrom(Math.min(start + STEP, timeline.messages.length - MOST));
    if (toBottom < NEAR && end === timeline.messages.length) timeline.newer().catch(() => {});
    setBelow(toBottom > 400 || !timeline.isAtEnd);
  };

  useLayoutEffect(() => {
    keeper.current.hold();
    if (end === timeline.messages.length && timeline.isAtEnd) keeper.current.isBound = false;
    if (keeper.current.isAtBottom && end === timeline.messages.length) timeline.trim();
    reach();
    look();
  });

  useEffect(() => {
    addEventListener("focus", look);
    document.addEventListener("visibilitychange", look);
    return () => {
      removeEventListener("focus", look);
      document.removeEventListener("visibilitychange", look);
    };
  });

  const onScroll = () => {
    keeper.current.note();
    reach();
    look();
  };

  const toEnd = async () => {
    keeper.current.isBound = true;
    await timeline.toEnd().catch(() => {});
    showFrom(timeline.messages.length - MOST);
    keeper.current.isAtBottom = true;
    keeper.current.hold();
  };
  useEffect(() => client.on("sending", (data) => timeline.has(data) && toEnd()), [timeline]);

  const acts = useMemo(() => messageActs(conv, timeline, about), [conv.convId]);
  const rows = rowsOf({ conv, timeline, start, end, acts, lit });
  return html`<div class="timeline-frame">
    <div class="timeline" ref=${box} onScroll=${onScroll} tabindex="0" role="log" aria-label=${t("chat.messages")}>
      <div class="timeline-content" ref=${content}>
        ${timeline.isLoaded && timeline.isAtStart && start === 0 && html`<p class="beginning">${t(conv.groupId ? "chat.beginning_group" : "chat.beginning")}</p>`}
        ${!timeline.isLoaded && html`<div class="centred"><span class="spinner"></span></div>`}
        ${rows}
      </div>
    </div>
    ${isBelow && html`<button type="button" class="to-end" onClick=${toEnd} aria-label=${t("chat.to_end")}>
      <${Icon} name="down" />${conv.unread > 0 && html`<span class="badge">${conv.unread}</span>`}
    </button>`}
  </div>`;
}

// rows

function rowsOf({ conv, timeline, start, end, acts, lit }) {
  const rows = [];
  const { messages, unreadAfter } = timeline;
  const mine = client.userId;
  for (let at = start; at < end; at++) {
    const message = messages[at];
    const before = messages[at - 1];
    const after = messages[at + 1];
    if (!before || dayOf(before.timestamp) !== dayOf(message.timestamp)) {
      rows.push(html`<div class="day" key=${`day-${message.seq}`}><span>${day(message.timestamp)}</span></div>`);
    }
    const isNew = unreadAfter !== null && message.seq > unreadAfter && (before?.seq ?? 0) <= unreadAfter;
    if (isNew && message.from !== mine) {
      rows.push(html`<div class="unread-line" key="unread" role="separator"><span>${t("chat.new")}</span></div>`);
    }
    const isMine = message.from === mine;
    rows.push(html`<${Bubble} key=${message.seq} message=${message} isMine=${isMine} acts=${acts}
      isFirst=${!goTogether(before, message) || isNew} isLast=${!goTogether(message, after)}
      who=${isMine ? t("you") : people.name(message.from)} name=${conv.groupId && !isMine ? people.name(message.from) || "…" : ""} avatarUrl=${conv.groupId && !isMine ? people.avatar(message.from) : ""}
      quoted=${message.replyTo ? timeline.quoted(message.replyTo) : undefined}
      names=${message.mentions ? namesOf(message.mentions) : ""} state=${isMine ? (timeline.isRead(message.seq) ? "read" : "sent") : ""}
      isCovered=${timeline.isCovered(message)} uncovered=${timeline.uncovered.get(message.seq)}
      isLit=${lit?.isLit && lit.seq === message.seq} />`);
  }
  if (end === messages.length && (timeline.isAtEnd || !timeline.isLoaded)) rows.push(...unsent(timeline, acts));
  return rows;
}

/** What is on its way, and what was refused. */
function unsent(timeline, acts) {
  const waiting = timeline.waiting.map((data) => ({ data, state: "waiting" }));
  const failed = timeline.failed.map(({ data, error }) => ({ data, error, state: "failed" }));
  return [...waiting, ...failed].map(({ data, error, state }) => {
    const message = { ...data, from: client.userId, timestamp: data.at };
    return html`<${Bubble} key=${data.clientMsgId} message=${data} at=${message.timestamp} isMine=${true} acts=${acts} isFirst=${true} isLast=${true} state=${state} error=${error}
      who=${t("you")} name="" avatarUrl="" names="" quoted=${data.replyTo ? timeline.quoted(data.replyTo) : undefined} />`;
  });
}

const namesOf = (mentions) => mentions.flatMap((id) => (id === "all" ? inEach("mention.all") : people.name(id))).filter(Boolean).join("\n");

function goTogether(one, other) {
  return (
    one && other && one.from === other.from && one.type !== "call" && other.type !== "call" &&
    other.timestamp - one.timestamp < TOGETHER && dayOf(one.timestamp) === dayOf(other.timestamp)
  );
}
