"""What happens gets into the outbox: behind for messages, before the answer for the rest, once, and after a crash."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import Raw

from goim.config.hooks import parse_endpoint
from goim.errors import StoreDown
from goim.metrics import Metrics
from goim.model.hooks import Event
from goim.outbound.guard import Guard
from goim.outbound.http import HttpPoster
from goim.services import event_feed
from goim.services.event_feed import EventFeed, Told
from goim.services.webhooks import Webhooks
from goim.stores.base_outbox import FeedMark, Outcome, Parcel, ParcelState
from goim.stores.memory_outbox import MemoryFeedMarks, MemoryLogScan, MemoryOutbox
from tests.services.house import House, Phone, open_house  # noqa: F401


class Office:
    """A node's feed into an outbox that several nodes share."""

    def __init__(
        self, house: House, *endpoints: str, outbox: MemoryOutbox | None = None, marks: MemoryFeedMarks | None = None
    ) -> None:
        self.house = house
        self.metrics = Metrics()
        self.outbox = outbox or house._counted(MemoryOutbox())
        self.marks = marks or MemoryFeedMarks()
        self.webhooks = Webhooks(
            [parse_endpoint(text) for text in endpoints or ("all https://a.test/",)],
            {"": [b"k" * 32]},
            HttpPoster(Guard()),
            house.clock,
            self.metrics,
            timeout=5,
        )
        self.feed = EventFeed(
            self.outbox,
            self.marks,
            MemoryLogScan(house.table._store),  # type: ignore[attr-defined] # the store that is counted
            house.conversations,
            house.table,
            [self.webhooks],
            house.clock,
            longest_ms=86_400_000,
        )
        house.messages.feed = house.desk.feed = house.roster.feed = self.feed

    async def waiting(self) -> list[Parcel]:
        return await self.outbox.page(ParcelState.WAITING, None, 1_000, 0)

    async def events(self) -> list[dict[str, Any]]:
        """The bodies of all that waits, in the order in which it was made."""
        return [json.loads(each.body) for each in await self.waiting()]

    async def types(self) -> Counter[str]:
        return Counter(each.type for each in await self.waiting())


def texts(events: Sequence[dict[str, Any]]) -> list[str]:
    return sorted(event["data"]["payload"]["text"] for event in events)


async def test_a_message_is_an_event_with_everything_its_push_has(house: House) -> None:
    office = Office(house)
    await house.friends_of_each_other("ann", "bob")
    phone = await house.phone("bob")
    sent = await house.say("ann", "bob", "你好")
    await office.feed.flush()
    [event] = await office.events()
    assert event["data"] == phone.take("message")[0]
    assert (event["type"], event["id"]) == ("message.sent", f"sent_{sent.server_msg_id}")
    assert event["timestamp"] == "2025-12-17T19:33:20.000Z"


async def test_sending_asks_the_outbox_nothing(house: House) -> None:
    Office(house)
    await house.friends_of_each_other("ann", "bob")
    await house.say("ann", "bob")
    await house.say("ann", "bob")
    assert not [call for call in house.calls if call.startswith("Outbox")]


async def test_many_messages_are_written_at_once(house: House) -> None:
    office = Office(house)
    await house.friends_of_each_other("ann", "bob")
    for number in range(20):
        await house.say("ann", "bob", str(number))
    await office.feed.flush()
    assert house.calls["Outbox.put"] == 1
    assert len(await office.events()) == 20


async def test_each_endpoint_gets_what_it_wants(house: House) -> None:
    office = Office(
        house, "all https://a.test/", "sent https://b.test/ message.sent", "groups https://c.test/ group.* user.created"
    )
    await house.friends_of_each_other("ann", "bob")
    group_id = await house.group("ann", "bob")
    await house.say("ann", "bob")
    await house.group_desk.leave("bob", group_id)
    await office.feed.flush()
    lanes: dict[str, Counter[str]] = {}
    for parcel in await office.waiting():
        lanes.setdefault(parcel.lane, Counter())[parcel.type] += 1
    assert lanes == {
        "all": {"group.created": 1, "message.sent": 1, "group.member_left": 1},
        "sent": {"message.sent": 1},
        "groups": {"group.created": 1, "group.member_left": 1},
    }


