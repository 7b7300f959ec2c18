"""Reads from /proc what a server costs: CPU time of its threads and child processes, and its memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from loadtest.plan import Cpu

_PROC = Path("/proc")


def threads_of(pid: int) -> list[int]:
    """Thread ids; the main thread's is the process's own."""
    return [int(path.name) for path in (_PROC / str(pid) / "task").iterdir()]


def children_of(pid: int) -> list[int]:
    """All processes below this one."""
    parents = dict(_parents())
    found = [pid]
    for one in found:
        found.extend(child for child, parent in parents.items() if parent == one)
    return found[1:]


def cpu_of(pid: int) -> Cpu:
    """CPU used so far by a process, its living threads and its living children."""
    used = {tid: _thread_seconds(pid, tid) for tid in threads_of(pid)}
    children = [_thread_seconds(child, tid) for child in children_of(pid) for tid in threads_of(child)]
    main = used.pop(pid)
    return Cpu(main=main, threads=sum(used.values()), children=sum(children))


def memory_of(pid: int) -> int:
    """Resident bytes of a process and its children."""
    page = os.sysconf("SC_PAGE_SIZE")
    return sum(int((_PROC / str(one) / "statm").read_text().split()[1]) * page for one in (pid, *children_of(pid)))


def _thread_seconds(pid: int, tid: int) -> float:
    """`schedstat` counts nanoseconds on a CPU; a thread that ended meanwhile counts as nothing."""
    try:
        return int((_PROC / str(pid) / "task" / str(tid) / "schedstat").read_text().split()[0]) / 1e9
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def _parents() -> Iterator[tuple[int, int]]:
    for path in _PROC.glob("[0-9]*"):
        try:
            stat = (path / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        yield int(path.name), int(stat.rpartition(")")[2].split()[1])
