"""What several processes of one node agree on: who they are, one port for all of them, what a supervisor says."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol, Self

DRAIN, END = b"drain\n", b"end\n"
"""What a supervisor says on stdin. When that closes there is no supervisor any more: then drain, too."""
_NUMBER, _FOLDER = "GOIM_WORKER", "GOIM_WORKER_FOLDER"


class Worker(NamedTuple):
    """One of these processes: the how manieth, and the folder that they share."""

    number: int
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """By what variables a process knows that it is this one."""
        return {_NUMBER: str(self.number), _FOLDER: str(self.folder)}

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self | None:
        """Which one this process is, if it is one."""
        number, folder = environment.get(_NUMBER), environment.get(_FOLDER)
        return cls(int(number), Path(folder)) if number and folder else None


class Place(Protocol):
    """Where something listens; an empty host is every interface of the machine."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...


def can_share_ports() -> bool:
    """Whether this system has such sockets (Windows has not)."""
    return hasattr(socket, "SO_REUSEPORT")


def shared_sockets(place: Place) -> list[socket.socket]:
    """Sockets bound to this place, beside those that other processes of this user have there. They do not listen yet.

    One that never listens is not spread to, and keeps the port (if that was 0: the one it got) from everybody else.
    """
    port = place.port
    found: list[socket.socket] = []
    flags = socket.AI_PASSIVE
    for family, *_, where in socket.getaddrinfo(place.host or None, port, type=socket.SOCK_STREAM, flags=flags):
        try:
            one = bound(family, (str(where[0]), port), is_shared=True)
        except OSError as error:
            if error.errno == errno.EAFNOSUPPORT:  # no IPv6 here, and then nobody listens there
                continue
            for each in found:
                each.close()
            raise
        port = one.getsockname()[1]  # the same one for all of them
        found.append(one)
    return found


def bound(family: int, where: tuple[str, int], *, is_shared: bool = False) -> socket.socket:
    """A socket that has this place and does not listen: nobody is let in before they are served.

    `is_shared`: beside others of this user that are shared, too.
    """
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # as asyncio does: what a server before us has left must not keep the port from us
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(where)
    except OSError:
        one.close()
        raise
    return one
