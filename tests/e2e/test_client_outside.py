"""`goim.client` on its way to a server elsewhere: whom it trusts, and by which proxy it goes."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from goim.client import Timing, Unreachable
from goim.client.http import Http
from goim.client.link import Link
from goim.client.login import Login
from goim.clock import SystemClock
from tests.outbound.test_http import certificate
from tests.process import free_port
from tests.receiver import receiving

PATIENCE = 20.0


def asking(url: str) -> contextlib.aclosing[Http]:
    return contextlib.aclosing(Http(url, SystemClock(), 5.0))


@pytest.mark.parametrize("by", ["the machine", "Mozilla"])
async def test_a_server_is_trusted_alike_over_http_and_over_websockets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    path = certificate(tmp_path, "localhost")
    if by == "Mozilla":
        monkeypatch.setattr("certifi.where", lambda: str(path))
    else:
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(path)
    async with receiving(context=serving) as receiver, asking(f"https://localhost:{receiver.port}") as http:
        await http.tell("/api/anything", {})
    came = asyncio.Event()

    async def connected(_: ServerConnection) -> None:
        came.set()

    async with serve(connected, "127.0.0.1", 0, ssl=serving) as server, asyncio.timeout(PATIENCE):
        url = f"https://localhost:{next(iter(server.sockets)).getsockname()[1]}"
        async with asking(url) as http, asyncio.TaskGroup() as tasks:
            login = Login(http, username="", password="", token="t", refresh_token="", device_id="d")
            running = tasks.create_task(Link(url, login, "d", SystemClock(), Timing()).run())
            await came.wait()
            running.cancel()


async def test_no_proxy_is_taken_to_where_none_shall_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("no_proxy", "0.0.0.0")
    async with receiving() as receiver, asking(f"http://0.0.0.0:{receiver.port}") as http:
        await http.tell("/api/anything", {})


async def test_who_cannot_be_trusted_is_told_as_such(tmp_path: Path) -> None:
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate(tmp_path, "localhost"))
    async with receiving(context=serving) as receiver, asking(f"https://localhost:{receiver.port}") as http:
        with pytest.raises(Unreachable, match=r"its certificate: self-signed certificate: SSL_CERT_FILE=ca\.pem"):
            await http.tell("/api/anything", {})
