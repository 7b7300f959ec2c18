"""nginx and HAProxy as `deploy/` sets them up, in front of real nodes."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.client import PASSWORD, Person, World, world
from tests.deploy.proxies import KINDS, Proxy
from tests.process import ServerProcess, free_port, running_server

BEHIND = {"IM_SERVER_TRUSTED_PROXIES": "127.0.0.1"}
BIG = 3 * 1024 * 1024


@pytest.fixture(params=KINDS)
async def behind(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Proxy, ServerProcess, World]]:
    """A node behind a proxy, and people who reach it through that."""
    tcp_port = free_port()
    limits = {"IM_AUTH_LOGIN_PER_MINUTE_PER_ADDRESS": "3", "IM_TCP_ADDR": f"127.0.0.1:{tcp_port}"}
    async with running_server(tmp_path, **BEHIND, **limits) as (node, _):
        proxy = Proxy(request.param, tmp_path / "proxy", [node.port], [tcp_port])
        monkeypatch.setenv("SSL_CERT_FILE", str(proxy.certificate))
        async with proxy.running() as url, world(url) as people:
            yield proxy, node, people


def ws_url(url: str) -> str:
    return f"{url.replace('http', 'ws', 1)}/ws"


@pytest.mark.parametrize(("kind", "check"), [("nginx", "-t"), ("haproxy", "-c")])
def test_the_proxy_finds_nothing_wrong_with_the_example(kind: str, check: str, tmp_path: Path) -> None:
    proxy = Proxy(kind, tmp_path / "proxy", [8080, 8080], [9000, 9000])
    done = subprocess.run([*proxy.configure({}), check], check=False, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr.lower()


async def test_people_log_in_talk_and_upload_through_it(behind: tuple[Proxy, ServerProcess, World]) -> None:
    proxy, node, people = behind
    alice, bob = await people.friends("alice", "bob")
    hers, his = await people.device(alice), await people.device(bob)
    await hers.ask("send", alice.text(bob, "hello"))
    assert (await his.push("message"))["payload"] == {"text": "hello"}

    form = {"file": ("big.bin", bytes(BIG), "application/octet-stream")}
    headers = {"Authorization": f"Bearer {alice.token}"}
    answer = await alice.http.post("/api/files/upload", files=form, headers=headers)
    assert answer.status_code == 201, answer.text
    assert answer.json()["size"] == BIG

    for path in ("/metrics", "/readyz"):
        assert (await alice.http.get(path)).status_code == 404
        assert (await alice.http.get(f"{node.url}{path}")).status_code == 200
    async with connect(f"{ws_url(proxy.url)}?token={alice.token}", proxy=None) as ws:
        await ws.send('{"action":"ping"}')
        await ws.recv()
    page = "https://127.0.0.1"
    async with connect(ws_url(proxy.url), additional_headers=headers, origin=f"{page}:{proxy.port}", proxy=None):  # type: ignore[arg-type]
        pass  # its own page may
    with pytest.raises(InvalidStatus, match="403"):
        async with connect(ws_url(proxy.url), additional_headers=headers, origin=page, proxy=None):  # type: ignore[arg-type]
            pass
    if proxy.kind == "haproxy":
        await logs_in_over_tcp(proxy, alice)
    assert "/ws" in proxy.logged()
    assert alice.token not in proxy.logged()


async def logs_in_over_tcp(proxy: Proxy, person: Person) -> None:
    tls = ssl.create_default_context(cafile=str(proxy.certificate))
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.tcp_port, ssl=tls)
    writer.write(f"{person.token}\n".encode())
    async with asyncio.timeout(20):
        assert json.loads(await reader.readline())["action"] == "auth_ok"
    writer.close()
    await writer.wait_closed()


async def test_logins_are_counted_for_the_address_of_the_client_whatever_it_says(
    behind: tuple[Proxy, ServerProcess, World],
) -> None:
    proxy, _, _ = behind

    async def guess(source: str, times: int) -> list[int]:
        transport = httpx.AsyncHTTPTransport(local_address=source, verify=False)
        async with httpx.AsyncClient(base_url=proxy.url, transport=transport, timeout=20) as client:
            statuses = []
            for n in range(times):
                body = {"username": f"nobody{n}", "password": PASSWORD}
                answer = await client.post("/api/login", json=body, headers={"X-Forwarded-For": f"192.0.2.{n}"})
                statuses.append(answer.status_code)
            return statuses

    assert await guess("127.0.0.2", 5) == [401, 401, 401, 429, 429]
    assert await guess("127.0.0.3", 1) == [401]


PATIENT, IMPATIENT = "6s", "1s"


async def test_a_proxy_that_is_more_patient_than_the_heartbeats_keeps_a_silent_connection(tmp_path: Path) -> None:
    """Both shortened: goim pings every 2 s. A proxy with less patience shows what that is for."""
    async with running_server(tmp_path, IM_GATEWAY_PING_INTERVAL="2s") as (node, people):
        alice = await people.person("alice")
        async with asyncio.TaskGroup() as tasks:
            for kind in KINDS:
                for patience in (PATIENT, IMPATIENT):
                    proxy = Proxy(kind, tmp_path / f"{kind}-{patience}", [node.port])
                    tasks.create_task(sits_still(proxy, alice, patience))


async def sits_still(proxy: Proxy, person: Person, patience: str) -> None:
    shorter = {r"(proxy_read_timeout|proxy_send_timeout|tunnel) +120s": rf"\1 {patience}"}
    tls = ssl.create_default_context(cafile=str(proxy.certificate))
    headers = {"Authorization": f"Bearer {person.token}"}
    async with (
        proxy.running(shorter) as url,
        connect(ws_url(url), additional_headers=headers, proxy=None, ssl=tls, ping_interval=None) as ws,
    ):
        try:
            async with asyncio.timeout(8):  # time is what is tested here
                await ws.wait_closed()
        except TimeoutError:
            assert patience == PATIENT, "it should have been ended"
            await ws.send('{"action":"ping","id":1}')
            assert json.loads(await ws.recv())["id"] == 1
        else:
            assert patience == IMPATIENT, f"it was ended: {ws.close_code}"


async def test_a_node_that_goes_gets_nobody_new_and_keeps_those_it_has_until_it_sends_them_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two nodes that know nothing of each other, so that the answer says who gave it: 101 is `going`, 401 `staying`."""
    for name in ("going", "staying"):
        (tmp_path / name).mkdir()
    async with (
        running_server(tmp_path / "going", IM_SERVER_DRAIN_SECONDS="120s") as (going, people),
        running_server(tmp_path / "staying") as (staying, others),
    ):
        alice, bob = await people.person("alice"), await others.person("bob")
        fronts = [Proxy(kind, tmp_path / kind, [going.port, staying.port]) for kind in KINDS]
        (tmp_path / "both.crt").write_text("".join(proxy.certificate.read_text() for proxy in fronts))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "both.crt"))
        async with fronts[0].running() as one, fronts[1].running() as other, people.online(alice) as hers:
            await asyncio.gather(*(until_seen(url, alice, {101, 401}) for url in (one, other)))
            going.send_signal(signal.SIGTERM)
            await asyncio.gather(*(until_seen(url, alice, {401}) for url in (one, other)))
            await until_out_of_turn(other, bob)
            await hers.ask("ping")


async def until_seen(url: str, person: Person, wanted: set[int]) -> None:
    """Ask until the last ten answers are of these kinds, all of them; nobody may ever be told to come again."""
    async with asyncio.timeout(20):
        last: list[int] = []
        while set(last[-10:]) != wanted or len(last) < 10:
            last.append(await status_of(url, person.token))
            assert last[-1] in (101, 401), last


async def until_out_of_turn(url: str, bob: Person) -> None:
    """Log in until it has worked ten times running: the node that does not know him is asked no more."""
    async with httpx.AsyncClient(base_url=url, verify=False, timeout=20) as client, asyncio.timeout(20):
        running = 0
        while running < 10:
            answer = await client.post("/api/login", json={"username": bob.username, "password": PASSWORD})
            running = running + 1 if answer.status_code == 200 else 0


async def status_of(url: str, token: str) -> int:
    """What a WebSocket handshake is answered."""
    try:
        async with connect(ws_url(url), additional_headers={"Authorization": f"Bearer {token}"}, proxy=None):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code
