"""Words for what is shown: messages of every type, sizes, times; nothing that a terminal would obey."""

from __future__ import annotations

import json
from datetime import date, datetime
from urllib.parse import unquote

from goim.client.answers import Message
from goimctl.talk.words import IN_CHINESE, t

_JOINER = "\u200d"
_COLOURFUL = "\ufe0f"
_WEEKDAYS = "一二三四五六日"


def clean(text: str) -> str:
    """A line of somebody else's without what a terminal would obey.

    Nor with the mark that asks for a colourful emoji: terminals do not agree how wide that makes it.
    """
    return "".join(char if char.isprintable() or char == _JOINER else " " for char in text.replace(_COLOURFUL, ""))


def clean_lines(text: str) -> str:
    """The same with its lines as they are."""
    return "\n".join(clean(line.expandtabs(4)) for line in text.splitlines())


def clock_time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000).astimezone().strftime("%H:%M")


def short_weekday(day: date) -> str:
    return f"周{_WEEKDAYS[day.weekday()]}" if IN_CHINESE else day.strftime("%a")


def long_day(day: date) -> str:
    if IN_CHINESE:
        return f"{day.year}年{day.month}月{day.day}日 星期{_WEEKDAYS[day.weekday()]}"
    return day.strftime("%A, %d %B %Y")


def size_of(size: int) -> str:
    """Bytes as people read them."""
    if size < 1024:
        return f"{size} B"
    if size < 1024 * 1024:
        return f"{size / 1024:.0f} KB"
    return f"{size / 1024 / 1024:.1f} MB"


def content_of(message: Message) -> str:
    """What a message says, with the lines it has."""
    payload = message.payload
    if payload is None:
        return t("(disappeared once read)" if message.burn_after_read is True else "(taken back)")
    if message.type in ("text", "stream"):
        return clean_lines(str(payload.get("text", "")))
    shown = f"[{t(message.type)}] {_described(message.type, payload)}"
    caption = payload.get("text")
    return clean_lines(f"{shown}\n{caption}" if caption else shown)


def line_of(message: Message) -> str:
    """The same in one line."""
    return content_of(message).replace("\n", " ")


def file_of(message: Message) -> tuple[str, str] | None:
    """The URL and the name of the file that a message shows; None if it shows none."""
    payload = message.payload or {}
    url = payload.get("url")
    if not isinstance(url, str) or not url:
        return None
    name = payload.get("name")
    return url, clean(name if isinstance(name, str) and name else _last_part(url))


def _described(kind: str, payload: dict[str, object]) -> str:
    match kind:
        case "image" | "file" | "video" | "voice":
            parts = [payload.get("name") or _last_part(payload.get("url")), _measure(payload)]
            return " · ".join(str(part) for part in parts if part)
        case "location":
            return str(payload.get("address") or f"{payload.get('latitude')}, {payload.get('longitude')}")
        case "card":
            return str(payload.get("nickname") or payload.get("userId"))
        case "call":
            return f"{payload.get('type')}, {payload.get('status')}, {payload.get('duration')} s"
    return json.dumps(payload, ensure_ascii=False)


def _last_part(url: object) -> str:
    return unquote(str(url or "").partition("?")[0].rpartition("/")[2])


def _measure(payload: dict[str, object]) -> str:
    """How large, how wide and high, how long: what of it is known."""
    width, height, size, seconds = (payload.get(name) for name in ("width", "height", "size", "duration"))
    parts = [
        f"{width}×{height}" if width and height else "",
        size_of(size) if isinstance(size, int) else "",
        f"{seconds:.0f} s" if isinstance(seconds, int | float) else "",
    ]
    return " · ".join(part for part in parts if part)
