"""Devices: who is shown, when they were last seen, and what kicking one ends."""

from __future__ import annotations

import asyncio

import pytest

from goim.errors import ErrorCode, StoreDown
from goim.model.users import Login
from goim.protocol.close_codes import CloseCode
from goim.services.accounts import QUIET_SECONDS
from goim.services.devices import FLUSH_SECONDS, MOST_KEPT, DeviceView
from tests.services.reception import PASSWORD, Reception, Socket, refused


async def _names(reception: Reception, user_id: str) -> list[str]:
    return [view.device_id for view in await reception.devices.of_user(user_id)]


async def test_a_connected_device_is_online_and_seen_now(reception: Reception) -> None:
    alice = await reception.person("alice")
    socket = await reception.online(alice)
    reception.clock.advance(10)
    assert await reception.devices.of_user(alice) == [
        DeviceView(
            device_id="phone",
            online=True,
            connected_at=socket.connected_at,
            last_seen=reception.clock.now_ms(),
            transport="websocket",
        )
    ]


async def test_a_device_that_went_was_last_seen_when_it_went(reception: Reception) -> None:
    alice = await reception.person("alice")
    socket = await reception.online(alice)
    reception.clock.advance(10)
    went_at = reception.clock.now_ms()
    reception.delivery.detach(socket)
    reception.clock.advance(10)
    (before,) = await reception.devices.of_user(alice)
    await reception.devices.flush()
    (after,) = await reception.devices.of_user(alice)
    assert before == after
    assert (after.online, after.last_seen, after.connected_at) == (False, went_at, socket.connected_at)


async def test_connected_devices_come_first_then_the_latest_seen(reception: Reception) -> None:
    alice = await reception.person("alice")
    tokens = await reception.log_in(alice)
    for name in ("first", "second", "third"):
        reception.clock.advance(1)
        reception.delivery.detach(await reception.connect(tokens, name))
    await reception.connect(tokens, "here")
    assert await _names(reception, alice) == ["here", "third", "second", "first"]


async def test_who_connects_under_ever_new_names_leaves_a_bounded_number_of_devices(reception: Reception) -> None:
    alice, bob = await reception.person("alice"), await reception.person("bob")
    await reception.online(bob)
    tokens = await reception.log_in(alice)
    for number in range(2 * MOST_KEPT):
        reception.clock.advance(1)
        reception.delivery.detach(await reception.connect(tokens, f"made up {number}"))
        await reception.devices.flush()
    names = await _names(reception, alice)
    assert MOST_KEPT <= len(names) < 1.5 * MOST_KEPT
    assert names[0] == f"made up {2 * MOST_KEPT - 1}"
    assert await _names(reception, bob) == ["phone"]


async def test_of_very_many_devices_some_are_forgotten_at_a_time(reception: Reception) -> None:
    """Who made them before there was a limit: all at once would keep everybody else waiting."""
    alice = await reception.person("alice")
    tokens = await reception.log_in(alice)
    for number in range(MOST_KEPT + 1200):
        reception.delivery.detach(await reception.connect(tokens, f"made up {number}"))
    await reception.devices.flush()
    assert len(await _names(reception, alice)) == MOST_KEPT + 700


async def test_nobody_sees_the_devices_of_others(reception: Reception) -> None:
    alice, bob = await reception.person("alice"), await reception.person("bob")
    await reception.online(alice)
    assert await _names(reception, bob) == []
    with refused(ErrorCode.NOT_FOUND):
        await reception.devices.kick(await _login(reception, bob), "phone")


# written behind


async def test_a_storm_of_reconnects_is_one_write(reception: Reception) -> None:
    alice = await reception.person("alice")
    tokens = await reception.log_in(alice)
    async with reception.devices.running():
        await reception.clock.until_asleep()
        for number in range(50):
            reception.delivery.detach(await reception.connect(tokens, f"device-{number % 5}"))
        reception.clock.advance(FLUSH_SECONDS)
        await reception.clock.until_asleep()
        assert reception.queries["sessions.seen"] == 1
        assert len(await reception.stores["sessions"].devices([alice])) == 5


async def test_what_waits_is_written_at_the_end(reception: Reception) -> None:
    alice = await reception.person("alice")
    async with reception.devices.running():
        await reception.online(alice)
    assert len(await reception.stores["sessions"].devices([alice])) == 1


