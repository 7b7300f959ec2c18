"""Tells every node, this one included, that something it may remember is no longer so."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec
from msgspec import Struct

from goim.bus.base import NOTICES, Bus


class AccessChanged(Struct, frozen=True, tag="access_changed"):
    """Who may do what in a conversation is no longer what it was."""

    conv_id: str


class GroupJoined(Struct, frozen=True, tag="group_joined"):
    """Live connections of a user belong to a group from now on; what was said up to seq `floor` is not for them."""

    user_id: str
    group_id: str
    floor: int = 0


class GroupLeft(Struct, frozen=True, tag="group_left"):
    user_id: str
    group_id: str


class GroupGone(Struct, frozen=True, tag="group_gone"):
    group_id: str


class GroupTold(Struct, frozen=True, tag="group_told"):
    """A group's push, as its topic would carry it, for nodes that may not be subscribed to that yet."""

    group_id: str
    body: bytes


class SessionsEnded(Struct, frozen=True, tag="sessions_ended"):
    """These sessions are over: their connections close with `code`."""

    session_ids: list[str]
    code: int


class DeviceConnected(Struct, frozen=True, tag="device_connected"):
    """A device is connected to `node` since a time, and so nowhere else: only a connection made after it stays.

    `since` is by the clock that nodes have in common, in unix milliseconds.
    """

    user_id: str
    device_id: str
    since: int
    node: str


class DeviceKicked(Struct, frozen=True, tag="device_kicked"):
    """A device was put out at a time (by the clock in common): a connection made after it stays."""

    user_id: str
    device_id: str
    at: int


class Burning(Struct, frozen=True, tag="burning"):
    """A conversation has messages that are to be recalled when they are read."""

    conv_id: str


class StreamWanted(Struct, frozen=True, tag="stream_wanted"):
    """The owner of a stream feeds it through another node now: whoever has it gives it away."""

    stream_id: str


class StreamGiven(Struct, frozen=True, tag="stream_given"):
    """What a stream had grown to when its node gave it away."""

    stream_id: str
    text: str
    index: int


class Interrupted(Struct, frozen=True, tag="interrupted"):
    """What nodes told each other since a time may be lost: believe nothing, look again.

    In unix milliseconds, by the clock that nodes have in common.
    """

    since: int


Notice = (
    AccessChanged
    | GroupJoined
    | GroupLeft
    | GroupGone
    | SessionsEnded
    | DeviceConnected
    | DeviceKicked
    | Burning
    | GroupTold
    | StreamWanted
    | StreamGiven
    | Interrupted
)
N = TypeVar("N", bound=Struct)
_decode = msgspec.msgpack.Decoder(Notice).decode
_encode = msgspec.msgpack.Encoder().encode


class Notices:
    """Handlers by kind of notice; here they run at once, on the other nodes when the bus brings it."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._handlers: dict[type, list[Callable[[Notice], None]]] = {}
        bus.subscribe(NOTICES)

    def on(self, kind: type[N], handler: Callable[[N], None]) -> None:
        """Call `handler` for every notice of this kind."""
        self._handlers.setdefault(kind, []).append(handler)  # type: ignore[arg-type]

    @property
    def has_company(self) -> bool:
        """Whether there may be other nodes."""
        return self._bus.has_company

    @property
    def ahead_ms(self) -> int:
        """How far the clock that nodes have in common is ahead of this node's own."""
        return self._bus.ahead_ms

    def emit(self, notice: Notice) -> None:
        """Tell this node now and the others soon."""
        self._run(notice)
        self.tell_others(notice)

    def tell_others(self, notice: Notice) -> None:
        """Tell only the other nodes."""
        if self._bus.has_company:
            self._bus.publish(NOTICES, _encode(notice))

    def tell_here(self, notice: Notice) -> None:
        """Tell only this node."""
        self._run(notice)

    def arrive(self, body: bytes) -> None:
        """A notice from another node."""
        self._run(_decode(body))

    def _run(self, notice: Notice) -> None:
        for handler in self._handlers.get(type(notice), ()):
            handler(notice)