async def test_what_happens_to_a_message_is_in_the_outbox_before_it_is_answered(house: House) -> None:
    office = Office(house, "a https://a.test/ message.edited message.recalled message.reaction")
    await house.friends_of_each_other("ann", "bob")
    phone = await house.phone("bob")
    sent = await house.say("ann", "bob")
    conv_id, message_id = sent.conv_id, sent.server_msg_id
    await house.desk.edit(Phone("ann", "pen"), conv_id, message_id, Raw(b'{"text":"better"}'))
    await house.desk.react(Phone("bob", "pen"), conv_id, message_id, "+1")
    await house.desk.recall(Phone("ann", "pen"), conv_id, message_id)
    events = {event["type"]: event for event in await office.events()}
    pushes = {push["action"]: push["data"] for push in phone.pushes}
    assert events["message.edited"]["data"] == pushes["edited"]
    assert events["message.reaction"]["data"] == pushes["reaction"]
    assert events["message.recalled"]["data"] == pushes["recalled"]
    assert events["message.edited"]["id"] == f"edited_{message_id}_1"


async def test_a_change_made_again_is_an_event_again_only_if_it_got_lost(house: House) -> None:
    """As after a crash between the change and the outbox: whoever did it asks again."""
    await house.friends_of_each_other("ann", "bob")
    sent = await house.say("ann", "bob")
    recall = (Phone("ann", "pen"), sent.conv_id, sent.server_msg_id)
    await house.desk.recall(*recall)
    office = Office(house)
    await house.desk.recall(*recall)
    await house.desk.recall(*recall)
    assert await office.types() == {"message.recalled": 1}


async def test_groups_tell_of_everything_their_members_are_told(house: House) -> None:
    office = Office(house)
    await house.friends_of_each_other("ann", "bob", "eve")
    phone = await house.phone("ann")
    group_id = await house.group("ann", "bob")
    await house.group_desk.add("ann", group_id, ["eve"])
    await house.group_desk.set_member("ann", group_id, "eve", mute_until=house.clock.now_ms() + 1)
    await house.group_desk.update("ann", group_id, name="other")
    await house.group_desk.kick("ann", group_id, "bob")
    await house.group_desk.disband("ann", group_id)
    told = Counter(f"group.{action.removeprefix('group_')}" for action in phone.actions())
    assert await office.types() == told
    assert set(told) == {
        "group.created",
        "group.member_joined",
        "group.member_updated",
        "group.updated",
        "group.member_left",
        "group.disbanded",
    }


async def test_while_the_database_is_away_events_wait_and_the_act_is_answered(house: House) -> None:
    office = Office(house)
    await house.friends_of_each_other("ann", "bob")
    house.failures["Outbox.put"] = [StoreDown("away"), StoreDown("away")]
    group_id = await house.group("ann", "bob")
    await house.say("ann", f"group:{group_id}", "one")
    await house.say("ann", f"group:{group_id}", "two")
    async with office.feed.running():
        await house.clock.until_asleep()
        house.clock.advance(event_feed.FLUSH_SECONDS)
        await house.clock.until_asleep()
        house.clock.advance(event_feed.FLUSH_SECONDS)
        await house.clock.until_asleep()
        assert await office.types() == {"group.created": 1, "message.sent": 2}


async def test_what_waits_is_written_when_the_node_stops_and_nobody_looks_for_it(house: House) -> None:
    office = Office(house)
    await house.friends_of_each_other("ann", "bob")
    async with office.feed.running():
        await house.say("ann", "bob", "last")
    assert texts(await office.events()) == ["last"]
    assert not await after_a_while(Office(house, outbox=office.outbox, marks=office.marks))


async def crash(office: Office) -> None:
    """The node is gone, and with it what it had in its memory."""
    house = office.house
    office.feed._queued.clear()
    house.messages.feed = None


async def after_a_while(office: Office) -> bool:
    """Whether a node finds a crashed one: not at once, since it may still be alive."""
    assert not await office.feed.catch_up()
    office.house.clock.advance(event_feed.SILENT_SECONDS - 0.1)
    assert not await office.feed.catch_up()
    office.house.clock.advance(0.1)
    return await office.feed.catch_up()


async def test_what_a_crashed_node_had_not_written_is_found_in_the_log(house: House) -> None:
    office = Office(house)
    await house.friends_of_each_other("ann", "bob")
    await office.feed._mark()
    await house.say("ann", "bob", "written")
    await office.feed.flush()
    await house.say("ann", "bob", "lost")
    await crash(office)
    other = Office(house, outbox=office.outbox, marks=office.marks)
    assert await after_a_while(other)
    assert texts(await other.events()) == ["lost", "written"]
    assert not await other.feed.catch_up()


