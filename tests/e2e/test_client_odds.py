"""`goim.client` at odd moments: closed while it waits, left off in the middle, come late to a group."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from goim.client import Client, Connected, Disconnected, Event, GoimError, SessionOver
from goim.client.link import Envelope
from goim.client.texts import text_of
from goim.errors import ErrorCode
from goim.protocol.pushes import Reacted, StreamChunkPush
from tests.client import World
from tests.e2e.test_client import PATIENCE, QUICK, client_of, proxied, says, texts, until
from tests.fault_proxy import FaultProxy
from tests.node import started_node


@pytest.fixture
async def people(tmp_path: Path) -> AsyncIterator[World]:
    async with started_node(tmp_path) as (_, world):
        await world.friends("ann", "bob")
        yield world


async def test_what_somebody_else_sends_under_an_id_of_ours_is_shown(people: World) -> None:
    async with client_of(people.base_url, "ann") as ann, client_of(people.base_url, "bob") as bob:
        sent = await ann.send("question", to=bob.user_id, client_msg_id="1")
        await bob.send("answer", conv=sent.conv_id, client_msg_id="1")
        await bob.send("more", conv=sent.conv_id)
        assert texts(await until(ann, says("more"))) == ["answer", "more"]


async def test_what_waits_for_an_answer_ends_with_the_client(people: World) -> None:
    async with proxied(people.base_url) as proxy, asyncio.TaskGroup() as tasks:
        async with client_of(f"http://127.0.0.1:{proxy.port}", "ann") as ann:
            await until(ann, lambda event: isinstance(event, Connected))
            proxy.refuse()
            await until(ann, lambda event: isinstance(event, Disconnected))
            waiting = tasks.create_task(_over(ann))
        async with asyncio.timeout(PATIENCE):
            await waiting
            await _over(ann)


async def _over(client: Client) -> None:
    with pytest.raises(SessionOver, match="closed"):
        await client.send("hi", to="somebody")


@contextlib.asynccontextmanager
async def missing_three(people: World) -> AsyncIterator[tuple[FaultProxy, Client]]:
    """Bob, who is about to be shown the messages 1, 2 and 3 that he missed, and what stands before his server."""
    async with (
        proxied(people.base_url) as proxy,
        client_of(people.base_url, "ann") as ann,
        client_of(f"http://127.0.0.1:{proxy.port}", "bob") as bob,
    ):
        await ann.send("0", to=bob.user_id)
        await until(bob, says("0"))
        proxy.refuse()
        for number in range(1, 4):
            await ann.send(str(number), to=bob.user_id)
        proxy.restore()
        yield proxy, bob


async def test_who_leaves_off_reading_in_the_middle_of_what_was_missed_is_shown_the_rest(people: World) -> None:
    async with missing_three(people) as (_, bob):
        assert texts(await until(bob, says("1"))) == ["1"]
        assert texts(await until(bob, says("3"))) == ["2", "3"]


async def test_a_change_of_something_old_in_a_group_one_came_to_late_brings_nothing_old(people: World) -> None:
    async with client_of(people.base_url, "ann") as ann, client_of(people.base_url, "bob") as bob:
        made = await ann.api.make_group("Team")
        old = [await ann.send(f"old {number}", group=made.group_id) for number in range(3)]
        await ann.react(old[0].conv_id, old[0].server_msg_id, "👍")
        await until(bob, lambda event: isinstance(event, Connected))
        await bob.api.join_group(made.group_id)
        await ann.react(old[0].conv_id, old[0].server_msg_id, "🎉")
        await ann.send("new", group=made.group_id)
        events = await until(bob, says("new"))
        assert texts(events) == ["new"]
        await ann.react(old[1].conv_id, old[1].server_msg_id, "👍")
        assert emojis([*events, *await until(bob, is_on(2))]) == ["🎉", "👍"]


def without(client: Client, action: str) -> None:
    """The next push of this kind is lost on its way."""
    take = client._link.take

    def lossy(envelope: Envelope) -> None:
        if envelope.action == action:
            client._link.take = take
        else:
            take(envelope)

    client._link.take = lossy


async def test_what_a_pair_said_first_is_shown_also_when_a_change_of_it_comes_before(people: World) -> None:
    async with client_of(people.base_url, "ann") as ann, client_of(people.base_url, "bob") as bob:
        await until(bob, lambda event: isinstance(event, Connected))
        without(bob, "message")
        sent = await ann.send("first", to=bob.user_id)
        await ann.react(sent.conv_id, sent.server_msg_id, "👍")
        events = await until(bob, is_on(1))
        assert (texts(events), emojis(events)) == (["first"], ["👍"])


async def test_of_a_stream_that_was_missed_nothing_is_shown_after_its_end(people: World) -> None:
    async with client_of(people.base_url, "ann") as ann, client_of(people.base_url, "bob") as bob:
        await until(bob, lambda event: isinstance(event, Connected))
        sent = await ann.send("before", to=bob.user_id)
        await until(bob, says("before"))
        without(bob, "message")
        async with ann.stream(conv=sent.conv_id) as stream:
            await stream.write("some")
            await stream.write("thing")
        await ann.send("after", conv=sent.conv_id)
        events = await until(bob, says("after"))
        assert texts(events) == ["something", "after"]
        assert not [event for event in events if isinstance(event, StreamChunkPush)]


def is_on(seq: int) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, Reacted) and event.data.seq == seq


def emojis(events: list[Event]) -> list[str]:
    return [event.data.emoji for event in events if isinstance(event, Reacted)]


async def test_old_changes_of_a_group_one_came_to_late_are_not_shown(people: World) -> None:
    async with client_of(people.base_url, "ann") as ann, client_of(people.base_url, "bob") as bob:
        made = await ann.api.make_group("Team")
        old = await ann.send("old", group=made.group_id)
        await ann.react(old.conv_id, old.server_msg_id, "👍")
        await until(bob, lambda event: isinstance(event, Connected))
        await bob.api.join_group(made.group_id)
        new = await ann.send("new", group=made.group_id)
        await until(bob, says("new"))
        await ann.react(old.conv_id, new.server_msg_id, "🎉")
        events = await until(bob, is_on(2))
        assert emojis(events) == ["🎉"]


async def test_who_reads_late_is_told_that_the_session_is_over(people: World) -> None:
    eve = await people.person("eve")
    async with Client(people.base_url, token=eve.token, device_id="one", timing=QUICK) as client:
        with pytest.raises(GoimError):
            await client.send("is there a connection?", to="nobody")
        await client.api.log_out()
        with pytest.raises(SessionOver):
            await client.send("is it gone?", to="nobody")
        with pytest.raises(SessionOver):
            await until(client, lambda _: False)


async def test_a_reader_ends_with_the_client_also_while_it_asks_for_what_was_missed(people: World) -> None:
    async with asyncio.TaskGroup() as tasks:
        async with missing_three(people) as (proxy, bob):
            await until(bob, says("1"))
            proxy.refuse()
            reading = tasks.create_task(_all(bob))
        async with asyncio.timeout(PATIENCE):
            assert texts(await reading) == []


async def _all(client: Client) -> list[Event]:
    return [event async for event in client.events()]


async def test_what_is_too_large_for_a_frame_is_refused_and_the_next_is_said(people: World) -> None:
    async with client_of(people.base_url, "ann") as ann, client_of(people.base_url, "bob") as bob:
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(GoimError) as refused:
                await ann.send("x" * 131_072, to=bob.user_id)
            assert refused.value.code is ErrorCode.TOO_LARGE
            assert (await ann.send("short", to=bob.user_id)).seq == 1


@pytest.mark.parametrize("is_failed", [False, True], ids=["done", "failed"])
async def test_a_stream_may_grow_longer_than_a_frame(people: World, *, is_failed: bool) -> None:
    async with client_of(people.base_url, "ann") as ann, client_of(people.base_url, "bob") as bob:
        async with asyncio.timeout(PATIENCE), ann.stream(to=bob.user_id) as stream:
            for _ in range(5):
                await stream.write("语" * 10_000)
            if is_failed:
                await stream.fail("why")
        assert stream.started is not None
        (message,) = (await bob.api.history(stream.started.conv_id)).messages
        assert message.stream_status == ("failed" if is_failed else "done")
        assert text_of(message) == "语" * 50_000
