"""Who is to hear of a message by a push: the registered devices of its readers that are not connected."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from goim.clock import Clock
from goim.metrics import Metrics
from goim.model.conversations import Conversation, ConvType
from goim.model.hooks import Event
from goim.model.messages import Message
from goim.model.push import Notification, PushDevice, PushKind
from goim.protocol.frames import encode_json
from goim.services.event_feed import Told
from goim.services.presence import PresenceBook
from goim.services.specials import EVERYBODY
from goim.stores.base import Groups, Users
from goim.stores.base_outbox import Parcel
from goim.stores.base_push import PushDevices

LANES = {PushKind.WEBPUSH: "web_push", PushKind.HTTP: "push"}
TOO_OLD_MS = 3_600_000
"""What comes so late (after a crash) rings nobody's phone."""
MAX_TEXT = 300


class _Text(Struct):
    text: str = ""


class _Ring(Struct, frozen=True):
    """A message and a device that is to hear of it."""

    conv: Conversation
    message: Message
    device: PushDevice
    mentions: bool


_decode_text = msgspec.json.Decoder(_Text).decode


class PushFeed:
    """Packs messages for devices. For all messages of a moment it asks the database a few times, not for each."""

    def __init__(
        self,
        devices: PushDevices,
        presence: PresenceBook,
        users: Users,
        groups: Groups,
        clock: Clock,
        metrics: Metrics,
        *,
        kinds: Collection[PushKind],
        show_content: bool,
        group_limit: int,
    ) -> None:
        self._devices = devices
        self._presence = presence
        self._users = users
        self._groups = groups
        self._clock = clock
        self._metrics = metrics
        self._kinds = kinds
        self._show_content = show_content
        self._group_limit = group_limit
        self.is_full: Callable[[str], bool] = lambda _: False

    async def of_event(self, event: Event) -> list[Parcel]:
        """Nothing but messages rings."""
        del event
        return []

    async def of_messages(self, messages: Sequence[Told]) -> list[Parcel]:
        """A parcel for each device and conversation: the latest message, or the latest that mentions its user."""
        since = self._clock.now_ms() - TOO_OLD_MS
        fresh = [(conv, each) for conv, each in messages if each.timestamp >= since and not each.recalled]
        rings = await self._rings(fresh)
        if not rings:
            return []
        offline = await self._offline(rings)
        muted = await self._devices.muted({(each.device.user_id, each.conv.conv_id) for each in offline})
        latest: dict[tuple[str, str, str], _Ring] = {}
        for ring in offline:
            device = ring.device
            if ring.mentions or (device.user_id, ring.conv.conv_id) not in muted:
                key = (device.user_id, device.device_id, ring.conv.conv_id)
                if ring.mentions or key not in latest or not latest[key].mentions:
                    latest[key] = ring
        return await self._pack(list(latest.values()))

    # who

    async def _rings(self, messages: Sequence[Told]) -> list[_Ring]:
        """Each message with the devices of those it concerns. In a large group these are the ones it mentions by name:
        there nobody else is looked up."""
        small, large = await self._groups_by_size({conv.group_id for conv, _ in messages if conv.group_id})
        now = self._clock.now_ms()
        called = {user_id for conv, each in messages for user_id in _called(conv, each, large)}
        of_users = _by_key((each.user_id, each) for each in await self._devices.of_users(called, now))
        of_groups = _by_key(await self._devices.of_groups(small, now) if small else ())
        rings: list[_Ring] = []
        for conv, message in messages:
            if conv.group_id in small:
                named = _named(message)
                rings += [
                    _Ring(conv, message, device, mentions=device.user_id in named or EVERYBODY in named)
                    for device in of_groups.get(conv.group_id, ())
                    if device.user_id != message.from_
                ]
            else:
                rings += [
                    _Ring(conv, message, device, mentions=conv.conv_type is ConvType.GROUP)
                    for user_id in _called(conv, message, large)
                    for device in of_users.get(user_id, ())
                ]
        return [each for each in rings if each.device.kind in self._kinds]

    async def _groups_by_size(self, group_ids: set[str]) -> tuple[set[str], set[str]]:
        """Those of which every member may hear, and the large ones."""
        groups = await self._groups.by_ids(group_ids) if group_ids else {}
        large = {group_id for group_id, group in groups.items() if group.member_count > self._group_limit}
        return set(groups) - large, large

    async def _offline(self, rings: Sequence[_Ring]) -> list[_Ring]:
        connected = await self._presence.connected_devices({each.device.user_id for each in rings})
        return [each for each in rings if (each.device.user_id, each.device.device_id) not in connected]

    # what

    async def _pack(self, rings: Sequence[_Ring]) -> list[Parcel]:
        notes = [_notification(each) for each in rings]
        if self._show_content and rings:
            senders = await self._users.by_ids({each.message.from_ for each in rings})
            group_ids = {each.conv.group_id for each in rings if each.conv.group_id}
            groups = await self._groups.by_ids(group_ids) if group_ids else {}
            for place, (ring, note) in enumerate(zip(rings, notes, strict=True)):
                sender, group = senders.get(ring.message.from_), groups.get(ring.conv.group_id)
                notes[place] = replace(
                    note,
                    from_user_id=ring.message.from_,
                    from_name=UNSET if sender is None else sender.nickname,
                    group_name=UNSET if group is None else group.name,
                    message_type=ring.message.type,
                    text=_text(ring.message),
                )
        return [parcel for pair in zip(rings, notes, strict=True) if (parcel := self._parcel(*pair)) is not None]

    def _parcel(self, ring: _Ring, note: Notification) -> Parcel | None:
        lane = LANES[ring.device.kind]
        if self.is_full(lane):
            self._metrics.hooks_dropped[lane] += 1
            return None
        now = self._clock.now_ms()
        target = f"{ring.device.user_id}/{ring.device.device_id}"
        body = encode_json(note).decode()
        return Parcel(f"push_{ring.message.server_msg_id}", lane, target, "push", body, now, now)


def _by_key(pairs: Iterable[tuple[str, PushDevice]]) -> dict[str, list[PushDevice]]:
    found: dict[str, list[PushDevice]] = {}
    for key, device in pairs:
        found.setdefault(key, []).append(device)
    return found


def _named(message: Message) -> Collection[str]:
    return () if message.mentions is UNSET else message.mentions


def _called(conv: Conversation, message: Message, large: Collection[str]) -> list[str]:
    """Whom a message concerns, as far as that needs no members: the other one of a pair, who is named in a large
    group."""
    if conv.conv_type is ConvType.C2C:
        return [conv.peer_of(message.from_)]
    if conv.group_id not in large:
        return []
    return [user_id for user_id in _named(message) if user_id not in (message.from_, EVERYBODY)]


def _notification(ring: _Ring) -> Notification:
    message = ring.message
    return Notification(
        type="message",
        conv_id=message.conv_id,
        conv_type=message.conv_type.value,
        group_id=message.group_id,
        server_msg_id=message.server_msg_id,
        seq=message.seq,
        timestamp=message.timestamp,
        mention=ring.mentions,
    )


def _text(message: Message) -> str | UnsetType:
    """The beginning of what a message says, of the types that say something; nothing of what does not stay: a push
    does."""
    if message.burn_after_read is True or message.expire_at is not UNSET:
        return UNSET
    if message.payload is None or message.type not in ("text", "stream"):
        return UNSET
    return _decode_text(message.payload).text[:MAX_TEXT] or UNSET
