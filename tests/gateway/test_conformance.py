"""Both ways of carrying a WebSocket behave alike, and as RFC 6455 wants, on good, split, odd and bad frames."""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.gateway.echo import CLOSES, MAX_FRAME, echo_server
from tests.gateway.raw import client_frame, raw


@pytest.fixture(params=[True, False], ids=["direct", "asgi"])
async def port(request: pytest.FixtureRequest) -> AsyncIterator[int]:
    async with echo_server(is_direct=request.param) as number:
        yield number


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, MAX_FRAME])
async def test_a_text_of_any_size_up_to_the_limit_comes_back(port: int, size: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}/", compression=None) as ws:
        await ws.send("x" * size)
        assert await ws.recv() == "x" * size


async def test_one_byte_more_than_the_limit_is_1009(port: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}/", compression=None) as ws:
        await ws.send("x" * (MAX_FRAME + 1))
        with pytest.raises(ConnectionClosed) as closed:
            await ws.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


async def test_a_message_in_fragments_is_one_message(port: int) -> None:
    async def parts() -> AsyncIterator[str]:
        for part in ("fr", "ag", "", "mented"):
            yield part

    async with connect(f"ws://127.0.0.1:{port}/", compression=None) as ws:
        await ws.send(parts())
        assert await ws.recv() == "fragmented"
        await ws.send("and on")
        assert await ws.recv() == "and on"


async def test_a_ping_between_fragments_is_answered_and_the_message_stays_whole(port: int) -> None:
    async with raw(port) as client:
        client.writer.write(client_frame(1, b"a", fin=False) + client_frame(9, b"p") + client_frame(0, b"b"))
        assert await client.frame() == (10, b"p")
        assert await client.frame() == (1, b"ab")


async def test_fragments_that_exceed_the_limit_together_are_1009(port: int) -> None:
    async with raw(port) as client:
        half = b"x" * (MAX_FRAME // 2 + 1)
        client.writer.write(client_frame(1, half, fin=False) + client_frame(0, half))
        assert await client.close_code() == 1009


async def test_who_is_still_talking_when_it_ends_reads_why() -> None:
    more = client_frame(0, b"x" * 4096, fin=False) * 16
    async with echo_server(is_direct=True) as port, raw(port) as client:
        client.writer.write(client_frame(1, b"x" * MAX_FRAME, fin=False) + client_frame(0, b"x", fin=False))
        for _ in range(64):
            client.writer.write(more)
            await client.writer.drain()
        assert await client.close_code() == 1009
        async with asyncio.timeout(4):  # and the server does not wait for anything more
            assert await client.reader.read() == b""


async def test_binary_messages_are_told_apart(port: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}/", compression=None) as ws:
        await ws.send(b"\x00\xff")
        assert await ws.recv() == "00ff"


async def test_frames_that_come_byte_by_byte_are_whole_frames(port: int) -> None:
    async with raw(port) as client:
        for byte in client_frame(1, b"one") + client_frame(1, b"y" * 300) + client_frame(1, b"three"):
            client.writer.write(bytes([byte]))
            await client.writer.drain()
        assert [await client.frame() for _ in range(3)] == [(1, b"one"), (1, b"y" * 300), (1, b"three")]


async def test_many_frames_in_one_segment_come_back_in_order(port: int) -> None:
    async with raw(port) as client:
        client.writer.write(b"".join(client_frame(1, str(number).encode()) for number in range(200)))
        assert [int((await client.frame())[1]) for _ in range(200)] == list(range(200))


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (client_frame(1, b"x", masked=False), 1002),
        (client_frame(1, b"x", rsv=0x40), 1002),
        (client_frame(3, b"x"), 1002),
        (client_frame(9, b"x" * 126), 1002),
        (client_frame(9, b"x", fin=False), 1002),
        (client_frame(0, b"x"), 1002),
        (client_frame(8, struct.pack("!H", 1005)), 1002),
        (client_frame(8, b"x"), 1002),
        (client_frame(8, struct.pack("!H", 4001) + b"bye"), 4001),
        (client_frame(8, b""), 1005),
    ],
    ids=[
        "not masked",
        "reserved bit",
        "unknown opcode",
        "long ping",
        "ping in fragments",
        "continuation of nothing",
        "reserved close code",
        "close of one byte",
        "a proper close",
        "an empty close",
    ],
)
async def test_a_bad_frame_ends_the_connection_with_the_right_code(port: int, bad: bytes, code: int) -> None:
    async with raw(port) as client:
        client.writer.write(client_frame(1, b"before"))
        assert await client.frame() == (1, b"before")
        client.writer.write(bad)
        assert await client.close_code() == code


