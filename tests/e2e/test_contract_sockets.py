"""WebSockets as the contract has them: who may connect and how, and every way in which a connection ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from tests.client import Person, Refused, World
from tests.e2e.conftest import BOTH_WAYS
from tests.e2e.wire import socket_of
from tests.gateway.raw import client_frame
from tests.node import started_node

pytestmark = [pytest.mark.asyncio(loop_scope="module"), BOTH_WAYS]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ann(town: World) -> Person:
    return await town.person()


@pytest.fixture
def is_direct(request: pytest.FixtureRequest) -> bool:
    """Which way the module's tests run now: for nodes with settings of their own."""
    return "direct" in request.node.callspec.id.split("-")


def opened(town: World, query: str = "", **more: Any) -> connect:
    return connect(town.base_url.replace("http", "ws", 1) + "/ws" + query, proxy=None, **more)


async def served(ws: ClientConnection) -> bool:
    await ws.send('{"action":"ping"}')
    async with asyncio.timeout(20):
        return bool(json.loads(await ws.recv())["action"] == "pong")


async def refused(town: World, query: str = "", **more: Any) -> tuple[int, str]:
    """The plain HTTP status and the code of a handshake that is turned down."""
    with pytest.raises(InvalidStatus) as error:
        await opened(town, query, **more)
    response = error.value.response
    assert response.headers["content-type"] == "application/problem+json"
    problem = json.loads(response.body or b"")
    assert problem["status"] == response.status_code
    return response.status_code, problem["code"]


# the handshake


async def test_a_token_comes_as_header_query_or_subprotocol(town: World, ann: Person) -> None:
    async with opened(town, additional_headers={"Authorization": f"Bearer {ann.token}"}) as ws:
        assert await served(ws)
        assert ws.subprotocol is None
    async with opened(town, additional_headers={"authorization": f"bearer {ann.token}"}) as ws:
        assert await served(ws)
    async with opened(town, f"?token={ann.token}&deviceId=phone") as ws:
        assert await served(ws)
    protocol = Subprotocol(f"bearer.{ann.token}")
    async with opened(town, subprotocols=[Subprotocol("chat"), protocol]) as ws:
        assert await served(ws)
        assert ws.subprotocol == protocol, "the server echoes it"


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "x" * 5000, "{good}x", "é"])
async def test_a_bad_token_is_401_before_the_upgrade(town: World, ann: Person, token: str) -> None:
    token = token.format(good=ann.token)
    assert await refused(town, f"?token={token}") == (401, "UNAUTHORIZED")
    if token.isascii():
        headers = {"Authorization": f"Bearer {token}".strip()}
        assert await refused(town, additional_headers=headers) == (401, "UNAUTHORIZED")
    if token.isascii() and token:
        protocol = Subprotocol(f"bearer.{token}")
        assert await refused(town, subprotocols=[protocol]) == (401, "UNAUTHORIZED")
    assert await refused(town) == (401, "UNAUTHORIZED")


async def test_a_device_id_is_made_where_none_is_given(town: World) -> None:
    ann = await town.person()
    async with opened(town, f"?token={ann.token}") as one, opened(town, f"?token={ann.token}") as two:
        assert await served(one)
        assert await served(two)
        devices = (await ann.get("/api/users/me/devices"))["devices"]
        assert len({device["deviceId"] for device in devices}) == 2
    assert await refused(town, f"?token={ann.token}&deviceId={'x' * 65}") == (400, "INVALID")
    async with opened(town, f"?token={ann.token}&deviceId={'x' * 64}") as ws:
        assert await served(ws)


@pytest.mark.parametrize("origin", ["https://evil.test", "null", "http://127.0.0.1", "http://127.0.0.1:1"])
async def test_pages_of_other_origins_may_not_connect(town: World, ann: Person, origin: str) -> None:
    assert await refused(town, f"?token={ann.token}", origin=origin) == (403, "FORBIDDEN")


async def test_pages_of_our_own_origin_may_connect(town: World, ann: Person) -> None:
    async with opened(town, f"?token={ann.token}", origin=town.base_url) as ws:
        assert await served(ws)


async def test_pages_of_an_allowed_origin_may_connect(town: World, is_direct: bool, tmp_path: Path) -> None:
    server = {"allowed_origins": ["https://chat.test"]}
    async with started_node(tmp_path, is_direct=is_direct, server=server) as (_, world):
        ann = await world.person()
        async with opened(world, f"?token={ann.token}", origin="https://chat.test") as ws:
            assert await served(ws)
        assert await refused(world, f"?token={ann.token}", origin="https://chat.test.evil") == (403, "FORBIDDEN")


