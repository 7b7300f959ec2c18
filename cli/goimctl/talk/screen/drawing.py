"""What the rows of the screen look like. Pure: the same session looks the same."""

from __future__ import annotations

from datetime import UTC, date, datetime

from msgspec import Struct
from rich.cells import cell_len
from textual.content import Content

from goim.client.answers import Message
from goimctl.talk.rooms import Pending, Room
from goimctl.talk.screen.theme import colour_of
from goimctl.talk.session import Session
from goimctl.talk.texts import clean, clock_time, content_of, line_of, long_day, short_weekday
from goimctl.talk.words import t

_RUN_MS = 5 * 60 * 1000
_QUOTED = 46
_CURSOR = "▍"


class Row(Struct, frozen=True, eq=False):
    """One row of a conversation: a message or what stands between messages."""

    key: str
    content: Content
    kind: str
    message: Message | None = None
    is_head: bool = False


def day_of(ms: int) -> date:
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone().date()


# the list of conversations


def line_for(session: Session, room: Room, width: int, now_ms: int) -> Content:
    """A conversation in two lines of this width."""
    when = _when(room.updated_at, now_ms) if room.updated_at else ""
    mark, style = _mark(session, room)
    title = Content.styled(room.title, "bold" if room.unread else "")
    pin = Content.styled(" ◆", "$primary") if room.is_pinned else Content("")
    head = _justified(
        Content.assemble(
            (mark, style), " ", title.truncate(max(width - 4 - len(when) - len(pin), 4), ellipsis=True), pin
        ),
        Content.styled(when, "$soft"),
        width,
    )
    badge = _badge(room)
    below = Content.styled(_preview(session, room), "$soft")
    return Content("\n").join([head, _justified(Content.assemble("  ", below), badge, width)])


def _mark(session: Session, room: Room) -> tuple[str, str]:
    if room.is_group:
        return "#", "$soft"
    return ("●", "$success") if room.other_id in session.online else ("○", "$soft")


def _badge(room: Room) -> Content:
    if not room.unread:
        return Content("")
    number = str(room.unread) if room.unread < 1000 else "999+"
    at = "@ " if room.is_mentioned else ""
    return Content.styled(f" {at}{number} ", "$soft on $panel" if room.is_muted else "bold $on-accent on $primary")


def _preview(session: Session, room: Room) -> str:
    if room.pending:
        return f"… {room.pending[-1].payload.get('text') or room.pending[-1].payload.get('name', '')}".replace(
            "\n", " "
        )
    if room.draft:
        return f"{t('draft')}: {room.draft}".replace("\n", " ")
    latest = room.latest
    if latest is None:
        return ""
    if latest.from_ == session.me.user_id:
        return f"{t('you')}: {line_of(latest)}"
    return f"{session.people.name(latest.from_)}: {line_of(latest)}" if room.is_group else line_of(latest)


def _justified(left: Content, right: Content, width: int) -> Content:
    space = width - right.cell_length
    left = left.truncate(max(space - 1, 1), ellipsis=True)
    return Content.assemble(left, " " * max(space - left.cell_length, 0), right)


def _when(ms: int, now_ms: int) -> str:
    day, today = day_of(ms), day_of(now_ms)
    if day == today:
        return clock_time(ms)
    if (today - day).days < 7:
        return short_weekday(day)
    return day.strftime("%d.%m.%y")


# a conversation


