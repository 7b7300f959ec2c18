"""Who is told of messages while they are away: found for many messages at once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import replace

from goim.metrics import Metrics
from goim.model.conversations import c2c, of_group
from goim.model.messages import Message
from goim.model.push import PushDevice, PushKind
from goim.model.users import Session
from goim.services.event_feed import Told
from goim.services.push_feed import TOO_OLD_MS, PushFeed
from goim.stores.base_outbox import Parcel
from goim.stores.memory_push import MemoryPushDevices
from tests.services.house import House, open_house  # noqa: F401

PAIR = c2c("ann", "bob")


class Street:
    """Bob and Eve, each with an app that is not connected, and Ann, who writes."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.metrics = Metrics()
        self.devices = house._counted(MemoryPushDevices(house.data))
        self.feed = self._feed()

    def _feed(self, **more: Any) -> PushFeed:
        settings: dict[str, Any] = {"kinds": [PushKind.HTTP], "show_content": False, "group_limit": 10} | more
        house = self.house
        return PushFeed(self.devices, house.presence, house.users, house.groups, house.clock, self.metrics, **settings)

    async def settle(self) -> Street:
        await self.house.friends_of_each_other("ann", "bob", "eve")
        await self.house.conversations.create(PAIR)
        for user_id in ("ann", "bob", "eve"):
            await self.register(user_id, "app", PushKind.HTTP)
        return self

    async def register(self, user_id: str, device_id: str, kind: PushKind) -> None:
        session_id = f"{user_id}-{device_id}"
        await self.house.sessions.add(
            Session(
                session_id=session_id,
                user_id=user_id,
                device_id=None,
                refresh_hash="",
                created_at=0,
                expires_at=self.house.clock.now_ms() + 10**9,
            )
        )
        await self.devices.put(
            PushDevice(
                user_id=user_id,
                device_id=device_id,
                session_id=session_id,
                kind=kind,
                address=session_id,
                created_at=0,
            ),
            9,
        )

    def said(self, seq: int, *, group_id: str = "", sender: str = "ann", **more: Any) -> Told:
        conv = of_group(group_id) if group_id else PAIR
        message = Message(
            server_msg_id=conv.message_id(seq),
            client_msg_id=str(seq),
            conv_id=conv.conv_id,
            conv_type=conv.conv_type,
            from_=sender,
            seq=seq,
            timestamp=self.house.clock.now_ms(),
            type="text",
            payload=None,
            recalled=False,
        )
        return conv, replace(message, **more)


@pytest.fixture
async def street(house: House) -> Street:
    return await Street(house).settle()


def rung(parcels: list[Parcel]) -> list[tuple[str, int, bool]]:
    notes = [(each.target, json.loads(each.body)) for each in parcels]
    return sorted((target, note["seq"], note.get("mention", False)) for target, note in notes)


async def test_of_the_messages_of_a_moment_a_device_hears_the_last_or_the_last_that_mentions_it(
    street: Street,
) -> None:
    group_id = await street.house.group("ann", "bob", "eve")
    parcels = await street.feed.of_messages(
        [
            street.said(1),
            street.said(2),
            street.said(1, group_id=group_id, mentions=["bob"]),
            street.said(2, group_id=group_id, mentions=["bob"]),
            street.said(3, group_id=group_id),
        ]
    )
    assert rung(parcels) == [("bob/app", 2, False), ("bob/app", 2, True), ("eve/app", 3, False)]
    assert {each.lane for each in parcels} == {"push"}


async def test_many_messages_cost_a_few_questions(street: Street) -> None:
    group_id = await street.house.group("ann", "bob", "eve")
    messages = [street.said(seq) for seq in range(1, 50)]
    messages += [street.said(seq, group_id=group_id) for seq in range(1, 50)]
    street.house.calls.clear()
    await street.feed.of_messages(messages)
    asked = {key: times for key, times in street.house.calls.items() if times}
    assert asked == {"PushDevices.of_users": 1, "PushDevices.of_groups": 1, "PushDevices.muted": 1, "Groups.by_ids": 1}


async def test_in_a_large_group_only_those_are_looked_up_whom_a_message_names(street: Street) -> None:
    group_id = await street.house.group("ann", "bob", "eve")
    feed = street._feed(group_limit=2)
    street.house.calls.clear()
    assert await feed.of_messages([street.said(1, group_id=group_id), street.said(2, group_id=group_id)]) == []
    assert street.house.calls["PushDevices.of_groups"] == 0
    told = [
        street.said(3, group_id=group_id, mentions=["all", "bob", "ann"]),
        street.said(4, group_id=group_id, sender="bob", mentions=["all"]),
    ]
    assert rung(await feed.of_messages(told)) == [("bob/app", 3, True)]
    assert street.house.calls["PushDevices.of_groups"] == 0


async def test_a_group_that_is_gone_rings_nobody(street: Street) -> None:
    assert await street.feed.of_messages([street.said(1, group_id="gone", mentions=["bob"])]) == []


async def test_what_is_old_or_recalled_rings_nobody(street: Street) -> None:
    now = street.house.clock.now_ms()
    old = street.said(1, timestamp=now - TOO_OLD_MS - 1)
    assert await street.feed.of_messages([old, street.said(2, recalled=True)]) == []
    assert rung(await street.feed.of_messages([street.said(3, timestamp=now - TOO_OLD_MS)])) == [("bob/app", 3, False)]


async def test_only_devices_that_can_be_reached_are_told(street: Street) -> None:
    await street.register("bob", "browser", PushKind.WEBPUSH)
    assert rung(await street.feed.of_messages([street.said(1)])) == [("bob/app", 1, False)]
    both = street._feed(kinds=[PushKind.HTTP, PushKind.WEBPUSH])
    assert {each.lane for each in await both.of_messages([street.said(1)])} == {"push", "web_push"}


async def test_with_too_much_waiting_no_more_is_taken(street: Street) -> None:
    street.feed.is_full = lambda lane: lane == "push"
    assert await street.feed.of_messages([street.said(1)]) == []
    assert street.metrics.hooks_dropped == {"push": 1}


@pytest.mark.parametrize(
    "special", [{"burn_after_read": True}, {"expire_at": 2_000_000_000_000}], ids=["burns", "expires"]
)
async def test_content_that_does_not_stay_is_never_shown(street: Street, special: dict[str, Any]) -> None:
    message = street.said(1, payload=Raw(b'{"text":"hello"}'), **special)
    [told] = await street._feed(show_content=True).of_messages([message])
    assert "hello" not in told.body
    assert json.loads(told.body)["fromName"] == "Ann"


async def test_content_is_shown_only_where_the_settings_say_so(street: Street) -> None:
    message = street.said(1, payload=Raw(b'{"text":"hello"}'))
    [hidden] = await street.feed.of_messages([message])
    [shown] = await street._feed(show_content=True).of_messages([message])
    assert "hello" not in hidden.body
    assert "Ann" not in hidden.body
    told = json.loads(shown.body)
    assert (told["fromName"], told["text"]) == ("Ann", "hello")
