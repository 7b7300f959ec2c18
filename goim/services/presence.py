"""Who is online, and who is typing: known to friends, never stored, and told only once it has lasted."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Collection, Iterable, Sequence
from math import ceil, inf

from msgspec import Struct

from goim.clock import Clock
from goim.delivery import Delivery, Sink
from goim.elsewhere.base import Elsewhere
from goim.errors import invalid
from goim.lru import Recent
from goim.model.conversations import ConvType
from goim.protocol.frames import frame_of
from goim.protocol.pushes import Presence, PresenceData, TypingBy, TypingByData
from goim.services.access import AccessBook
from goim.services.sending import Sender
from goim.stores.base import Blocks, Friends, Members, Sessions
from goim.tasks import beside, outlived

MAX_ASKED = 200
LASTING_SECONDS = 2.0
TYPING_SECONDS = 1.0
_TELL_EVERY = 0.1  # many who come at once are told of by few queries
_AT_ONCE = 200
_REMEMBERED = 100_000


class _Flip(Struct, frozen=True):
    """Somebody came or went: when friends hear of it if it lasts (on the next tenth of a second), and when it was."""

    due: float
    at_ms: int


class PresenceBook:
    """Presence of everybody with a connection here."""

    def __init__(
        self,
        delivery: Delivery,
        sessions: Sessions,
        friends: Friends,
        blocks: Blocks,
        members: Members,
        access: AccessBook,
        elsewhere: Elsewhere,
        clock: Clock,
    ) -> None:
        self._elsewhere = elsewhere
        self._delivery = delivery
        self._sessions = sessions
        self._friends = friends
        self._blocks = blocks
        self._members = members
        self._access = access
        self._clock = clock
        self._told: set[str] = set()
        self._flips: dict[str, _Flip] = {}
        self._went: Recent[str, int] = Recent(_REMEMBERED)
        self._wake = asyncio.Event()
        self._typing: Recent[tuple[str, str], tuple[float, bool]] = Recent(_REMEMBERED)
        delivery.watchers.append(self._watch)

    # who is online

    async def online(self, user_ids: Iterable[str]) -> set[str]:
        """Which of these have a live connection. The one place that knows how to tell."""
        wanted = set(user_ids)
        here = {user_id for user_id in wanted if self._delivery.connections_of(user_id)}
        return here | await self._elsewhere.online(wanted - here)

    def lost(self, user_ids: Iterable[str]) -> None:
        """These were connected to a node that is gone: their friends hear of it unless they come back."""
        for user_id in user_ids:
            if not self._delivery.connections_of(user_id):
                self._told.add(user_id)
                self._went.put(user_id, self._clock.now_ms())
                self._consider(user_id)

    def again(self) -> None:
        """Friends of those who are here may have heard that they went: this node had been taken for dead."""
        for user_id in self._delivery.users():
            self._told.discard(user_id)
            self._consider(user_id)

    async def connected_devices(self, user_ids: Iterable[str]) -> set[tuple[str, str]]:
        """The connected ones of these people's devices on all nodes, as (user_id, device_id)."""
        wanted = set(user_ids)
        here = {(user_id, sink.device_id) for user_id in wanted for sink in self._delivery.connections_of(user_id)}
        return here | {(each.user_id, each.device_id) for each in await self._elsewhere.devices(*wanted)}

    async def of(self, user_id: str, user_ids: Sequence[str]) -> list[PresenceData]:
        """Presence of those among these who are friends or fellow group members, with no block in between."""
        if len(user_ids) > MAX_ASKED:
            raise invalid(f"ask for at most {MAX_ASKED} users at once")
        wanted = [other for other in dict.fromkeys(user_ids) if other != user_id]
        known = set(await self._friends.friend_ids(user_id)) | await self._members.share_a_group(user_id, wanted)
        shown = known - await self._blocks.ids_around(user_id)
        return await self._read([other for other in wanted if other in shown])

    async def _read(self, user_ids: Sequence[str]) -> list[PresenceData]:
        now = self._clock.now_ms()
        online = await self.online(user_ids)
        gone = [other for other in user_ids if other not in online]
        last_seen = {other: self._went.get(other) or 0 for other in gone}  # what is stored may lag behind a little
        for device in await self._sessions.devices(gone):
            last_seen[device.user_id] = max(device.last_seen, last_seen[device.user_id])
        return [
            PresenceData(other, other in online, now if other in online else last_seen[other]) for other in user_ids
        ]

    # telling friends

    def running(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Tell friends who came and went while the context is open."""
        return beside(self._run())

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._flips:
                first = next(iter(self._flips.values()))  # all wait equally long: the first to come is the first due
                wait = first.due - self._clock.monotonic()
                if wait > 0:
                    await self._clock.sleep(wait)
                with outlived("presence_waits", users=len(self._flips)):
                    await self.tell_due()

    async def tell_due(self) -> None:
        """Tell friends of everybody who came or went two seconds ago and stayed so: some queries for all of them."""
        now = self._clock.monotonic()
        due = [user_id for user_id, _ in itertools.takewhile(lambda item: item[1].due <= now, self._flips.items())]
        for start in range(0, len(due), _AT_ONCE):
            await self._tell(due[start : start + _AT_ONCE])

    def _watch(self, sink: Sink, came: bool) -> None:  # noqa: FBT001 - the shape of a watcher
        if not came:
            self._went.put(sink.user_id, self._clock.now_ms())
        self._consider(sink.user_id)

    def _consider(self, user_id: str) -> None:
        """Note that somebody is not what their friends were told, or forget it when they are so again."""
        is_online = bool(self._delivery.connections_of(user_id))
        if is_online == (user_id in self._told):
            self._flips.pop(user_id, None)
        elif user_id not in self._flips:
            due = ceil((self._clock.monotonic() + LASTING_SECONDS) / _TELL_EVERY) * _TELL_EVERY
            self._flips[user_id] = _Flip(due, self._clock.now_ms())
            self._wake.set()

    async def _tell(self, user_ids: Collection[str]) -> None:
        flips = {user_id: self._flips.pop(user_id) for user_id in user_ids if user_id in self._flips}
        self._told.symmetric_difference_update(flips)  # before waiting: who turns round meanwhile is a flip again
        try:
            friends = await self._friends.friend_ids_of(flips)
            blocked = await self._blocks.ids_around_each(flips)
            online = await self.online({friend for ids in friends.values() for friend in ids})
            elsewhere = await self._elsewhere.online(flips)
            now = {user_id: user_id in self._told or user_id in elsewhere for user_id in flips}
            news = await self._elsewhere.is_news(now)
        except BaseException:
            self._told.symmetric_difference_update(flips)
            for user_id in flips:
                self._consider(user_id)  # two seconds later once more
            raise
        for user_id, flip in flips.items():
            if user_id not in news:
                continue  # who went from one node and stays on another neither came nor went
            hearers = (online & set(friends.get(user_id, ()))) - blocked.get(user_id, set())
            told = PresenceData(user_id, now[user_id], flip.at_ms)
            self._delivery.to_users(hearers, Presence(told))

    # typing

    async def typing(self, actor: Sender, conv_id: str, *, is_typing: bool) -> None:
        """Tell the others of a conversation where one may write; more often than once a second is dropped."""
        access = await self._access.of(actor.user_id, conv_id)
        access.check_write(self._clock.now_ms())
        if not self._passes((conv_id, actor.user_id), is_typing=is_typing):
            return
        conv, push = access.conv, TypingBy(TypingByData(conv_id, actor.user_id, is_typing))
        if conv.conv_type is ConvType.C2C:
            self._delivery.to_user(conv.peer_of(actor.user_id), push)
        else:
            self._delivery.to_conversation(conv, frame_of(push), actor)

    def _passes(self, key: tuple[str, str], *, is_typing: bool) -> bool:
        """A start counts once a second, a stop only after a start."""
        now = self._clock.monotonic()
        started, was_typing = self._typing.get(key) or (-inf, True)
        if now - started < TYPING_SECONDS if is_typing else not was_typing:
            return False
        self._typing.put(key, (now if is_typing else started, is_typing))
        return True
