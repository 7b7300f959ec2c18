"""Connections of all nodes in Redis: a hash for each user, and a list of the nodes that live.

A device counts while its node does: one heartbeat a node, whatever the number of its connections.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping

import msgspec
import structlog
from msgspec import Struct

from goim.clock import Clock
from goim.elsewhere.base import Again, Connected, Lost
from goim.ids import new_id
from goim.resp.client import RedisClient
from goim.resp.link import Part, RedisDown
from goim.tasks import beside, repeat

HEARTBEAT_SECONDS = 3.0
DEAD_MS = 12_000
FLUSH_SECONDS = 0.05
_KEPT_MS = 48 * 3600 * 1000
_REFRESH_SECONDS = 12 * 3600.0
_AT_ONCE = 1000
_MOST_KEPT = 200_000
"""Commands about those who went while Redis was away; of more, their entries end with this node."""
_NODES = "im:nodes"
_DEVICES = "im:d:"
_OF_NODE = "im:n:"
_TOLD = "im:p:"
_TOLD_GONE_MS = 60_000
"""That somebody went needs to be known only until all nodes have noticed."""

# The clock is that of Redis, the same for all. Answers whether the node was known, and which ones have died: they are
# in the list until somebody has told their people (BURY).
BEAT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local is_new = redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
local dead = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
table.insert(dead, 1, tostring(is_new))
return dead
"""
# Only one of those who ask is told to; a node that has come to life again meanwhile is not dead.
BURY = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score or tonumber(score) > now - ARGV[2] then return 0 end
return redis.call('ZREM', KEYS[1], ARGV[1])
"""
# Asked with every question: a node that has just come has people at once.
LIVING = """
local time = redis.call('TIME')
return redis.call('ZRANGEBYSCORE', KEYS[1], time[1] * 1000 + math.floor(time[2] / 1000) - ARGV[1], '+inf')
"""
LEAVE = "redis.call('ZREM', KEYS[1], ARGV[1]) return 1"
# Only one of those who ask is told.
CLAIM = "local all = redis.call('SMEMBERS', KEYS[1]) redis.call('DEL', KEYS[1]) return all"
# A newer connection of the device stays, however late this comes: from a node that stood still, perhaps.
CAME = """
local found = redis.call('HGET', KEYS[1], ARGV[1])
if found and cjson.decode(found)[2].connected_at > tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
"""
# What another node has written since stays.
WENT = """
local found = redis.call('HGET', KEYS[1], ARGV[1])
if found == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end
return 1
"""


class _Entry(Struct, frozen=True, array_like=True):
    node: str
    device: Connected


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Entry).decode


class RedisElsewhere:
    """`Elsewhere` for several nodes. Writes are collected for a moment: a storm of reconnects is a few pipelines."""

    def __init__(self, client: RedisClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._me = new_id()
        self._commands: list[tuple[Part, ...]] = []
        self._must_register = False
        self._registered_at = clock.monotonic()
        self._everybody: Callable[[], Iterable[Connected]] = tuple
        self._lost: Lost = _nobody
        self._again: Again = _nothing
        self._beaten_at = clock.monotonic()

    def came(self, device: Connected) -> None:
        key, member = _DEVICES + device.user_id, _member(device)
        entry = self._entry(device)
        self._commands += [
            ("EVAL", CAME, 1, key, device.device_id, entry, device.connected_at, _KEPT_MS),
            ("SADD", _OF_NODE + self._me, member),
            ("PEXPIRE", _OF_NODE + self._me, _KEPT_MS),
        ]

    def went(self, device: Connected) -> None:
        self._commands += [
            ("EVAL", WENT, 1, _DEVICES + device.user_id, device.device_id, self._entry(device)),
            ("SREM", _OF_NODE + self._me, _member(device)),
        ]

    async def online(self, user_ids: Collection[str]) -> set[str]:
        found = await self._read(user_ids)
        return {user_id for user_id, devices in found.items() if devices}

    async def devices(self, *user_ids: str) -> list[Connected]:
        return [device for devices in (await self._read(user_ids)).values() for device in devices]

    async def is_news(self, users: Mapping[str, bool]) -> set[str]:
        commands = [
            ("SET", _TOLD + user_id, int(is_online), "PX", _KEPT_MS if is_online else _TOLD_GONE_MS, "GET")
            for user_id, is_online in users.items()
        ]
        try:
            before = await self._client.ask_all(commands)
        except RedisDown as error:
            _log.debug("not_known_who_was_told", error=str(error))
            return set(users)
        told = zip(users.items(), before, strict=True)
        return {user_id for (user_id, is_online), was in told if was != (b"1" if is_online else b"0")}

    def watch(self, everybody: Callable[[], Iterable[Connected]], lost: Lost, again: Again) -> None:
        self._everybody = everybody
        self._lost = lost
        self._again = again

    async def _read(self, user_ids: Collection[str]) -> dict[str, list[Connected]]:
        wanted = list(user_ids)
        found: dict[str, list[Connected]] = {}
        try:
            for start in range(0, len(wanted), _AT_ONCE):
                part = wanted[start : start + _AT_ONCE]
                questions = [("HVALS", _DEVICES + user_id) for user_id in part]
                living, *answers = await self._client.ask_all([("EVAL", LIVING, 1, _NODES, DEAD_MS), *questions])
                others = {node.decode() for node in living} - {self._me}
                for user_id, values in zip(part, answers, strict=True):
                    entries = [_decode(value) for value in values]
                    found[user_id] = [entry.device for entry in entries if entry.node in others]
        except RedisDown as error:
            _log.debug("elsewhere_unknown", error=str(error))
        return found

    def _entry(self, device: Connected) -> bytes:
        return _encode(_Entry(self._me, device))

    # of its own accord

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Be known to the others while the context is open."""
        with contextlib.suppress(RedisDown):
            await self._beat(is_first=True)
        async with (
            beside(self._write()),
            beside(repeat(self._clock, HEARTBEAT_SECONDS, self._beat, "heartbeat_missed")),
        ):
            yield
        with contextlib.suppress(RedisDown):
            await self._flush()
            await self._client.ask_all([("DEL", _OF_NODE + self._me), ("EVAL", LEAVE, 1, _NODES, self._me)])

    async def _write(self) -> None:
        while True:
            await self._clock.sleep(FLUSH_SECONDS)
            try:
                await self._flush()
            except RedisDown:
                self._must_register = True  # what was to be written is written again, when it can be

    async def _flush(self) -> None:
        commands, self._commands = self._commands, []
        for start in range(0, len(commands), _AT_ONCE):
            try:
                await self._client.ask_all(commands[start : start + _AT_ONCE])
            except RedisDown:
                # Who is here is written again when that can be; who went is remembered by nothing else.
                went = [command for command in commands[start:] if command[1] is WENT or command[0] == "SREM"]
                self._commands = [*went, *self._commands][-_MOST_KEPT:]
                raise

    async def _beat(self, *, is_first: bool = False) -> None:
        is_new, *dead = await self._client.ask("EVAL", BEAT, 1, _NODES, self._me, DEAD_MS, _KEPT_MS)
        now, before = self._clock.monotonic(), self._beaten_at
        self._beaten_at = now
        is_old = now - self._registered_at > _REFRESH_SECONDS
        if self._must_register or is_old or (is_new == b"1" and not is_first):
            self._must_register = False
            self._registered_at = now
            for device in self._everybody():
                self.came(device)
        if is_new == b"1" and (now - before) * 1000 > DEAD_MS:  # else it is Redis that has forgotten
            _log.warning("taken_for_dead", seconds=round(now - before))
            self._again()
        for node in dead:
            await self._mourn(node.decode())

    async def _mourn(self, node: str) -> None:
        """A node died, however long ago and whoever was there to see it: its people are told once."""
        if not await self._client.ask("EVAL", BURY, 1, _NODES, node, DEAD_MS):
            return
        members = await self._client.ask("EVAL", CLAIM, 1, _OF_NODE + node)
        if members:
            _log.warning("node_died", node=node, connections=len(members))
            self._lost([_parted(member) for member in members])


def _member(device: Connected) -> str:
    return f"{device.user_id} {device.device_id}"


def _parted(member: bytes) -> tuple[str, str]:
    user_id, _, device_id = member.decode().partition(" ")
    return user_id, device_id


def _nothing() -> None:
    pass


def _nobody(_: list[tuple[str, str]]) -> None:
    pass


_log = structlog.get_logger(__name__)
