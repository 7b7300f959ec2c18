"""The generator's sockets: WebSocket clients on bare epoll, measured to be the cheapest way in Python.

What arrives is kept with its time and judged after the run: checking every message must cost nothing while it counts.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from time import perf_counter

from loadtest.ledger import Tape
from loadtest.plan import Person
from loadtest.talk import Talk
from loadtest.wire import CLOSE, PING, PONG, TEXT, frame, opening, split

_READ_BYTES = 65536
_EVENTS = 1024
_READABLE = select.EPOLLIN
_HEAD_END = b"\r\n\r\n"


class Connection:
    """One WebSocket; this kind only listens, the kinds below do more."""

    def __init__(self, loop: Loop, person: Person, port: int) -> None:
        self.is_open = False
        self.tape: Tape = []
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop = loop
        self._rest = b""
        self._unsent = b""
        loop.add(self)
        self.write(opening(f"127.0.0.1:{port}", "bench", person.token))

    def feed(self, data: bytes, now: float) -> None:
        """Bytes arrived."""
        if not self.is_open:
            data = self._open(data)
        self.tape.append((now, data))
        # nearly every read is exactly one text frame of 126 to 65535 bytes
        if data[:2] == b"\x81\x7e" and len(data) == (data[2] << 8 | data[3]) + 4 and not self._rest:
            self.receive(data[4:])
        else:
            self._feed_slowly(data)

    def receive(self, text: bytes) -> None:
        """A text frame arrived."""

    def write(self, data: bytes) -> None:
        """Send, and keep what the socket does not take yet."""
        if self._unsent:
            self._unsent += data
            return
        sent = self._send(data)
        if sent < len(data):
            self._unsent = data[sent:]
            self._loop.watch(self, select.EPOLLIN | select.EPOLLOUT)

    def flush(self) -> None:
        """The socket takes bytes again."""
        self._unsent = self._unsent[self._send(self._unsent) :]
        if not self._unsent:
            self._loop.watch(self, select.EPOLLIN)

    def _send(self, data: bytes) -> int:
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0
        except ConnectionError:
            return len(data)  # the loop is told by EPOLLHUP, and blames it on the right connection

    def _open(self, data: bytes) -> bytes:
        """Read the answer to the handshake; what follows it are frames."""
        head, end, rest = (self._rest + data).partition(_HEAD_END)
        if not end:
            self._rest = head
            return b""
        if not head.startswith(b"HTTP/1.1 101 "):
            raise ConnectionError("refused: " + head.partition(b"\r\n")[0].decode("latin-1"))
        self.is_open, self._rest = True, b""
        self._loop.opened += 1
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
    """The connection that a talk's messages are sent on."""

    def __init__(self, loop: Loop, person: Person, port: int, talk: Talk) -> None:
        self.talk = talk
        super().__init__(loop, person, port)

    def feed(self, data: bytes, now: float) -> None:
        super().feed(data, now)
        self.speak(now)

    def receive(self, text: bytes) -> None:
        self.talk.answered(text)

    def speak(self, now: float) -> None:
        """Send what the window allows."""
        frames = self.talk.due(now)
        if frames:
            self.write(frames)


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

    def __init__(self, loop: Loop, person: Person, port: int, crowd: Crowd) -> None:
        self._crowd = crowd
        self._count = 0
        super().__init__(loop, person, port)

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
        if self._count and crowd.speaker.talk.heard(self._count):
            crowd.speaker.speak(now)

    def receive(self, text: bytes) -> None:
        if b'"action":"message"' in text:
            self._count += 1


class Loop:
    """All connections of the generator, and the one thread that serves them."""

    def __init__(self) -> None:
        self.opened = 0
        self.lost: list[str] = []
        self._connections: dict[int, Connection] = {}
        self._epoll = select.epoll()

    def add(self, connection: Connection) -> None:
        self._connections[connection.socket.fileno()] = connection
        self._epoll.register(connection.socket, _READABLE)

    def watch(self, connection: Connection, events: int) -> None:
        self._epoll.modify(connection.socket, events)

    def turn_until(self, done: Callable[[float], bool], patience: float) -> bool:
        """Serve the connections until `done(now)`; False if nothing arrived for `patience` seconds before that."""
        now = last = perf_counter()
        while not done(now):
            events = self._epoll.poll(0.05, _EVENTS)
            for fd, event in events:
                connection = self._connections[fd]
                if event == _READABLE:
                    self._read(connection)
                else:
                    self._mind(connection, event)
            now = perf_counter()
            if events:
                last = now
            elif now - last > patience:
                return False
        return True

    def close(self) -> None:
        for connection in self._connections.values():
            connection.socket.close()
        self._epoll.close()

    def _read(self, connection: Connection) -> None:
        try:
            data = connection.socket.recv(_READ_BYTES)
            if not data:
                raise ConnectionError("closed without a close frame")
            connection.feed(data, perf_counter())
        except BlockingIOError:
            return
        except OSError as error:
            self._drop(connection, str(error))

    def _mind(self, connection: Connection, event: int) -> None:
        if event & _READABLE:
            self._read(connection)
        elif event & (select.EPOLLHUP | select.EPOLLERR):
            self._drop(connection, "reset")
        if event & select.EPOLLOUT and connection.socket.fileno() >= 0:
            connection.flush()

    def _drop(self, connection: Connection, why: str) -> None:
        self.lost.append(why)
        del self._connections[connection.socket.fileno()]
        self._epoll.unregister(connection.socket)
        connection.socket.close()
