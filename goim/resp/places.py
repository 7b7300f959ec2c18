"""Where the servers of a Redis are: one, the master that Sentinels name, or the masters of a Cluster."""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from goim.resp.link import Login, RedisDown, Server, checked, dial

SLOTS = 16384


class Layout(Struct, frozen=True):
    """The masters, and in a Cluster who has which slots: (first, last, index of the master)."""

    masters: tuple[Server, ...]
    slots: tuple[tuple[int, int, int], ...] = ()

    @property
    def is_cluster(self) -> bool:
        return bool(self.slots)

    def master_of(self, key: str) -> Server:
        """Who keeps a key, or carries a sharded channel."""
        if not self.slots:
            return self.masters[0]
        slot = slot_of(key)
        for first, last, master in self.slots:
            if first <= slot <= last:
                return self.masters[master]
        raise RedisDown(f"no server of the cluster has slot {slot}")


def slot_of(key: str) -> int:
    """The slot of a key: of what stands in its first braces, if anything does."""
    _, brace, rest = key.partition("{")
    tag, end, _ = rest.partition("}")
    return crc_hqx((tag if brace and end and tag else key).encode(), 0) % SLOTS


class Places(Protocol):
    """Finds the servers, anew at every connection."""

    async def find(self) -> Layout:
        """Where they are now; `RedisDown` if nobody knows."""
        ...


class OneServer:
    """A server that is always at the same place."""

    def __init__(self, server: Server) -> None:
        self._layout = Layout((server,))

    async def find(self) -> Layout:
        return self._layout


class Sentinels:
    """Servers that know which one is the master."""

    def __init__(self, sentinels: Sequence[Server], name: str, login: Login) -> None:
        self._sentinels = list(sentinels)
        self._name = name
        self._login = login

    async def find(self) -> Layout:
        reasons = []
        for sentinel in list(self._sentinels):
            try:
                return Layout((await self._ask(sentinel),))
            except RedisDown as error:
                reasons.append(str(error))
                self._sentinels.append(self._sentinels.pop(0))  # ask one that answers first the next time
        raise RedisDown("no Sentinel names a master: " + "; ".join(reasons))

    async def _ask(self, sentinel: Server) -> Server:
        link = await dial(sentinel, Login(tls=self._login.tls))
        try:
            found = checked(await link.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._name))
        finally:
            await link.end()
        if not found:
            raise RedisDown(f"Sentinel at {sentinel} knows no master called {self._name}")
        return Server(found[0].decode(), int(found[1]))


class Cluster:
    """Servers of which each knows all others."""

    def __init__(self, seeds: Sequence[Server], login: Login) -> None:
        self._seeds = tuple(seeds)
        self._login = login
        self._known: tuple[Server, ...] = ()

    async def find(self) -> Layout:
        reasons = []
        for server in dict.fromkeys((*self._known, *self._seeds)):
            try:
                layout = await self._ask(server)
            except RedisDown as error:
                reasons.append(str(error))
                continue
            self._known = layout.masters
            return layout
        raise RedisDown("no server of the cluster answers: " + "; ".join(reasons))

    async def _ask(self, server: Server) -> Layout:
        link = await dial(server, self._login)
        try:
            ranges = checked(await link.ask("CLUSTER", "SLOTS"))
        finally:
            await link.end()
        masters: dict[Server, int] = {}
        slots = []
        for first, last, master, *_ in ranges:
            where = Server((master[0] or server.host.encode()).decode(), int(master[1]))
            slots.append((int(first), int(last), masters.setdefault(where, len(masters))))
        if not slots:
            raise RedisDown(f"Redis at {server} has no slots of a cluster yet")
        return Layout(tuple(masters), tuple(slots))
