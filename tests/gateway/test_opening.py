"""The handshake: who gets a direct connection, who is answered by uvicorn, and what becomes of those who are early."""

from __future__ import annotations

import asyncio
import json

import pytest
from websockets.asyncio.client import connect

from tests.gateway.echo import ENDED, GATE, echo_server
from tests.gateway.raw import Raw, client_frame, raw

HEAD = {
    "Host": "x",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


def head(changes: dict[str, str | None], *, start: str = "GET / HTTP/1.1", more: str = "") -> bytes:
    """A request as everybody sends it, with headers changed, left out (None) or added."""
    lines = [f"{name}: {value}" for name, value in (HEAD | changes).items() if value is not None]
    return "\r\n".join([start, *lines]).encode() + b"\r\n" + more.encode() + b"\r\n"


async def status_of(port: int, request: bytes) -> tuple[int, str]:
    """The status of the answer; and how the connection is carried, if it was accepted."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(20):
            writer.write(request)
            line = await reader.readuntil(b"\r\n\r\n")
            status = int(line.split()[1])
            if status != 101:
                return status, ""
            writer.write(client_frame(1, b"way?"))
            return status, (await Raw(reader, writer).frame())[1].decode()
    finally:
        writer.close()


USUAL = [
    head({}),
    head({"Connection": "keep-alive, Upgrade", "Upgrade": "WebSocket"}),
    head({"Sec-WebSocket-Protocol": "one, two", "Sec-WebSocket-Extensions": "permessage-deflate"}),
    head({}, start="GET /?token=a%20b HTTP/1.1"),
]


@pytest.mark.parametrize("request_", USUAL)
async def test_who_asks_as_everybody_does_gets_a_direct_connection(request_: bytes) -> None:
    async with echo_server(is_direct=True) as port:
        assert await status_of(port, request_) == (101, "direct")


ODD = {
    "no key": (head({"Sec-WebSocket-Key": None}), 400),
    "a short key": (head({"Sec-WebSocket-Key": "c2hvcnQ="}), 400),
    "no base64": (head({"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZ!=="}), 400),
    "two keys": (head({}, more="Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), 400),
    "no version": (head({"Sec-WebSocket-Version": None}), 400),
    "two versions": (head({}, more="Sec-WebSocket-Version: 8\r\n"), 400),
    "another method": (head({}, start="PUT / HTTP/1.1"), 405),
    "two connections": (head({"Connection": "keep-alive"}, more="Connection: Upgrade\r\n"), 101),
}


@pytest.mark.parametrize(("request_", "status"), ODD.values(), ids=ODD)
async def test_who_asks_otherwise_is_answered_as_uvicorn_does(request_: bytes, status: int) -> None:
    async with echo_server(is_direct=True) as direct, echo_server(is_direct=False) as plain:
        wanted = (status, "plain" if status == 101 else "")
        assert await status_of(direct, request_) == wanted
        assert await status_of(plain, request_) == wanted


@pytest.mark.parametrize("version", ["8", "14", "8, 13", ""])
@pytest.mark.parametrize("is_direct", [True, False])
async def test_who_asks_for_another_version_is_told_which_there_is(version: str, is_direct: bool) -> None:
    async with echo_server(is_direct=is_direct) as port, asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head({"Sec-WebSocket-Version": version}))
        lines, body = (await reader.read()).decode().split("\r\n\r\n")
        writer.close()
    told = dict(line.lower().split(": ") for line in lines.splitlines()[1:])
    assert lines.startswith("HTTP/1.1 426 ")
    assert (told["sec-websocket-version"], told["upgrade"], told["connection"]) == ("13", "websocket", "close")
    assert (told["content-type"], json.loads(body)["code"]) == ("application/problem+json", "UNSUPPORTED")


async def test_other_places_than_ours_are_served_plainly() -> None:
    async with echo_server(is_direct=True) as port:
        assert await status_of(port, head({}, start="GET /elsewhere HTTP/1.1")) == (101, "plain")


async def test_what_comes_before_the_101_is_kept_until_then() -> None:
    async with echo_server(is_direct=True) as port, connect(f"ws://127.0.0.1:{port}/", compression=None) as other:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(20):
            writer.write(head({}, start="GET /?wait HTTP/1.1"))
            await GATE.reached.wait()
            early = client_frame(1, b"early") + client_frame(1, b"in two")
            writer.write(early[:-3])
            await writer.drain()
            await other.send("meanwhile")
            assert await other.recv() == "meanwhile"
            GATE.opened.set()
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
            client = Raw(reader, writer)
            assert await client.frame() == (1, b"early")
            writer.write(early[-3:])
            assert await client.frame() == (1, b"in two")
            writer.close()


@pytest.mark.parametrize("is_direct", [True, False], ids=["direct", "asgi"])
@pytest.mark.parametrize(
    "last",
    [client_frame(8, b""), client_frame(1, b"close"), client_frame(1, b"x", rsv=0x40), None],
    ids=["the client's close", "the server's close", "a bad frame", "the socket"],
)
async def test_the_end_is_told_once_whoever_makes_it(is_direct: bool, last: bytes | None) -> None:
    async with echo_server(is_direct=is_direct) as port:
        before = ENDED["echo"]
        async with raw(port) as client:
            client.writer.write(client_frame(1, b"here"))
            assert await client.frame() == (1, b"here")
            if last is None:
                client.writer.transport.abort()
            else:
                client.writer.write(last)
                await client.close_code()
            async with asyncio.timeout(20):
                while ENDED["echo"] == before:  # noqa: ASYNC110 it is told by a call
                    await asyncio.sleep(0.005)  # noqa: TID251
    assert ENDED["echo"] == before + 1
