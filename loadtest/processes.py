"""Reads from /proc what a server costs: CPU time of its threads and processes, and its memory."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import perf_counter

from msgspec import Struct

DATABASES = frozenset({"postgres", "mariadbd"})  # by the names of their processes
_PROC = Path("/proc")
_LISTENING = "0A"


class Usage(Struct, frozen=True, kw_only=True):
    """What one process has used so far: CPU seconds of its main thread and of the others, resident bytes now."""

    name: str
    main: float
    threads: float
    memory: int


class Sample(Struct, frozen=True):
    """A server's processes at one moment (`perf_counter`), by process id."""

    at: float
    processes: dict[int, Usage]

    @property
    def cpu(self) -> float:
        return sum(each.main + each.threads for each in self.processes.values())

    @property
    def memory(self) -> int:
        return sum(each.memory for each in self.processes.values())

    @property
    def memory_without_databases(self) -> int:
        return sum(each.memory for each in self.processes.values() if each.name not in DATABASES)


def sample(pids: Iterable[int]) -> Sample:
    """These processes and all below them; what has ended meanwhile is left out."""
    found: dict[int, Usage] = {}
    for pid in family(pids):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found[pid] = usage_of(pid)
    return Sample(perf_counter(), found)


def usage_of(pid: int) -> Usage:
    """One process, without its children."""
    used = {tid: _thread_seconds(pid, tid) for tid in threads_of(pid)}
    main = used.pop(pid, 0.0)
    resident = int((_PROC / str(pid) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return Usage(name=_name_of(pid), main=main, threads=sum(used.values()), memory=resident)


def threads_of(pid: int) -> list[int]:
    """Thread ids; the main thread's is the process's own."""
    return [int(path.name) for path in (_PROC / str(pid) / "task").iterdir()]


def family(pids: Iterable[int]) -> list[int]:
    """These processes and all below them, each once."""
    below: dict[int, list[int]] = {}
    for child, parent in _parents():
        below.setdefault(parent, []).append(child)
    found = list(dict.fromkeys(pids))
    for one in found:
        found.extend(child for child in below.get(one, ()) if child not in found)
    return found


def listening_on(host: str, port: int) -> list[int]:
    """The processes that listen at this port, if `host` is this machine and they are ours to see."""
    if not _is_here(host):
        return []
    inodes = set(_listening_inodes(port))
    return [pid for pid in _all_pids() if inodes & set(_sockets_of(pid))] if inodes else []


def _is_here(host: str) -> bool:
    """Whether a socket can be bound to this name: then it is an address of this machine."""
    for family_, kind, protocol, _, place in socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM):
        with contextlib.suppress(OSError), socket.socket(family_, kind, protocol) as probe:
            probe.bind(place)
            return True
    return False


def _listening_inodes(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(FileNotFoundError):
            for line in (_PROC / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]


def _sockets_of(pid: int) -> Iterator[str]:
    with contextlib.suppress(OSError):  # it has ended, or is somebody else's
        for descriptor in (_PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(OSError):
                target = str(descriptor.readlink())
                if target.startswith("socket:["):
                    yield target[8:-1]


def _all_pids() -> list[int]:
    return [int(path.name) for path in _PROC.glob("[0-9]*")]


def _name_of(pid: int) -> str:
    return (_PROC / str(pid) / "comm").read_text().strip()


def _thread_seconds(pid: int, tid: int) -> float:
    """`schedstat` counts nanoseconds on a CPU; a thread that ended meanwhile counts as nothing."""
    try:
        return int((_PROC / str(pid) / "task" / str(tid) / "schedstat").read_text().split()[0]) / 1e9
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def _parents() -> Iterator[tuple[int, int]]:
    for pid in _all_pids():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            stat = (_PROC / str(pid) / "stat").read_text()
            yield pid, int(stat.rpartition(")")[2].split()[1])
