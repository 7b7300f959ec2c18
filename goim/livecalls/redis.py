"""Live calls in Redis, shared by all nodes: each step is one script, so one of two at once comes first.

A call outlives the node that began it. In a Cluster all calls are in one slot: they are few, and small.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from goim.model.calls import LiveCall
from goim.resp.client import RedisClient

_LIVE_MS = 24 * 3600 * 1000
_OVER_MS = 600 * 1000
_AT_ONCE = 200
_CALL = "im:{calls}:c:"
_USER = "im:{calls}:u:"
_DUE = "im:{calls}:due"
_OWED = "im:{calls}:owed"

# Who is in a call that is there is busy with it; a call that has vanished keeps nobody.
BEGIN = """
for i = 2, 3 do
  local id = redis.call('GET', KEYS[i])
  local busy = id and redis.call('GET', ARGV[5] .. id)
  if busy then return busy end
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[4])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[4])
redis.call('SET', KEYS[3], ARGV[1], 'PX', ARGV[4])
if ARGV[3] ~= '' then redis.call('ZADD', KEYS[4], ARGV[3], ARGV[1]) end
return false
"""

# Compares and sets: what is stored is what was judged. An earlier call's end frees nobody from a later one.
SWAP = """
if redis.call('GET', KEYS[1]) ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[5])
if ARGV[4] ~= '' then redis.call('ZADD', KEYS[4], ARGV[4], ARGV[1]) else redis.call('ZREM', KEYS[4], ARGV[1]) end
if ARGV[6] ~= '' then redis.call('ZADD', KEYS[5], ARGV[6], ARGV[1]) end
for i = 2, 3 do
  if redis.call('GET', KEYS[i]) == ARGV[1] then
    if ARGV[6] ~= '' then redis.call('DEL', KEYS[i]) else redis.call('PEXPIRE', KEYS[i], ARGV[5]) end
  end
end
return 1
"""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(LiveCall).decode


class RedisLiveCalls:
    """`LiveCalls` for several nodes."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client

    async def begin(self, call: LiveCall) -> LiveCall | None:
        args = (call.call_id, _encode(call), _due(call), _LIVE_MS, _CALL)
        busy = await self._client.ask("EVAL", BEGIN, 4, *_keys(call), *args)
        return None if busy is None else _decode(busy)

    async def get(self, call_id: str) -> LiveCall | None:
        found = await self._client.ask("GET", _CALL + call_id)
        return None if found is None else _decode(found)

    async def of_user(self, user_id: str) -> LiveCall | None:
        call_id = await self._client.ask("GET", _USER + user_id)
        return None if call_id is None else await self.get(call_id.decode())

    async def swap(self, before: LiveCall, after: LiveCall) -> bool:
        ended_at = "" if after.call.ended_at is UNSET else after.call.ended_at
        args = (after.call_id, _encode(before), _encode(after), _due(after), _LIVE_MS, ended_at)
        return bool(await self._client.ask("EVAL", SWAP, 5, *_keys(after), _OWED, *args))

    async def due(self, now_ms: int) -> list[LiveCall]:
        return await self._listed(_DUE, str(now_ms))

    async def owed(self, before_ms: int) -> list[LiveCall]:
        return await self._listed(_OWED, f"({before_ms}")

    async def recorded(self, call_id: str) -> None:
        await self._client.ask_all([("ZREM", _OWED, call_id), ("PEXPIRE", _CALL + call_id, _OVER_MS)])

    async def _listed(self, key: str, upto: str) -> list[LiveCall]:
        """The calls of a list up to a time; those that have vanished are taken off it."""
        call_ids = await self._client.ask("ZRANGEBYSCORE", key, "-inf", upto, "LIMIT", 0, _AT_ONCE)
        if not call_ids:
            return []
        found = await self._client.ask_all([("GET", _CALL + call_id.decode()) for call_id in call_ids])
        gone = [call_id for call_id, data in zip(call_ids, found, strict=True) if data is None]
        if gone:
            await self._client.ask("ZREM", key, *gone)
        return [_decode(data) for data in found if data is not None]

    async def bound_here(self) -> list[LiveCall]:
        return []


def _keys(call: LiveCall) -> tuple[str, str, str, str]:
    return (_CALL + call.call_id, _USER + call.caller.user_id, _USER + call.callee.user_id, _DUE)


def _due(call: LiveCall) -> int | str:
    return "" if call.due_at is None else call.due_at
