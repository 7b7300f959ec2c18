"""What is true: the log as it is stored, and what somebody who knows nothing would fetch; held against the devices."""

from __future__ import annotations

import json
from dataclasses import dataclass

from goim.errors import ErrorCode, GoimError
from goim.model.groups import Role
from goim.protocol.requests import SyncConv
from tests.client import Envelope
from tests.e2e.mirror import Mirror, shown
from tests.e2e.village import Phone, Place, Village, plain

_PAGE = 4
_EVERYTHING = 1_000_000


@dataclass
class Fetched:
    """One conversation as somebody fetches it anew; `view` is its line in their list, if it is there."""

    messages: list[Envelope]
    last_seq: int
    last_change: int
    view: Envelope | None


async def check(village: Village) -> None:
    """Everything that must hold when nothing is under way, whichever node is asked. The stores hurry."""
    dice, village.pace.dice = village.pace.dice, None
    for number in range(len(village.nodes)):
        village.asked = number
        await _check(village)
    village.asked, village.pace.dice = None, dice


async def may_write(village: Village, user_id: str, place: Place) -> bool:
    """Whether somebody may write into a conversation that is there, by what is stored now."""
    stores = village.stores
    if await stores.conversations.get(place.conv_id) is None:
        return False
    if place.people:
        other = next(one for one in place.people if one != user_id)
        is_friend = all(await stores.friends.halves(user_id, other))
        return user_id in place.people and is_friend and not await stores.blocks.is_between(user_id, other)
    member, group = await stores.members.get(place.group_id, user_id), await stores.groups.get(place.group_id)
    if member is None or group is None:
        return False
    return member.mute_until <= village.clock.now_ms() and not (group.muted and member.role is Role.MEMBER)


async def _check(village: Village) -> None:
    assert not village.mistakes, village.mistakes
    for place in village.places:
        await _check_log(village, place)
    for user_id in village.user_ids:
        fetched = await _fetch(village, user_id)
        await _check_unread(village, user_id, fetched)
        for phone in village.phones:
            if phone.user_id == user_id and phone.is_live:
                await _compare(village, phone, fetched)


async def _check_log(village: Village, place: Place) -> None:
    """The log is dense, nothing is in it twice, and the watermarks are within it."""
    stores, conv_id = village.stores, place.conv_id
    rows = await stores.messages.after(conv_id, 0, _EVERYTHING, 0)
    changes = await stores.changes.after(conv_id, 0, _EVERYTHING)
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1)), conv_id
    assert len({(row.from_user_id, row.client_msg_id) for row in rows}) == len(rows), conv_id
    assert [change.change for change in changes] == list(range(1, len(changes) + 1)), conv_id
    for change in changes:
        data = json.loads(bytes(change.data))
        assert data["change"] == change.change
        assert 1 <= data["seq"] <= len(rows)
    for user_id, seq in (await village.readers(conv_id)).items():
        if user_id not in village.members(conv_id):
            continue  # a mark that was on its way when they were taken out: nobody is shown it
        assert village.watermarks.get((conv_id, user_id), 0) <= seq <= len(rows), "a watermark fell, or is ahead"
        village.watermarks[conv_id, user_id] = seq


async def _fetch(village: Village, user_id: str) -> dict[str, Fetched]:
    """All of somebody's conversations; the others must look as if they were not."""
    services = village.node.services
    views = await village.views(user_id)
    found = {}
    for place in village.places:
        try:
            messages = await _history(village, user_id, place.conv_id)
        except GoimError as error:
            assert error.code is ErrorCode.NOT_FOUND  # noqa: PT017 both ends are expected here
            assert place.conv_id not in views
            assert await services.history.sync(user_id, [SyncConv(place.conv_id)], 1) == []
            continue
        (end,) = await services.history.sync(user_id, [SyncConv(place.conv_id)], 1)
        found[place.conv_id] = Fetched(messages, end.last_seq, end.last_change, views.get(place.conv_id))
    assert found.keys() >= views.keys()
    places = [(view["pinned"], view["updatedAt"], view["convId"]) for view in views.values()]
    assert places == sorted(places, reverse=True)
    return found


async def _history(village: Village, user_id: str, conv_id: str) -> list[Envelope]:
    """All of it forwards, which must be the same backwards."""
    history = village.node.services.history
    page = await history.after(user_id, conv_id, 0, _PAGE)
    messages = page.messages
    while page.has_more:
        page = await history.after(user_id, conv_id, messages[-1].seq, _PAGE)
        messages += page.messages
    page = await history.before(user_id, conv_id, None, _PAGE)
    backwards = page.messages
    while page.has_more:
        page = await history.before(user_id, conv_id, backwards[0].seq, _PAGE)
        backwards = [*page.messages, *backwards]
    assert messages == backwards
    return [shown(message, ()) for message in plain(messages)]


async def _check_unread(village: Village, user_id: str, fetched: dict[str, Fetched]) -> None:
    """Unread is what came after the watermark, or after what was deleted."""
    loud = muted = 0
    for conv_id, conv in fetched.items():
        if (view := conv.view) is None:
            continue
        read = max(view["readSeq"], village.deleted.get((user_id, conv_id), 0))
        assert view["unread"] == conv.last_seq - read >= 0, (view, read)
        assert (view["lastSeq"], view["lastChange"]) == (conv.last_seq, conv.last_change)
        newest = conv.messages[-1] if conv.messages else None
        last = view["lastMessage"]
        assert (None if last is None else shown(last, ())) == newest
        muted += view["unread"] * view["muted"]
        loud += view["unread"] * (not view["muted"])
    summary = await village.node.services.unread.summary(user_id)
    assert (summary.total_unread, summary.muted_unread) == (loud, muted)


async def _compare(village: Village, phone: Phone, fetched: dict[str, Fetched]) -> None:
    """What a device was told is what it would fetch."""
    for conv_id, mirror in phone.client.mirrors.items():
        assert conv_id in fetched, f"{phone.name} keeps {conv_id}, which is not theirs"
        assert mirror.is_whole, f"{phone.name} has a gap in {conv_id}: {mirror}"
        _compare_one(village, phone, mirror, fetched[conv_id])
        readers = await village.readers(conv_id)
        for user_id in village.members(conv_id):
            told, stored = mirror.read.get(user_id, 0), readers.get(user_id, 0)
            assert told == stored, (phone.name, conv_id, user_id, told, stored)
    for conv_id, conv in fetched.items():
        if conv_id not in phone.client.mirrors:  # only what has never been in the list since the device was new
            assert conv.view is None or conv.last_seq == 0, f"{phone.name} does not know {conv_id}"


def _compare_one(village: Village, phone: Phone, mirror: Mirror, conv: Fetched) -> None:
    where = (phone.name, mirror.conv_id)
    assert mirror.messages(village.clock.now_ms()) == conv.messages, where
    assert (mirror.last_seq, mirror.last_change) == (conv.last_seq, conv.last_change), where
    if conv.view is not None:
        assert mirror.settings == {name: conv.view[name] for name in mirror.settings}, where
        assert mirror.read.get(phone.user_id, 0) == conv.view["readSeq"], where