async def test_what_was_delivered_before_the_crash_is_not_sent_again(house: House) -> None:
    office = Office(house)
    await house.friends_of_each_other("ann", "bob")
    await office.feed._mark()
    await house.say("ann", "bob", "delivered")
    await office.feed.flush()
    [parcel] = await office.outbox.claim("all", "c", house.clock.now_ms(), house.clock.now_ms() + 1, 9)
    await office.outbox.settle([Outcome(parcel.key, "c", ParcelState.DONE, house.clock.now_ms() + 600_000, 1, "")])
    await crash(office)
    assert await after_a_while(Office(house, outbox=office.outbox, marks=office.marks))
    assert await office.events() == []


async def test_a_node_that_lives_says_so_and_the_margin_moves_on(house: House) -> None:
    office = Office(house)
    other = Office(house, outbox=office.outbox, marks=office.marks)
    async with office.feed.running():
        for _ in range(20):
            await house.clock.until_asleep()
            house.clock.advance(5)
            await house.clock.until_asleep()
            assert not await other.feed.catch_up()
        [mark] = office.marks._marks.values()
        assert mark.safe_at == mark.seen_at - event_feed.MARGIN_MS


async def test_a_node_whose_clock_is_behind_is_not_taken_for_dead(house: House) -> None:
    office = Office(house)
    for _ in range(10):
        behind = house.clock.now_ms() - 3_600_000
        await office.marks.put(FeedMark("behind", behind, behind))
        assert not await office.feed.catch_up()
        house.clock.advance(3)


async def test_a_message_acknowledged_again_is_an_event_if_it_was_none(house: House) -> None:
    """It was stored while the database's answer got lost: nobody was told, and its sender sent it again."""
    await house.friends_of_each_other("ann", "bob")
    from goim.protocol.requests import SendData

    data = SendData(type="text", payload=Raw(b'{"text":"once"}'), to="bob", client_msg_id="m1")
    await house.messages.send_now(Phone("ann", "pen"), data)
    office = Office(house)
    for _ in range(2):
        assert (await house.messages.send_now(Phone("ann", "pen"), data)).duplicate
        await office.feed.flush()
    assert texts(await office.events()) == ["once"]


async def test_more_than_the_memory_holds_is_read_from_the_log(house: House, monkeypatch: Any) -> None:
    monkeypatch.setattr(event_feed, "MAX_QUEUED", 3)
    office = Office(house)
    await house.friends_of_each_other("ann", "bob")
    house.failures["Outbox.put"] = [StoreDown("away")]
    for number in range(5):
        await house.say("ann", "bob", str(number))
    await asyncio.gather(office.feed.flush(), return_exceptions=True)
    assert await office.events() == []
    await office.feed.flush()
    assert texts(await office.events()) == ["0", "1", "2", "3", "4"]


async def test_what_runs_over_while_the_log_is_read_is_read_from_it_afterwards(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_feed, "MAX_QUEUED", 3)
    office = Office(house)
    await house.friends_of_each_other("ann", "bob")
    for number in range(5):
        await house.say("ann", "bob", str(number))
    since = office.feed._scan.since

    async def slow(*args: Any) -> Any:
        rows = await since(*args)
        if not rows:  # nothing was left to read, and there is now
            monkeypatch.setattr(office.feed._scan, "since", since)
            for number in range(5, 10):
                await house.say("ann", "bob", str(number))
        return rows

    monkeypatch.setattr(office.feed._scan, "since", slow)
    await office.feed.flush()
    await office.feed.flush()
    assert sorted(texts(await office.events())) == [str(number) for number in range(10)]


class Picky:
    """Cannot pack one of them."""

    async def of_messages(self, messages: Sequence[Told]) -> list[Parcel]:
        if any(b"poison" in bytes(message.payload or b"") for _, message in messages):
            raise ValueError("not this one")
        return []

    async def of_event(self, event: Event) -> list[Parcel]:
        return []


async def test_one_that_cannot_be_packed_keeps_no_other_waiting(house: House) -> None:
    office = Office(house)
    office.feed._packers = [office.webhooks, Picky()]
    await house.friends_of_each_other("ann", "bob")
    for text in ("one", "poison", "two"):
        await house.say("ann", "bob", text)
    await office.feed.flush()
    await office.feed.flush()
    assert texts(await office.events()) == ["one", "two"]


async def test_an_endpoint_for_which_too_much_waits_is_told_no_more_and_the_others_are(house: House) -> None:
    office = Office(house, "full https://a.test/", "free https://b.test/")
    office.webhooks.is_full = lambda lane: lane == "full"
    await house.friends_of_each_other("ann", "bob")
    await house.say("ann", "bob")
    await office.feed.flush()
    assert [each.lane for each in await office.waiting()] == ["free"]
    assert office.metrics.hooks_dropped == {"full": 1}
