"""Whether several processes of a node could work together, for `goimctl serve` and `goimctl doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goim.workers import can_share_ports
from goimctl.findings import Finding, State

if TYPE_CHECKING:
    from goim.config import Settings


def why_not(settings: Settings) -> Finding | None:
    """What speaks against several processes with these settings, if anything does."""
    if not can_share_ports():
        return _wrong("this system does not let processes share a port", "start one, or several on Linux")
    if not settings.redis.is_set:
        return _wrong("they tell each other things over Redis, and redis.addr is empty", "IM_REDIS_ADDR=127.0.0.1:6379")
    if settings.is_in_files:
        way_out = "keep everything in MySQL or TiDB: IM_MYSQL_DSN=mysql://user:password@127.0.0.1/goim"
        return _wrong("SQLite lets one process write at a time", way_out)
    return None


def workers(settings: Settings) -> list[Finding]:
    """How many there are to be, if more than one, and whether they may."""
    count = settings.server.workers
    if count == 1:
        return []
    return [why_not(settings) or Finding(name="workers", found=f"{count} on one port")]


def _wrong(found: str, way_out: str) -> Finding:
    return Finding(name="workers", found=found, state=State.WRONG, way_out=way_out)