async def test_nothing_is_forgotten_while_the_database_is_down(reception: Reception) -> None:
    alice = await reception.person("alice")
    socket = await reception.online(alice)
    reception.stores["sessions"].fails["seen"] = StoreDown()
    async with reception.devices.running():
        await reception.clock.until_asleep()
        reception.clock.advance(FLUSH_SECONDS)
        await reception.clock.until_asleep()
        reception.delivery.detach(socket)  # newer than what could not be written
        went_at = reception.clock.now_ms()
        del reception.stores["sessions"].fails["seen"]
    (device,) = await reception.stores["sessions"].devices([alice])
    assert device.last_seen == went_at


# kicking


async def _login(reception: Reception, user_id: str) -> Login:
    return await reception.desk.verify((await reception.log_in(user_id)).token)


async def test_kicking_a_device_ends_its_session(two_receptions: tuple[Reception, Reception]) -> None:
    here, there = two_receptions
    alice = await here.person("alice")
    mine = await here.log_in(alice, "laptop")
    lost = await here.log_in(alice, "phone")
    socket = await there.connect(lost)
    await here.devices.kick(await here.desk.verify(mine.token), "phone")
    assert socket.closed is CloseCode.KICKED
    for node in (here, there):
        with refused(ErrorCode.UNAUTHORIZED):
            await node.desk.verify(lost.token)
    await here.desk.verify(mine.token)


async def test_a_device_that_never_connected_can_be_kicked(reception: Reception) -> None:
    alice = await reception.person("alice")
    lost = await reception.log_in(alice, "phone")
    await reception.devices.kick(await reception.desk.verify((await reception.log_in(alice)).token), "phone")
    with refused(ErrorCode.UNAUTHORIZED):
        await reception.desk.verify(lost.token)


async def test_a_device_that_uses_a_session_of_no_device_loses_it(reception: Reception) -> None:
    alice = await reception.person("alice")
    lost, mine = await reception.log_in(alice), await reception.log_in(alice)
    socket = await reception.connect(lost, "phone")
    await reception.devices.kick(await reception.desk.verify(mine.token), "phone")
    assert socket.closed is CloseCode.KICKED
    with refused(ErrorCode.UNAUTHORIZED):
        await reception.desk.verify(lost.token)


@pytest.mark.parametrize("is_connected", [True, False])
async def test_a_device_on_the_callers_own_session_loses_its_socket_but_not_the_session(
    reception: Reception, is_connected: bool
) -> None:
    alice = await reception.person("alice")
    mine = await reception.log_in(alice)
    kicked, stays = await reception.connect(mine, "phone"), await reception.connect(mine, "laptop")
    if not is_connected:
        reception.delivery.detach(kicked)
        await reception.devices.flush()
    await reception.devices.kick(await reception.desk.verify(mine.token), "phone")
    assert kicked.closed is (CloseCode.KICKED if is_connected else None)
    assert stays.closed is None
    await reception.desk.verify(mine.token)
    assert await _names(reception, alice) == ["laptop"]


async def test_whoever_kicks_their_own_device_is_logged_out(reception: Reception) -> None:
    alice = await reception.person("alice")
    mine = await reception.log_in(alice, "phone")
    await reception.devices.kick(await reception.desk.verify(mine.token), "phone")
    with refused(ErrorCode.UNAUTHORIZED):
        await reception.desk.verify(mine.token)


async def test_a_kicked_device_is_forgotten_for_good(reception: Reception) -> None:
    """The end of its connection is noted too, and must not bring it back with the next write."""
    alice = await reception.person("alice")
    socket = await reception.connect(await reception.log_in(alice, "phone"))
    await reception.devices.flush()
    await reception.devices.kick(await reception.desk.verify((await reception.log_in(alice)).token), "phone")
    reception.delivery.detach(socket)
    await reception.devices.flush()
    assert await _names(reception, alice) == []


async def test_an_unknown_device_is_not_found(reception: Reception) -> None:
    alice = await reception.person("alice")
    login = await reception.desk.verify((await reception.log_in(alice)).token)
    with refused(ErrorCode.NOT_FOUND):
        await reception.devices.kick(login, "phone")


async def test_nothing_is_written_about_the_devices_of_an_erased_account(reception: Reception) -> None:
    alice = await reception.person("alice")
    socket: Socket = await reception.online(alice)
    login = await reception.desk.verify((await reception.log_in(alice)).token)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reception.accounts.erase_own(login, PASSWORD, "here"))
        await reception.clock.until_asleep()
        reception.clock.advance(QUIET_SECONDS)
    reception.delivery.detach(socket)
    await reception.devices.flush()
    assert await reception.stores["sessions"].devices([alice]) == []
