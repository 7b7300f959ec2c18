"""WebSocket clients: those who speak and those who hear.

What arrives is kept with its time and judged later: checking every message must cost nothing while it counts.
"""

from __future__ import annotations

from time import perf_counter

from loadtest.ledger import Tape
from loadtest.plan import Person
from loadtest.sockets import Link, Loop
from loadtest.talk import Talk
from loadtest.wire import CLOSE, PING, PONG, TEXT, frame, opening, split

_HEAD_END = b"\r\n\r\n"


class Connection(Link):
    """One WebSocket; this kind only listens, the kinds below do more."""

    is_taped = True
    """Whether what arrives is kept to be judged; else it is judged as it comes, or does not matter."""

    def __init__(self, loop: Loop, person: Person, device: str = "bench") -> None:
        self.person = person
        self.is_open = False
        self.opened_at = 0.0
        self.tape: Tape = []
        self.heard = 0
        self._device = device
        self._rest = b""
        super().__init__(loop)

    def connected(self) -> None:
        self.write(opening(self.loop.target, self._device, self.person.token))

    def feed(self, data: bytes, now: float) -> None:
        if not self.is_open:
            data = self._open(data, now)
        if self.is_taped:
            self.tape.append((now, data))
        # nearly every read is exactly one text frame of 126 to 65535 bytes
        if data[:2] == b"\x81\x7e" and len(data) == (data[2] << 8 | data[3]) + 4 and not self._rest:
            self.receive(data[4:])
        else:
            self._feed_slowly(data)

    def receive(self, text: bytes) -> None:
        """A text frame arrived."""
        if b'"action":"message"' in text:
            self.heard += 1

    def opened(self) -> None:
        """The handshake is over."""

    def _open(self, data: bytes, now: float) -> bytes:
        """Read the answer to the handshake; what follows it are frames."""
        head, end, rest = (self._rest + data).partition(_HEAD_END)
        if not end:
            self._rest = head
            return b""
        if not head.startswith(b"HTTP/1.1 101 "):
            raise ConnectionError("refused: " + head.partition(b"\r\n")[0].decode("latin-1"))
        self.is_open, self._rest, self.opened_at = True, b"", now
        self.loop.opened += 1
        self.opened()
        return rest

    def _feed_slowly(self, data: bytes) -> None:
        if not self.is_open:
            return
        frames, self._rest = split(self._rest + data)
        for first, payload in frames:
            if first == TEXT:
                self.receive(payload)
            else:
                self._obey(first, payload)

    def _obey(self, first: int, payload: bytes) -> None:
        """A control frame arrived."""
        if first == PING:
            self.write(frame(payload, PONG))
        elif first == CLOSE:
            raise ConnectionError(f"closed with {int.from_bytes(payload[:2], 'big')}")
        elif first != PONG:
            raise ConnectionError(f"sent a frame that begins with {first:#x}")


class Speaker(Connection):
    """The connection that a talk's messages are sent on; others may speak in the same conversation."""

    def __init__(self, loop: Loop, person: Person, talk: Talk) -> None:
        self.talk = talk
        super().__init__(loop, person)

    def feed(self, data: bytes, now: float) -> None:
        super().feed(data, now)
        self.talk.latest = now
        self.speak(now)

    def receive(self, text: bytes) -> None:
        if b'"action":"message"' in text:
            self.heard += 1
        else:
            self.talk.answered(text)

    def speak(self, now: float) -> None:
        """Send what the window allows."""
        frames = self.talk.due(now)
        if frames:
            self.write(frames)

    def turn(self, due_at: float) -> None:
        """Send one more, whatever is under way."""
        self.write(self.talk.next(due_at))

    def begin(self) -> None:
        """The first message, which brings the `convId`."""
        self.write(self.talk.next(perf_counter()))


class Crowd:
    """What the hearers of one talk share: the last bytes that one of them received, and how many messages they are.

    A message to many is the same bytes for each: the first hearer parses them, the others compare, all keep one object.
    """

    __slots__ = ("count", "data", "speaker")

    def __init__(self, speaker: Speaker) -> None:
        self.speaker = speaker
        self.data = b""
        self.count = 0


class Hearer(Connection):
    """One of many connections that hear a talk, whose speaker waits until all have heard."""

    def __init__(self, loop: Loop, person: Person, crowd: Crowd) -> None:
        self._crowd = crowd
        self._count = 0
        super().__init__(loop, person)

    def feed(self, data: bytes, now: float) -> None:
        crowd = self._crowd
        if data == crowd.data and not self._rest:
            self.tape.append((now, crowd.data))
            self._count = crowd.count
        else:
            self._count = 0
            is_whole = self.is_open and not self._rest
            super().feed(data, now)
            if self._count and is_whole and not self._rest:
                crowd.data, crowd.count = data, self._count
        self.heard += self._count
        if self._count and crowd.speaker.talk.heard(self._count):
            crowd.speaker.speak(now)

    def receive(self, text: bytes) -> None:
        if b'"action":"message"' in text:
            self._count += 1