@pytest.mark.parametrize("path", ["/", "/ws/", "/nope", "/api/users/me"])
async def test_a_socket_elsewhere_is_refused(town: World, ann: Person, path: str) -> None:
    url = town.base_url.replace("http", "ws", 1) + path
    headers = {"Authorization": f"Bearer {ann.token}"}
    if path == "/ws/":
        async with connect(url, proxy=None, additional_headers=headers) as ws:
            assert await served(ws)
        return
    with pytest.raises(InvalidStatus) as error:
        await connect(url, proxy=None, additional_headers=headers)
    assert 400 <= error.value.response.status_code < 500


# requests and answers


async def test_every_request_gets_one_answer_with_its_id(town: World) -> None:
    ann, bob = await town.circle(2)
    sent = await ann.post("/api/messages", {"to": bob.user_id, "type": "text", "payload": {"text": "hi"}})
    conv = {"convId": sent["convId"]}
    group = await ann.post("/api/groups", {"name": "us"})
    requests: list[tuple[str, Any, str]] = [
        ("send", {"to": bob.user_id, "type": "text", "payload": {"text": "hi"}}, "ack"),
        ("send", {"to": "nobody", "type": "text", "payload": {"text": "hi"}}, "error"),
        ("recall", conv | {"serverMsgId": sent["serverMsgId"]}, "ack"),
        ("recall", conv | {"serverMsgId": "none"}, "error"),
        ("read", conv | {"seq": 1}, "read_ack"),
        ("subscribe_group", {"groupId": group["groupId"]}, "subscribed"),
        ("subscribe_group", {"groupId": "none"}, "error"),
        ("sync", {"convs": [conv]}, "synced"),
        ("typing", conv | {"typing": True}, "ack"),
        ("ping", {}, "pong"),
        ("dance", {}, "error"),
    ]
    async with opened(town, f"?token={ann.token}") as ws:
        for number, (action, data, _) in enumerate(requests):
            await ws.send(json.dumps({"action": action, "data": data, "id": f"r{number}", "unknown": {"field": 1}}))
            await ws.send(json.dumps({"action": action, "data": data | {"unknown": 1}}))
        answers = [json.loads(await ws.recv()) for _ in range(2 * len(requests))]
        await ws.send('{"action":"ping","id":"last"}')
        assert json.loads(await ws.recv())["id"] == "last", "nothing was answered twice"
    by_id = {answer["id"]: answer["action"] for answer in answers if "id" in answer}
    assert by_id == {f"r{number}": reply for number, (_, _, reply) in enumerate(requests)}
    anonymous = sorted(answer["action"] for answer in answers if "id" not in answer)
    assert anonymous == sorted(reply for _, _, reply in requests)


async def test_null_is_as_good_as_nothing_said(town: World) -> None:
    async with opened(town, f"?token={(await town.person()).token}") as ws:
        for _ in range(20):
            await ws.send('{"action":"ping","data":null,"id":null}')
            pong = json.loads(await ws.recv())
            assert (pong["action"], pong["id"]) == ("pong", None)


async def test_typing_is_acked_with_nothing_and_pong_with_the_time(town: World) -> None:
    ann, bob = await town.circle(2)
    sent = await ann.post("/api/messages", {"to": bob.user_id, "type": "text", "payload": {"text": "hi"}})
    device = await town.device(ann)
    assert await device.ask("typing", {"convId": sent["convId"], "typing": True}) == {}
    assert (await device.ask("ping")).keys() == {"timestamp"}


# limits