async def test_what_was_said_before_a_close_in_the_same_segment_is_answered_first() -> None:
    async with echo_server(is_direct=True) as port, raw(port) as client:
        client.writer.write(client_frame(1, b"before") + client_frame(8, b""))
        assert await client.frame() == (1, b"before")
        assert await client.close_code() == 1005


async def test_a_frame_cut_in_two_segments_right_after_the_handshake_is_served(port: int) -> None:
    async with raw(port) as client:
        frame = client_frame(1, b"early")
        client.writer.write(frame[:3])
        await client.writer.drain()
        client.writer.write(frame[3:])
        assert await client.frame() == (1, b"early")


async def test_the_server_closes_with_its_own_code_after_what_was_queued(port: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}/", compression=None) as ws:
        await ws.send("first")
        await ws.send("close")
        assert await ws.recv() == "first"
        with pytest.raises(ConnectionClosed) as closed:
            await ws.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4010


async def test_a_reader_that_does_not_read_is_closed_and_costs_bounded_memory(port: int) -> None:
    before = CLOSES[4008]
    async with raw(port) as client:
        client.writer.write(client_frame(1, b"flood"))
        received, op = 0, 1
        async with asyncio.timeout(20):
            while CLOSES[4008] == before:  # noqa: ASYNC110 the buffers of the kernel and of the server fill up
                await asyncio.sleep(0.005)  # noqa: TID251
        while op == 1:
            op, payload = await client.frame()
            received += len(payload)
        assert op == 8
        assert int.from_bytes(payload[:2], "big") == 4008
        assert CLOSES[4008] == before + 1
        assert received < 32 * 1024 * 1024


async def test_a_reader_that_reads_gets_more_at_once_than_may_wait_for_it(port: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}/", compression=None) as ws:
        for _ in range(3):
            await ws.send("burst")
            assert sum([len(await ws.recv()) for _ in range(32)]) == 32 * 65536


async def test_how_a_connection_was_ended_is_counted_once(port: int) -> None:
    before = CLOSES[4010]
    async with raw(port) as client:
        client.writer.write(client_frame(1, b"close"))
        assert await client.close_code() == 4010
    assert CLOSES[4010] == before + 1


async def test_what_the_parent_ends_is_counted_too() -> None:
    async with echo_server(is_direct=True) as port:
        before = CLOSES[1009], CLOSES[1002]
        for frame, code in ((client_frame(1, b"x" * (MAX_FRAME + 1)), 1009), (client_frame(1, b"x", rsv=0x40), 1002)):
            async with raw(port) as client:
                client.writer.write(frame)
                assert await client.close_code() == code
        assert (CLOSES[1009], CLOSES[1002]) == (before[0] + 1, before[1] + 1)


async def test_others_get_theirs_when_one_connection_dies_in_the_middle(port: int) -> None:
    async with raw(port) as dead, connect(f"ws://127.0.0.1:{port}/", compression=None) as ws:
        dead.writer.write(client_frame(1, os.urandom(4).hex().encode()) * 50)
        dead.writer.transport.abort()
        for number in range(50):
            await ws.send(str(number))
            assert await ws.recv() == str(number)