class Drawing:
    """Draws conversations, and again only what has changed: they may be long, and streams grow many times a second."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._drawn: dict[str, tuple[tuple[object, ...], Row]] = {}

    def rows_of(self, room: Room, unread_from: int | None, *, dark: bool) -> list[Row]:
        """Everything that is shown of it; a line stands before the first message after `unread_from`."""
        rows: list[Row] = []
        before: Message | None = None
        messages = room.ordered()
        new = self._first_new(messages, unread_from)
        for message in messages:
            if before is None or day_of(before.timestamp) != day_of(message.timestamp):
                rows.append(_between(f"day:{day_of(message.timestamp)}", _day(message.timestamp), "day"))
                before = None
            if message is new:
                rows.append(_between("unread", t("new"), "unread"))
                before = None
            rows.append(self._row(room, message, is_head=not _continues(before, message), dark=dark))
            before = message
        is_head = before is None or before.from_ != self._session.me.user_id
        for pending in room.pending:
            rows.append(_pending_row(self._session, room, pending, is_head=is_head))
            is_head = False
        self._drawn = {row.key: self._drawn[row.key] for row in rows if row.key in self._drawn}
        return rows

    def _first_new(self, messages: list[Message], unread_from: int | None) -> Message | None:
        """The first message of somebody else after `unread_from`."""
        if unread_from is None:
            return None
        return next((m for m in messages if m.seq > unread_from and m.from_ != self._session.me.user_id), None)

    def _row(self, room: Room, message: Message, *, is_head: bool, dark: bool) -> Row:
        """As it was drawn before, where nothing of it has changed: messages are replaced, never changed."""
        key = f"{message.from_}:{message.client_msg_id}"
        quoted = room.find(message.reply_to) if message.reply_to else None
        readers = room.readers(message) if message.from_ == self._session.me.user_id else 0
        state = (id(message), id(quoted), readers, is_head, dark, self._session.people.name(message.from_))
        kept = self._drawn.get(key)
        if kept is None or kept[0] != state or kept[1].message is not message:
            kept = self._drawn[key] = (state, _row(self._session, room, message, is_head=is_head, dark=dark))
        return kept[1]


def _between(key: str, text: str, kind: str) -> Row:
    return Row(key, Content(f"── {text} ──"), kind)


def _day(ms: int) -> str:
    return long_day(day_of(ms))


def _continues(before: Message | None, message: Message) -> bool:
    """Whether it belongs to what the same person said just before."""
    is_same = before is not None and before.from_ == message.from_
    return is_same and before is not None and message.timestamp - before.timestamp < _RUN_MS


def _row(session: Session, room: Room, message: Message, *, is_head: bool, dark: bool) -> Row:
    is_mine = message.from_ == session.me.user_id
    parts = [_head(session, message, dark=dark)] if is_head else []
    if message.reply_to:
        parts.append(_quote(session, room.find(message.reply_to)))
    parts.append(Content.assemble(_mentioning(session, message), _marks(room, message, is_mine=is_mine)))
    if message.reactions:
        parts.append(_reactions(session, message))
    key = f"{message.from_}:{message.client_msg_id}"
    return Row(key, Content("\n").join(parts), "mine" if is_mine else "theirs", message, is_head)


def _head(session: Session, message: Message, *, dark: bool) -> Content:
    is_mine = message.from_ == session.me.user_id
    name = t("You") if is_mine else session.people.name(message.from_)
    colour = "$primary" if is_mine else colour_of(message.from_, dark=dark)
    return Content.assemble((name, f"bold {colour}"), "  ", (clock_time(message.timestamp), "$soft"))


def _quote(session: Session, quoted: Message | None) -> Content:
    text = f"{session.people.name(quoted.from_)}: {line_of(quoted)}" if quoted else t("an earlier message")
    return Content.assemble(("▎ ", "$primary"), Content.styled(text, "italic $soft").truncate(_QUOTED, ellipsis=True))


def _mentioning(session: Session, message: Message) -> Content:
    """What it says, with the names of those who are mentioned in colour."""
    said = _said(message)
    for user_id in message.mentions or []:
        name = f"@{session.people.name(user_id)}"
        at = said.plain.find(name)
        if at >= 0:
            said = said.stylize("bold $primary", at, at + len(name))
    return said


def _said(message: Message) -> Content:
    text = content_of(message)
    if message.payload is None:
        return Content.styled(text, "italic $soft")
    if message.type in ("text", "stream"):
        return Content(text)
    first, _, rest = text.partition("\n")
    shown = Content.styled(first, "$secondary")
    return Content.assemble(shown, "\n", rest) if rest else shown


def _marks(room: Room, message: Message, *, is_mine: bool) -> Content:
    """What stands behind the text: that it grows, was edited, was read."""
    marks: list[tuple[str, str]] = []
    if message.stream_status == "streaming":
        marks.append((_CURSOR, "$primary"))
    elif message.stream_status == "failed":
        marks.append((f"  {t('broken off')}", "italic $error"))
    if message.edited_at and not message.recalled:
        marks.append((f"  {t('edited')}", "italic $soft"))
    if is_mine and not message.recalled:
        readers = room.readers(message)
        number = f" {readers}" if room.is_group and readers else ""
        marks.append((f"  ✓✓{number}", "$success") if readers else ("  ✓", "$soft"))
    return Content.assemble(*marks)


def _reactions(session: Session, message: Message) -> Content:
    parts: list[str | tuple[str, str]] = []
    for each in message.reactions or []:
        is_mine = session.me.user_id in each.user_ids
        parts += [
            (f" {clean(each.emoji)} {len(each.user_ids)} ", f"{'bold ' if is_mine else ''}on $panel"),
            " ",
        ]
    return Content.assemble(*parts)


def _pending_row(session: Session, room: Room, pending: Pending, *, is_head: bool) -> Row:
    text = str(pending.payload.get("text") or f"[{t(pending.kind)}] {pending.payload.get('name', '')}")
    head = Content.assemble((t("You"), "bold $primary"), "\n") if is_head else ""
    quote = Content.assemble(_quote(session, room.find(pending.reply_to)), "\n") if pending.reply_to else ""
    waits = t("… sending") if session.is_connected else t("… waits for a connection")
    content = Content.assemble(head, quote, Content(text), (f"  {waits}", "italic $soft"))
    return Row(f"{session.me.user_id}:{pending.client_msg_id}", content, "mine", None, is_head)


# the lines above


def head_of(session: Session, room: Room | None, now: float) -> Content:
    """Where one is, and how it stands there."""
    if room is None:
        return Content.styled(t("no conversation is open"), "$soft")
    below = status_of(session, room, now)
    new = (f"   {t('↓ {count} new', count=room.unread)}", "bold $warning") if room.unread else ""
    return Content.assemble((room.title, "bold"), "   ", below, new)


def status_of(session: Session, room: Room, now: float) -> Content:
    typing = [session.people.name(user_id) for user_id, until in room.typing.items() if until > now]
    if typing and room.is_group:
        names = ", ".join(typing[:3])
        is_one = len(typing) == 1
        said = t("{names} is typing …", names=names) if is_one else t("{names} are typing …", names=names)
        return Content.styled(said, "$primary")
    if typing:
        return Content.styled(t("is typing …"), "$primary")
    if room.is_group:
        group = session.groups.get(room.other_id)
        said = t("{count} members", count=group.member_count) if group else t("you are not in this group")
        return Content.styled(said, "$soft")
    if room.other_id in session.online:
        return Content.styled(t("● here"), "$success")
    return Content.styled(t("away"), "$soft")


def state_of(session: Session, width: int) -> Content:
    """Who one is and whether there is a connection."""
    waiting = sum(len(room.pending) for room in session.rooms.values())
    wait = f" · {t('{count} waiting', count=waiting)}" if waiting else ""
    state = (t("● connected") if session.is_connected else t("○ no connection, trying again …")) + wait
    unread = sum(room.unread for room in session.rooms.values() if not room.is_muted)
    name = session.people.name(session.me.user_id)
    number = f"  {t('{count} unread', count=unread)}" if unread else ""
    left = Content.assemble((" goim ", "bold $on-accent on $primary"), f"  {name}", (number, "$soft"))
    right = Content.styled(state, "$success" if session.is_connected else "bold $warning")
    return _justified(left, right, width) if cell_len(state) < width else right
