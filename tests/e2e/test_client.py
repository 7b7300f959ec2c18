"""`goim.client` against a real server, over connections that break at every turn."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from goim.client import (
    Client,
    Connected,
    Disconnected,
    ErrorCode,
    Event,
    FileCursors,
    GoimError,
    Message,
    MessagePush,
    SessionOver,
    Stream,
    Timing,
    Unreachable,
    text_of,
)
from goim.protocol.calls import CallIncoming, EndedElsewhere
from goim.protocol.pushes import Recalled, StreamChunkPush, StreamEnd
from tests.client import PASSWORD, World
from tests.fake_clock import FakeClock
from tests.fault_proxy import FaultProxy
from tests.node import started_node
from tests.process import ROOT, free_port, running_server

QUICK = Timing(first_pause=0.02, longest_pause=0.1, heartbeat=0.5, patience=2.0)
PATIENCE = 20.0


def client_of(url: str, name: str, timing: Timing = QUICK, **more: object) -> Client:
    return Client(url, username=name, password=PASSWORD, device_id=f"{name}-1", timing=timing, **more)  # type: ignore[arg-type]


async def until(client: Client, matches: Callable[[Event], bool]) -> list[Event]:
    """Everything up to and with the first event that matches."""
    seen: list[Event] = []
    async with asyncio.timeout(PATIENCE):
        async for event in client.events():
            seen.append(event)
            if matches(event):
                return seen
    raise AssertionError("the events have ended")


def messages(events: list[Event]) -> list[Message]:
    return [event.data for event in events if isinstance(event, MessagePush)]


def texts(events: list[Event]) -> list[str]:
    return [text_of(message) for message in messages(events)]


def says(text: str) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, MessagePush) and text_of(event.data) == text


@pytest.fixture
async def people(tmp_path: Path) -> AsyncIterator[World]:
    async with started_node(tmp_path) as (_, world):
        await world.friends("ann", "bob")
        yield world


@contextlib.asynccontextmanager
async def proxied(url: str) -> AsyncIterator[FaultProxy]:
    async with FaultProxy("127.0.0.1", int(url.rpartition(":")[2])).running() as proxy:
        yield proxy


async def test_two_clients_talk(people: World) -> None:
    async with client_of(people.base_url, "ann") as ann, client_of(people.base_url, "bob") as bob:
        sent = await ann.send("hello", to=bob.user_id)
        (heard,) = messages(await until(bob, says("hello")))
        assert (heard.server_msg_id, heard.seq, heard.from_) == (sent.server_msg_id, 1, ann.user_id)
        await bob.react(sent.conv_id, sent.server_msg_id, "👍")
        await ann.recall(sent.conv_id, sent.server_msg_id)
        *_, last = await until(bob, lambda event: isinstance(event, Recalled))
        assert isinstance(last, Recalled)
        assert last.data.server_msg_id == sent.server_msg_id


async def test_every_message_arrives_once_and_in_order_through_cuts(people: World) -> None:
    async with proxied(people.base_url) as proxy, asyncio.TaskGroup() as tasks:
        url = f"http://127.0.0.1:{proxy.port}"
        async with client_of(url, "ann") as ann, client_of(url, "bob") as bob:

            async def speak() -> list[int]:
                said = [tasks.create_task(ann.send(str(number), to=bob.user_id)) for number in range(500)]
                seqs = []
                for number, one in enumerate(said):
                    seqs.append((await one).seq)
                    if number % 50 == 25:
                        proxy.cut()
                return seqs

            speaking = tasks.create_task(speak())
            events = await until(bob, says("499"))
            assert await speaking == list(range(1, 501))
            assert texts(events) == [str(number) for number in range(500)]
            assert sum(isinstance(event, Disconnected) for event in events) >= 5


async def test_a_connection_on_which_nothing_moves_is_left_for_another(people: World) -> None:
    async with proxied(people.base_url) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        async with client_of(url, "ann") as ann, client_of(people.base_url, "bob") as bob:
            await ann.send("before", to=bob.user_id)
            proxy.stall()
            async with asyncio.TaskGroup() as tasks:
                sending = tasks.create_task(ann.send("meanwhile", to=bob.user_id))
                await until(ann, lambda event: isinstance(event, Disconnected))
                proxy.cut()
                assert (await sending).seq == 2
            assert texts(await until(bob, says("meanwhile"))) == ["before", "meanwhile"]


async def test_a_killed_server_costs_no_message(tmp_path: Path) -> None:
    async with running_server(tmp_path) as (server, world):
        await world.friends("ann", "bob")
        async with client_of(server.url, "ann") as ann, client_of(server.url, "bob") as bob:
            async with asyncio.TaskGroup() as tasks:
                acks = [tasks.create_task(ann.send(str(number), to=bob.user_id)) for number in range(60)]
                for number in (10, 30, 50):
                    await acks[number]
                    await server.kill()
                    await server.start()
                events = await until(bob, says("59"))
            assert texts(events) == [str(number) for number in range(60)]
            assert [ack.result().seq for ack in acks] == list(range(1, 61))


async def test_what_was_said_between_two_runs_is_shown_in_the_second_and_nothing_twice(
    people: World, tmp_path: Path
) -> None:
    cursors = FileCursors(tmp_path / "bob.json")
    async with client_of(people.base_url, "ann") as ann:
        async with client_of(people.base_url, "bob", cursors=cursors) as bob:
            first = await ann.send("one", to=bob.user_id)
            assert texts(await until(bob, says("one"))) == ["one"]
        for text in ("two", "three"):
            await ann.send(text, to=bob.user_id)
        await ann.recall(first.conv_id, first.server_msg_id)
        async with client_of(people.base_url, "bob", cursors=cursors) as bob:
            events = await until(bob, lambda event: isinstance(event, Recalled))
            assert texts(events) == ["two", "three"]


async def test_what_was_said_before_the_first_run_does_not_count_as_missed(people: World) -> None:
    async with client_of(people.base_url, "ann") as ann:
        bob_id = (await ann.api.find_users("bob"))[0].user_id
        sent = await ann.send("old", to=bob_id)
        async with client_of(people.base_url, "bob") as bob:
            await ann.send("new", to=bob_id)
            assert texts(await until(bob, says("new"))) == ["new"]
            history = await bob.api.history(sent.conv_id)
            assert [text_of(message) for message in history.messages] == ["old", "new"]


async def test_a_stream_goes_on_over_a_new_connection(people: World) -> None:
    async with proxied(people.base_url) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        patient = Timing()  # hears every chunk: of what came without a connection there is only the text
        async with client_of(url, "ann") as ann, client_of(people.base_url, "bob", patient) as bob:
            await until(bob, lambda event: isinstance(event, Connected))
            words = [f"{number} " for number in range(60)]
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(until(bob, lambda event: isinstance(event, StreamEnd)))
                async with ann.stream(to=bob.user_id) as stream:
                    for number, word in enumerate(words):
                        await stream.write(word)
                        if number in (10, 30, 50):
                            proxy.cut()
            events = reading.result()
            chunks = [event.data for event in events if isinstance(event, StreamChunkPush)]
            assert "".join(chunk.delta for chunk in chunks) == "".join(words)
            assert [chunk.index for chunk in chunks] == list(range(1, 61))
            assert isinstance(events[-1], StreamEnd)
            assert (events[-1].data.text, events[-1].data.stream_status) == ("".join(words), "done")


async def test_a_stream_of_an_earlier_run_goes_on_where_it_stands(people: World) -> None:
    async with client_of(people.base_url, "ann") as ann, client_of(people.base_url, "bob") as bob:
        earlier = await ann.stream(to=bob.user_id, client_msg_id="s").__aenter__()
        await earlier.write("half ")
        async with ann.stream(to=bob.user_id, client_msg_id="s") as stream:
            assert (stream.is_resumed, stream.text) == (True, "half ")
            await stream.write("whole")
        *_, last = await until(bob, lambda event: isinstance(event, StreamEnd))
        assert isinstance(last, StreamEnd)
        assert (last.data.text, last.data.stream_status) == ("half whole", "done")


async def write_half(stream: Stream) -> None:
    async with stream:
        await stream.write("half a")
        raise RuntimeError("no more words")


async def test_a_stream_that_breaks_off_ends_as_failed(people: World) -> None:
    async with client_of(people.base_url, "ann") as ann, client_of(people.base_url, "bob") as bob:
        with pytest.raises(RuntimeError, match="no more words"):
            await write_half(ann.stream(to=bob.user_id))
        *_, last = await until(bob, lambda event: isinstance(event, StreamEnd))
        assert isinstance(last, StreamEnd)
        assert (last.data.text, last.data.stream_status, last.data.error) == ("half a", "failed", "no more words")


async def test_a_call_rings_and_is_hung_up(people: World) -> None:
    async with client_of(people.base_url, "ann") as ann, client_of(people.base_url, "bob") as bob:
        call = await ann.calls.start(bob.user_id)
        assert await ann.calls.start(bob.user_id) == call
        *_, rings = await until(bob, lambda event: isinstance(event, CallIncoming))
        assert isinstance(rings, CallIncoming)
        assert (await bob.calls.answer(rings.data.call_id)).status == "answered"
        await ann.calls.signal(call.call_id, bob.user_id, "offer", sdp="v=0")
        await ann.calls.end(call.call_id)
        *_, ended = await until(bob, lambda event: isinstance(event, EndedElsewhere))
        assert isinstance(ended, EndedElsewhere)
        assert ended.data.call_id == call.call_id


async def test_too_much_at_once_is_sent_a_little_later(tmp_path: Path) -> None:
    async with started_node(tmp_path, ws={"send_qps": 20, "send_burst": 2}) as (_, people):
        await people.friends("ann", "bob")
        async with client_of(people.base_url, "ann") as ann, client_of(people.base_url, "bob") as bob:
            sent = await asyncio.gather(*(ann.send(str(number), to=bob.user_id) for number in range(8)))
            assert [each.seq for each in sent] == list(range(1, 9))


async def test_a_refusal_is_raised_and_not_tried_again(people: World) -> None:
    await people.person("eve")
    async with client_of(people.base_url, "ann") as ann:
        eve = (await ann.api.find_users("eve"))[0]
        with pytest.raises(GoimError) as refused:
            await ann.send("hi", to=eve.user_id)
        assert refused.value.code is ErrorCode.NOT_FRIEND


async def test_a_device_that_was_replaced_does_not_come_back(people: World) -> None:
    ann = await people.person("eve")
    async with Client(people.base_url, token=ann.token, device_id="one", timing=QUICK) as client:
        await until(client, lambda event: isinstance(event, Connected))
        async with people.online(ann, "one"):
            with pytest.raises(SessionOver, match="connected from elsewhere") as over:
                await until(client, lambda _: False)
            assert over.value.code == 4009
            with pytest.raises(SessionOver):
                await client.send("hi", to=ann.user_id)


async def test_a_session_that_was_ended_does_not_come_back(people: World) -> None:
    async with client_of(people.base_url, "ann") as ann:
        await until(ann, lambda event: isinstance(event, Connected))
        await ann.api.log_out()
        with pytest.raises(SessionOver, match="the server ended this session"):
            await until(ann, lambda _: False)


async def test_a_token_that_has_run_out_is_replaced(people: World) -> None:
    eve = await people.person("eve")
    async with Client(people.base_url, token="spent", refresh_token=eve.refresh_token, timing=QUICK) as client:
        assert client.user_id == eve.user_id
        await until(client, lambda event: isinstance(event, Connected))
        assert client.login.refresh_token != eve.refresh_token


async def test_it_goes_on_when_the_token_of_its_connection_ends(tmp_path: Path) -> None:
    clock = FakeClock()
    async with started_node(tmp_path, clock=clock, auth={"token_ttl": 60}) as (_, world):
        eve = await world.person("eve")
        async with Client(world.base_url, token=eve.token, refresh_token=eve.refresh_token, timing=QUICK) as client:
            await until(client, lambda event: isinstance(event, Connected))
            clock.advance(60)
            await until(client, lambda event: isinstance(event, Connected))
            assert client.login.token != eve.token


async def test_files_favourites_and_groups_are_a_call_each(people: World) -> None:
    async with client_of(people.base_url, "ann") as ann, client_of(people.base_url, "bob") as bob:
        file = await ann.api.upload("notes 1.txt", b"some words")
        assert (file.file_name, await ann.api.download(file.url)) == ("notes 1.txt", b"some words")
        made = await ann.api.make_group("Team", [bob.user_id])
        assert made.added == [bob.user_id]
        payload = {"url": file.url, "name": file.file_name, "size": file.size}
        sent = await ann.send(group=made.group_id, kind="file", payload=payload)
        (heard,) = messages(await until(bob, lambda event: isinstance(event, MessagePush)))
        assert (heard.group_id, text_of(heard)) == (made.group_id, "notes 1.txt")
        assert await bob.api.download(file.url) == b"some words"
        kept = await bob.api.keep_message(sent.conv_id, sent.server_msg_id, ["work"])
        assert [each.favorite_id for each in await bob.api.favourites()] == [kept.favorite_id]
        assert [each.group_id for each in await bob.api.groups()] == [made.group_id]
        assert {each.user_id for each in (await bob.api.members(made.group_id)).members} == {ann.user_id, bob.user_id}


async def test_what_goes_wrong_in_its_block_comes_out_as_it_is(people: World) -> None:
    with pytest.raises(ZeroDivisionError):
        async with client_of(people.base_url, "ann"):
            raise ZeroDivisionError
    with pytest.raises(GoimError):
        async with client_of(people.base_url, "ann") as ann:
            await ann.send("hi", to="nobody")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1), client_of(people.base_url, "bob") as bob:
            await until(bob, lambda _: False)


async def test_without_a_server_the_client_says_so() -> None:
    with pytest.raises(Unreachable, match="Connection refused"):
        async with client_of(f"http://127.0.0.1:{free_port()}", "ann"):
            pass


def test_the_client_brings_nothing_of_the_server() -> None:
    code = "import goim.client, sys; print(*sorted(m for m in sys.modules if m.startswith(('goim.', 'litestar'))))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    rooms = {name.split(".")[1] for name in done.stdout.split() if name.startswith("goim.")}
    assert rooms == {"client", "clock", "errors", "ids", "model", "protocol", "trust"}
    assert "litestar" not in done.stdout
