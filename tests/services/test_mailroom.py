"""What a command publishes reaches the nodes at its database by letter."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from goim.bus.memory import MemoryBus
from goim.delivery import Delivery
from goim.errors import StoreDown
from goim.metrics import Metrics
from goim.notices import Notices, SessionsEnded
from goim.protocol.close_codes import CloseCode
from goim.protocol.pushes import FriendAccepted, UserData
from goim.services.mailroom import KEPT_SECONDS, POLL_SECONDS, Mailroom, Postbox
from goim.stores.base_mailbox import Letter
from goim.stores.memory_mailbox import MemoryMailbox
from tests.fake_clock import START_MS, FakeClock
from tests.services.house import Phone


class Place:
    """A node with a mailroom, and a command beside it."""

    def __init__(self, mailbox: MemoryMailbox | None = None) -> None:
        self.clock = FakeClock()
        self.mailbox = mailbox or MemoryMailbox()
        bus = MemoryBus()
        self.delivery = Delivery(bus, Notices(bus), Metrics())
        self.mailroom = Mailroom(self.mailbox, self.delivery, self.clock)
        self.postbox = Postbox(self.mailbox, self.clock)
        self.notices = Notices(self.postbox)
        self.command = Delivery(self.postbox, self.notices, Metrics())

    def connect(self, user_id: str) -> Phone:
        phone = Phone(user_id, f"{user_id}s-phone")
        self.delivery.attach(phone)
        return phone

    async def poll(self) -> None:
        """Let the mailroom look once."""
        await self.clock.until_asleep()
        self.clock.advance(POLL_SECONDS)
        await self.clock.until_asleep()


async def test_pushes_and_notices_of_a_command_arrive_in_order_when_it_ends() -> None:
    place = Place()
    ann = place.connect("ann")
    async with place.mailroom.running():
        async with place.postbox.open():
            place.command.to_user("ann", FriendAccepted(UserData("bob")))
            place.notices.emit(SessionsEnded([ann.session_id], CloseCode.SESSION_ENDED))
            place.command.to_user("ann", FriendAccepted(UserData("cleo")))
            await place.poll()
            assert (ann.pushes, ann.closed) == ([], None)
        await place.poll()
        assert ann.take() == [{"userId": "bob"}]  # what came after the end of the connection finds nobody
        assert ann.closed is CloseCode.SESSION_ENDED


async def test_every_node_gets_a_letter_and_none_gets_it_twice() -> None:
    mailbox = MemoryMailbox()
    places = [Place(mailbox), Place(mailbox)]
    phones = [place.connect("ann") for place in places]
    async with places[0].mailroom.running(), places[1].mailroom.running():
        async with places[0].postbox.open():
            places[0].command.to_user("ann", FriendAccepted(UserData("bob")))
        for place in [*places, *places]:
            await place.poll()
    assert [phone.take() for phone in phones] == [[{"userId": "bob"}]] * 2


async def test_what_was_posted_before_a_node_began_is_not_for_it() -> None:
    place = Place()
    async with place.postbox.open():
        place.command.to_user("ann", FriendAccepted(UserData("bob")))
    ann = place.connect("ann")
    async with place.mailroom.running():
        await place.poll()
    assert ann.pushes == []


async def test_a_command_that_fails_still_tells_what_it_had_done() -> None:
    place = Place()

    async def fail_half_way() -> None:
        async with place.postbox.open():
            place.command.to_user("ann", FriendAccepted(UserData("bob")))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_half_way()
    assert await place.mailbox.newest() == 1


async def test_a_command_that_says_nothing_posts_nothing() -> None:
    place = Place()
    async with place.postbox.open():
        pass
    assert await place.mailbox.newest() == 0


async def test_who_posts_throws_away_what_is_old() -> None:
    place = Place()
    await place.mailbox.post([("t", b"old"), ("t", b"old")], START_MS - 1)
    place.clock.advance(KEPT_SECONDS)
    async with place.postbox.open():
        place.postbox.publish("t", b"new")
    assert [letter.body for letter in await place.mailbox.after(0, 10)] == [b"new"]


async def test_more_letters_than_one_look_takes_are_read_in_one_go() -> None:
    place = Place()
    ann = place.connect("ann")
    async with place.mailroom.running():
        async with place.postbox.open():
            for number in range(1200):
                place.command.to_user("ann", FriendAccepted(UserData(str(number))))
        await place.poll()
    assert [data["userId"] for data in ann.take()] == [str(number) for number in range(1200)]


async def test_a_letter_nobody_understands_keeps_nothing_back(caplog: pytest.LogCaptureFixture) -> None:
    place = Place()
    ann = place.connect("ann")
    async with place.mailroom.running():
        async with place.postbox.open():
            place.postbox.publish("im:notices", b"of another release")
            place.command.to_user("ann", FriendAccepted(UserData("bob")))
        with caplog.at_level(logging.ERROR):
            await place.poll()
    assert ann.take() == [{"userId": "bob"}]


class Moody(MemoryMailbox):
    """Out of reach once."""

    is_down = False

    async def after(self, letter_id: int, limit: int) -> Sequence[Letter]:  # type: ignore[override]
        if self.is_down:
            self.is_down = False
            raise StoreDown("not now")
        return await super().after(letter_id, limit)


async def test_a_database_out_of_reach_delays_letters_and_loses_none() -> None:
    mailbox = Moody()
    place = Place(mailbox)
    ann = place.connect("ann")
    async with place.mailroom.running():
        async with place.postbox.open():
            place.command.to_user("ann", FriendAccepted(UserData("bob")))
        mailbox.is_down = True
        await place.poll()
        assert ann.pushes == []
        await place.poll()
        assert ann.take() == [{"userId": "bob"}]
