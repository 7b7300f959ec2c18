"""What one speaker says in one conversation, while it happens: what to send next. The ledger judges later."""

from __future__ import annotations

from array import array

import msgspec
from msgspec import Struct

from loadtest.wire import head, masked

DIGITS = 9
"""Digits of the number that ends a `clientMsgId`."""


class Data(Struct, frozen=True, gc=False, rename="camel"):
    """What the envelopes of interest carry, all in one."""

    client_msg_id: str = ""
    conv_id: str = ""
    seq: int = 0
    code: str = ""
    message: str = ""


class Envelope(Struct, frozen=True, gc=False):
    """As much of any frame of the server as is looked at."""

    action: str
    data: Data = Data()
    id: str | None = None


read_envelope = msgspec.json.Decoder(Envelope).decode


class Talk:
    """Messages of one connection to one conversation.

    Message n (1, 2, 3 …) has `prefix` and n as its `id` and as its `clientMsgId`. The first goes alone, because its ack
    brings the `convId` that the rest are sent to. Then `window` messages may be under way. A message is under way until
    it is answered; with `until_heard`, the whole window is sent at once, and the next when every hearer has all of it.
    Nothing is due before `is_open` is set, nor ever with a window of 0: then others say when to send.
    """

    def __init__(
        self, address: dict[str, str], prefix: str, text: str, *, hearers: int, window: int, until_heard: bool
    ) -> None:
        self.is_open = False
        self.until_heard = until_heard
        self.prefix = prefix
        self.payload = msgspec.json.encode({"text": text})
        self.sent_at = array("d")
        self.answers = 0
        self.latest = 0.0
        self.limited = 0
        self.conv_id = ""
        self.refusal = ""
        self._window = window
        self._unit = hearers if until_heard else 1
        self._credit = 0
        self._template = _template(address, prefix, self.payload)

    def next(self, due_at: float) -> bytes:
        """The frame of one more message, whatever the window; its latency counts from `due_at`."""
        self.sent_at.append(due_at)
        before, between, after = self._template
        digits = masked(b"%09d" % len(self.sent_at))
        return b"".join((before, digits, between, digits, after))

    def due(self, now: float) -> bytes:
        """The frames that may be sent now, joined; empty if there are none."""
        sent = len(self.sent_at)
        under_way = sent - self._credit // self._unit
        count = self._window - under_way
        if count <= 0 or not self.is_open or (under_way and self.until_heard):
            return b""
        if count == 1:
            return self.next(now)
        before, between, after = self._template
        self.sent_at.extend([now] * count)
        pieces: list[bytes] = []
        for number in range(sent + 1, sent + count + 1):
            digits = masked(b"%09d" % number)
            pieces += (before, digits, between, digits, after)
        return b"".join(pieces)

    def answered(self, text: bytes) -> None:
        """The speaking connection received a frame; an ack or an error makes room in the window."""
        if b'"action":"ack"' in text and self.conv_id:
            self.answers += 1
            if not self.until_heard:
                self._credit += 1
        else:
            self._answered_otherwise(text)

    def heard(self, count: int) -> bool:
        """One hearer received `count` messages; whether that makes room in the window."""
        self._credit += count
        return self._credit >= len(self.sent_at) * self._unit

    def latest_ms(self) -> float:
        """How long the newest answered message took, if answers come in order."""
        return (self.latest - self.sent_at[min(self.answers, len(self.sent_at)) - 1]) * 1000 if self.answers else 0.0

    def _answered_otherwise(self, text: bytes) -> None:
        """The first ack, an error, a push that is none of ours, or something unreadable, which is blamed later."""
        try:
            envelope = read_envelope(text)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return
        if envelope.action == "ack" and not self.conv_id:
            self.conv_id = envelope.data.conv_id
            self._template = _template({"convId": self.conv_id}, self.prefix, self.payload)
        if envelope.action in ("ack", "error"):
            self.answers += 1
            self._credit += self._unit if envelope.action == "error" or not self.until_heard else 0
        if envelope.action == "error":
            self.refusal = envelope.data.code or "an error"
            self.limited += envelope.data.code == "RATE_LIMIT"


def _template(address: dict[str, str], prefix: str, payload: bytes) -> tuple[bytes, bytes, bytes]:
    """A `send` frame in three pieces; its number stands between them twice: in its `id` and in `clientMsgId`."""
    before = b'{"action":"send","id":"' + prefix.encode()
    data = msgspec.json.encode({**address, "type": "text", "clientMsgId": prefix})
    between = b'","data":' + data.removesuffix(b'"}')
    after = b'","payload":' + payload + b"}}"
    size = len(before) + len(between) + len(after) + 2 * DIGITS
    return head(size) + masked(before), masked(between), masked(after)