async def test_who_sends_too_fast_is_told_when_to_go_on_and_nothing_is_stored(
    town: World, is_direct: bool, tmp_path: Path
) -> None:
    limits = {"send_qps": 0.05, "send_burst": 3}
    async with started_node(tmp_path, is_direct=is_direct, ws=limits) as (_, world):
        ann, bob = await world.friends("ann", "bob")
        phone, laptop, bobs = (
            await world.device(ann, "phone"),
            await world.device(ann, "laptop"),
            await world.device(bob),
        )
        for _ in range(3):
            await phone.ask("send", ann.text(bob, "hi"))
        with pytest.raises(Refused) as error:
            await phone.ask("send", ann.text(bob, "too much", clientMsgId="m4"))
        assert (error.value.code, error.value.data["clientMsgId"]) == ("RATE_LIMIT", "m4")
        assert 0 < error.value.data["retryAfterMs"] <= 20_000
        assert "timestamp" in await phone.ask("ping"), "the connection stays"
        assert (await laptop.ask("send", ann.text(bob, "hi")))["seq"] == 4, "each device has its own"
        assert len(await bobs.quiet()) == 4
        headers = {"Authorization": f"Bearer {ann.token}"}
        for _ in range(3):
            await ann.post("/api/messages", ann.text(bob, "hi"))
        answer = await ann.http.post("/api/messages", json=ann.text(bob, "hi"), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (429, "RATE_LIMIT")
        assert 0 < answer.json()["retryAfterMs"] <= 20_000
        assert 1 <= int(answer.headers["retry-after"]) <= 20


async def test_edits_and_reactions_are_limited_apart_from_sends_and_recalls_are_not(
    town: World, is_direct: bool, tmp_path: Path
) -> None:
    limits = {"send_qps": 0.01, "send_burst": 4}
    async with started_node(tmp_path, is_direct=is_direct, ws=limits) as (_, world):
        ann, bob = await world.friends("ann", "bob")
        phone, bobs = await world.device(ann, "phone"), await world.device(bob)
        sent = await phone.ask("send", ann.text(bob, "hi"))
        place = {"convId": sent["convId"], "serverMsgId": sent["serverMsgId"]}
        for text in ("hey", "hello", "good morning"):
            await phone.ask("edit", {**place, "payload": {"text": text}})
        await phone.ask("react", {**place, "emoji": "👍"})
        for action, more in (("edit", {"payload": {"text": "no"}}), ("react", {"emoji": "👎"})):
            with pytest.raises(Refused) as error:
                await phone.ask(action, {**place, **more})
            assert error.value.code == "RATE_LIMIT"
            assert error.value.data["retryAfterMs"] > 0
        assert (await phone.ask("send", ann.text(bob, "more")))["seq"] == 2
        assert (await phone.ask("recall", place))["change"] == 5
        assert [push["action"] for push in await bobs.quiet()] == [
            "message",
            "edited",
            "edited",
            "edited",
            "reaction",
            "message",
            "recalled",
        ]
        sent = await ann.post("/api/messages", ann.text(bob, "over HTTP"))
        body = {"convId": sent["convId"], "serverMsgId": sent["serverMsgId"], "payload": {"text": "edited"}}
        for _ in range(4):
            await ann.post("/api/messages/edit", body)
        with pytest.raises(Refused, match="RATE_LIMIT"):
            await ann.post("/api/messages/edit", body)


async def test_a_reader_that_does_not_read_is_closed_and_finds_the_rest_by_sync(
    town: World, is_direct: bool, tmp_path: Path
) -> None:
    async with started_node(tmp_path, is_direct=is_direct, gateway={"send_queue_bytes": 65536}) as (_, world):
        ann, bob = await world.friends("ann", "bob")
        anns, other = await world.device(ann), await world.device(bob)
        async with socket_of(world, bob, receive_buffer=4096) as slow:
            sent = 0
            while "4008" not in await closes(ann.http) and sent < 800:
                for _ in range(8):
                    ack = await anns.ask("send", ann.text(bob, "x" * 60_000))
                conv_id, sent = ack["convId"], ack["seq"]
                await other.ask("ping")  # it has read everything
            seqs, (op, payload) = [], await slow.frame()
            while op == 1:
                seqs.append(json.loads(payload)["data"]["seq"])
                op, payload = await slow.frame()
            assert (op, int.from_bytes(payload[:2], "big")) == (8, 4008)
        assert seqs == list(range(1, len(seqs) + 1)), "in order up to where it was cut"
        assert len(seqs) < sent
        everything = [push["data"] for push in await other.quiet() if push["action"] == "message"]
        assert [message["seq"] for message in everything] == list(range(1, sent + 1)), "others miss nothing"
        at = {"convId": conv_id, "fromSeq": len(seqs)}
        (rest,) = (await other.ask("sync", {"convs": [at], "limit": 1}))["convs"]
        assert (rest["messages"][0]["seq"], rest["lastSeq"]) == (len(seqs) + 1, sent)


async def closes(http: httpx.AsyncClient) -> str:
    """The close codes that the server has used, as its metrics tell."""
    text = (await http.get("/metrics")).text
    return "\n".join(line for line in text.splitlines() if line.startswith("im_closes_total"))


@pytest_asyncio.fixture(loop_scope="module")
async def nervous(is_direct: bool, tmp_path: Path) -> AsyncIterator[World]:
    """A node that pings often and waits little: longer than a busy machine takes for an answer."""
    pings = {"ping_interval": 0.1, "ping_timeout": 2.0}
    async with started_node(tmp_path, is_direct=is_direct, gateway=pings) as (_, world):
        yield world


async def test_a_silent_connection_is_ended_and_an_answering_one_is_not(town: World, nervous: World) -> None:
    ann = await nervous.person()
    async with opened(nervous, f"?token={ann.token}&deviceId=awake") as ws, socket_of(nervous, ann) as silent:
        op = 9
        while op == 9:
            op, _ = await silent.frame()
        assert op == 8
        assert await served(ws)
        devices = (await ann.get("/api/users/me/devices"))["devices"]
        assert [device["deviceId"] for device in devices if device["online"]] == ["awake"]


async def test_a_close_is_answered_and_the_device_is_offline(town: World) -> None:
    ann = await town.person()
    async with socket_of(town, ann) as client:
        client.writer.write(client_frame(8, (1000).to_bytes(2, "big")))
        assert await client.close_code() == 1000
        assert await client.reader.read() == b""
    assert [device["online"] for device in (await ann.get("/api/users/me/devices"))["devices"]] == [False]
