"""People who speak XMPP over plain TCP: pairs, and members of rooms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from loadtest.errors import Refused
from loadtest.peers import xmpp
from loadtest.peers.talking import Client, Part, PeerIdling, PeerTalking
from loadtest.plan import Person
from loadtest.sockets import Loop
from loadtest.talk import DIGITS
from loadtest.target import Target

HOST = "localhost"
ROOMS = f"rooms.{HOST}"
_PATIENCE = 30.0


class XmppClient(Client):
    """Logs in, says that it is there, and joins its room if it has one.

    One who speaks to a friend has each message acknowledged by stream management (XEP-0198). In a room the message that
    comes back is the acknowledgement: it has been stored by then, which a server that takes it only promises.
    """

    def __init__(self, loop: Loop, person: Person, address: dict[str, str], text: str, part: Part) -> None:
        self._room = address.get("groupId", "")
        self._before, self._between = xmpp.message(
            self._room or address.get("to", ""), "groupchat" if self._room else "chat"
        )
        self._tail = text.encode() + b"</body></message>"
        self._body = b"<body>%s</body>" % text.encode()
        self._is_managed = part.own is not None and not self._room
        if self._is_managed:
            self._tail += xmpp.PLEASE_ACK
        self._login = self._steps(person)
        self._rest = b""
        self._taken = self._acked = self._own_stanzas = 0
        self._is_ready = False
        super().__init__(loop, person, address, text, part)

    def connected(self) -> None:
        self.write(next(self._login)[1])

    def send(self, number: int) -> None:
        assert self.part.own is not None
        self.write(b"".join((self._before, self.part.own.id_of(number).encode(), self._between, self._tail)))

    def feed(self, data: bytes, now: float) -> None:
        found, self._rest = xmpp.stanzas(self._rest + data)
        for name, stanza in found:
            if name == b"message":
                self._taken += 1
                self._message(stanza, now)
            elif name == b"a":
                self._ack(xmpp.count_of(stanza) - self._own_stanzas, now)
            elif name == b"r":
                self.write(xmpp.ACK % self._taken)
            else:
                self._other(name, stanza)

    def _message(self, stanza: bytes, now: float) -> None:
        message_id = xmpp.id_of(stanza).decode()
        own = self.part.own
        if own is not None and message_id.startswith(own.prefix):
            refusal = "message error" if xmpp.kind_of(stanza) == b"error" else ""
            self.part.answered(_number_of(message_id), now, refusal)
        elif b"<body" in stanza:  # else it is the subject of a room, or a server tells of itself
            self.part.heard(message_id, now, is_intact=self._body in stanza)

    def _ack(self, count: int, now: float) -> None:
        """Everything up to that number is taken."""
        while self._acked < count:
            self._acked += 1
            self.part.answered(self._acked, now)

    def _other(self, name: bytes, stanza: bytes) -> None:
        self._taken += name in (b"presence", b"iq")
        if name == b"enabled":
            self._taken = 0
        if name in (b"failure", b"failed", b"stream:error"):
            raise ConnectionError(f"refused: {stanza.decode(errors='replace')[:200]}")
        if not self._is_ready and self._awaited in stanza:
            self._go_on()

    def _go_on(self) -> None:
        self._awaited, words = next(self._login)
        if words:
            self.write(words)
        if not self._awaited:
            self._is_ready = True
            self.ready()

    _awaited = b"stream:features"

    def _steps(self, person: Person) -> Iterator[tuple[bytes, bytes]]:
        """What is awaited next, after these words. Nothing is awaited at the end."""
        opening = xmpp.OPEN % HOST.encode()
        yield b"stream:features", opening
        yield b"<success", xmpp.plain(person.username, person.password)
        yield b"stream:features", opening
        yield b"bind", xmpp.BIND
        if self._is_managed:
            yield b"<enabled", xmpp.ENABLE
            self._own_stanzas = 2  # presence and ping
        yield b"here", xmpp.HERE
        if self._room:
            yield b"110", xmpp.JOIN % (self._room.encode(), person.username.encode())
        yield b"", b""


class XmppTalking(PeerTalking):
    """Pairs and rooms that talk."""

    client = XmppClient


class XmppIdling(PeerIdling):
    """People who are there and say nothing."""

    client = XmppClient


class _Founder(XmppClient):
    """Makes a room, and people its members."""

    is_done = False

    def found(self, members: Sequence[Person]) -> None:
        self.write(xmpp.members(self._room, (each.user_id for each in members)))

    def _other(self, name: bytes, stanza: bytes) -> None:
        super()._other(name, stanza)
        if name == b"iq" and xmpp.id_of(stanza) == b"members":
            if xmpp.kind_of(stanza) != b"result":
                raise ConnectionError(f"no members: {stanza.decode(errors='replace')[:300]}")
            self.is_done = True


def found_rooms(target: Target, groups: Sequence[tuple[str, Sequence[Person]]]) -> None:
    """Make rooms, each with its owner and its members, whether they are there or not."""
    loop = Loop(target)
    for room, people in groups:
        founder = _Founder(loop, people[0], {"groupId": room}, "", Part.of_nobody())
        before = loop.opened
        loop.turn_until(lambda _, before=before: loop.opened > before or bool(loop.losses), _PATIENCE)  # type: ignore[misc]
        if loop.opened > before:
            founder.found(people[1:])
            loop.turn_until(lambda _, founder=founder: founder.is_done or bool(loop.losses), _PATIENCE)  # type: ignore[misc]
        if not founder.is_done:
            raise Refused(f"{room} cannot be made: {', '.join(loop.losses) or 'no answer'}")
        loop.remove(founder)
    loop.close()


def _number_of(message_id: str) -> int:
    digits = message_id[-DIGITS:]
    return int(digits) if digits.isdecimal() else 0
