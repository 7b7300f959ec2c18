"""The generator's sockets on one thread and bare epoll, measured to be the cheapest way in Python; TLS if need be."""

from __future__ import annotations

import os
import select
import socket
import ssl
import sys
from collections.abc import Callable
from time import perf_counter

from loadtest.errors import Refused
from loadtest.target import Target

_READ_BYTES = 65536
_EVENTS = 1024
_TICK_SECONDS = 0.5
_CONNECT_SECONDS = 10.0
IN, OUT = select.EPOLLIN, select.EPOLLOUT
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Link:
    """One connection to the server; it connects without waiting, and says when it has."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.is_connected = False
        self.begun_at = perf_counter()
        self._unsent = b""
        self.socket = loop.connect()
        loop.add(self)

    def connected(self) -> None:
        """There is somebody at the other end: the first bytes may be written."""

    def feed(self, data: bytes, now: float) -> None:
        """Bytes arrived."""

    def lost(self) -> None:
        """It has ended, and not by us."""

    def write(self, data: bytes) -> None:
        """Send, and keep what the socket does not take yet."""
        if self._unsent:
            self._unsent += data
            return
        sent = self._send(data)
        if sent < len(data):
            self._unsent = data[sent:]
            self.loop.watch(self, IN | OUT)

    def writable(self) -> None:
        """The socket takes bytes: the first time it is connected."""
        if not self.is_connected:
            self._connect()
            return
        self._unsent = self._unsent[self._send(self._unsent) :]
        if not self._unsent:
            self.loop.watch(self, IN)

    def _connect(self) -> None:
        error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise ConnectionError(os.strerror(error).lower())
        self.socket = self.loop.secured(self.socket)
        if isinstance(self.socket, ssl.SSLSocket):
            try:
                self.socket.do_handshake()
            except ssl.SSLWantReadError:
                return self.loop.watch(self, IN)
            except ssl.SSLWantWriteError:
                return self.loop.watch(self, OUT)
        self.is_connected = True
        self.loop.watch(self, IN)
        self.connected()

    def _send(self, data: bytes) -> int:
        try:
            return self.socket.send(data)
        except _NOT_NOW:
            return 0
        except OSError:
            return len(data)  # the loop is told by EPOLLHUP, and blames it on the right connection


class Loop:
    """All connections of a generator, and the one thread that serves them."""

    def __init__(self, target: Target) -> None:
        self.opened = 0
        self.now = 0.0
        """When the bytes arrived that are being looked at."""
        self.reads = 0
        self.losses: list[str] = []
        self.alarm: Callable[[float], float] | None = None
        """Called at each turn; returns when it wants to be called again at the latest."""
        self.tick: Callable[[float], None] = lambda _: None
        """Called twice a second."""
        self.spare: Callable[[], None] = lambda: None
        """Called at each turn while there were more reads than `spare_above`."""
        self.spare_above = sys.maxsize
        self._links: dict[int, Link] = {}
        self._epoll = select.epoll()
        self._next_tick = 0.0
        self.aim(target)

    def aim(self, target: Target) -> None:
        """Connections made from now on go there."""
        self.target = target
        self._context = target.context()
        self._family, self._place = _find(target)

    def connect(self) -> socket.socket:
        """A socket that is on its way to the server."""
        made = socket.socket(self._family)
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.connect_ex(self._place)  # how it went is told when the socket is writable
        return made

    def secured(self, plain: socket.socket) -> socket.socket:
        """The connected socket by TLS, if the server is spoken to by that; the same file descriptor."""
        if self._context is None or isinstance(plain, ssl.SSLSocket):
            return plain
        host = self.target.host
        return self._context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)

    def add(self, link: Link) -> None:
        self._links[link.socket.fileno()] = link
        self._epoll.register(link.socket, OUT)

    def watch(self, link: Link, events: int) -> None:
        if link.socket.fileno() in self._links:
            self._epoll.modify(link.socket, events)

    def remove(self, link: Link) -> None:
        """Close it, as a client that goes."""
        if self._links.pop(link.socket.fileno(), None):
            self._epoll.unregister(link.socket)
            link.socket.close()

    def turn_until(self, done: Callable[[float], bool], patience: float) -> bool:
        """Serve the connections until `done(now)`; False if nothing arrived for `patience` seconds before that. It is
        looked once more when they are over: perhaps it was us who stood still."""
        now = last = perf_counter()
        while not done(now):
            asked = now
            events = self._poll(now)
            self.reads += len(events)
            for fd, event in events:
                link = self._links.get(fd)
                if link is None:
                    continue  # closed a moment ago
                if event == IN and link.is_connected:
                    self._read(link)
                else:
                    self._mind(link, event)
            if self.reads > self.spare_above:
                self.spare()
            now = perf_counter()
            if now >= self._next_tick:
                self._next_tick = now + _TICK_SECONDS
                self.tick(now)
            if events:
                last = now
            elif asked - last > patience:
                return False
        return True

    def close(self) -> None:
        for link in list(self._links.values()):
            self.remove(link)
        self._epoll.close()

    def _poll(self, now: float) -> list[tuple[int, int]]:
        if self.alarm is None:
            return self._epoll.poll(0.05, _EVENTS)
        wait = self.alarm(now) - perf_counter()
        if wait > 0:  # epoll rounds up to a millisecond, select does not
            select.select((self._epoll,), (), (), min(wait, 0.05))
        return self._epoll.poll(0, _EVENTS)

    def _read(self, link: Link) -> None:
        try:
            while True:
                data = link.socket.recv(_READ_BYTES)
                if not data:
                    raise ConnectionError("closed without a close frame")
                self.now = perf_counter()
                link.feed(data, self.now)
                if self._context is None:
                    return  # the usual case: if there is more, epoll says so
        except _NOT_NOW:
            return
        except OSError as error:
            self._drop(link, error.strerror or str(error))

    def _mind(self, link: Link, event: int) -> None:
        """What is not just bytes to read."""
        if link.is_connected and event & IN:
            self._read(link)
        if link.socket.fileno() < 0:
            return
        try:
            if event & (select.EPOLLHUP | select.EPOLLERR) and link.is_connected:
                raise ConnectionError("reset")
            if event & OUT or not link.is_connected:
                link.writable()
        except OSError as error:
            self._drop(link, error.strerror or str(error))

    def _drop(self, link: Link, why: str) -> None:
        self.losses.append(why)
        self.remove(link)
        link.lost()


def _find(target: Target) -> tuple[socket.AddressFamily, tuple[object, ...]]:
    """The address behind a name that answers."""
    try:
        with socket.create_connection((target.host, target.port), _CONNECT_SECONDS) as probe:
            return probe.family, probe.getpeername()
    except OSError as error:
        reason = error.strerror or str(error)
        raise Refused(
            f"{target.url} does not answer: {reason}", hint="is it running? goimctl serve starts one"
        ) from None
