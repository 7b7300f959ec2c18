"""Whatever a client sends over its socket, it gets a clear error or close code, and the server goes on."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect

from goim.actions.table import ACTIONS
from tests.client import PATIENCE, Device, Envelope, Person, World
from tests.e2e.conftest import BOTH_WAYS
from tests.e2e.wire import socket_of
from tests.gateway.raw import client_frame

pytestmark = [pytest.mark.asyncio(loop_scope="module"), BOTH_WAYS]

LIMIT = 128 * 1024
DEEP = "[" * 100_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(town: World) -> tuple[Person, Person]:
    """One who sends what nobody should, and a friend who must not notice."""
    ann, bob = await town.circle(2)
    return ann, bob


@pytest_asyncio.fixture(loop_scope="module")
async def friend(town: World, pair: tuple[Person, Person]) -> AsyncIterator[Device]:
    """Somebody else's socket: still served when the test is over."""
    async with town.online(pair[1]) as device:
        yield device
        assert "timestamp" in await device.ask("ping")


@pytest_asyncio.fixture(loop_scope="module")
async def ws(town: World, pair: tuple[Person, Person], friend: Device) -> AsyncIterator[ClientConnection]:
    """A bare socket, to send anything and read what comes."""
    async with bare(town, pair[0]) as opened:
        yield opened


def bare(town: World, person: Person) -> connect:
    headers = {"Authorization": f"Bearer {person.token}"}
    url = town.base_url.replace("http", "ws", 1)
    return connect(f"{url}/ws", additional_headers=headers, compression=None, proxy=None)


async def answer(ws: ClientConnection) -> Envelope:
    async with asyncio.timeout(PATIENCE):
        envelope: Envelope = json.loads(await ws.recv())
        return envelope


async def refusal(ws: ClientConnection, text: str | bytes) -> Envelope:
    """The answer to something that is refused; the connection stays open and answers what comes next."""
    await ws.send(text)
    refused = await answer(ws)
    assert refused["action"] == "error", refused
    assert refused["data"]["message"]
    await ws.send('{"action":"ping","id":"after"}')
    assert (await answer(ws))["id"] == "after"
    return refused


async def close_code(ws: ClientConnection) -> int:
    async with asyncio.timeout(PATIENCE):
        await ws.wait_closed()
    return ws.close_code or 0


NOT_ENVELOPES = [
    "",
    " ",
    "ping",
    "{",
    '{"action":"ping"',
    '{"action":"ping"}x',
    '{"action":"ping",}',
    "{'action':'ping'}",
    '{"action":"ping","id":01}',
    '{"action":"ping","id":-}',
    '\ufeff{"action":"ping"}',
    '{"action":"ping","data":{"x":"\x00"}}',
    "null",
    "5",
    '"ping"',
    "[]",
    '[{"action":"ping"}]',
    "{}",
    '{"data":{}}',
    '{"action":null}',
    '{"action":5}',
    '{"action":["ping"]}',
    '{"action":"ping","id":{}}',
    '{"action":"ping","id":[1]}',
    '{"action":"ping","id":true}',
    DEEP,
    DEEP + "]" * 30_000,
    '{"action":' * 10_000,
]


@pytest.mark.parametrize("text", NOT_ENVELOPES, ids=lambda text: repr(text[:30]))
async def test_what_is_no_envelope_is_invalid(ws: ClientConnection, text: str) -> None:
    refused = await refusal(ws, text)
    assert refused["data"]["code"] == "INVALID"
    assert "id" not in refused


@pytest.mark.parametrize("name", ["dance", "", "Ping", "ping ", "auth", "__class__", "x" * 10_000, "\x00"])
async def test_an_unknown_action_is_unsupported(ws: ClientConnection, name: str) -> None:
    refused = await refusal(ws, json.dumps({"action": name, "id": 7, "data": 5}))
    assert (refused["id"], refused["data"]["code"]) == (7, "UNSUPPORTED")
    assert refused["data"]["action"] == name[:64]


async def test_an_action_that_is_no_text_keeps_its_id(ws: ClientConnection) -> None:
    assert (await refusal(ws, '{"action":5,"id":7}'))["id"] == 7
    assert (await refusal(ws, '{"id":7}'))["id"] == 7


NO_DATA: list[Any] = [None, [], "x", 5, {}]
TEXT: Envelope = {"type": "text", "payload": {"text": "hi"}}
WRONG_DATA: list[tuple[str, Any]] = [
    *((name, data) for name in ("send", "read", "recall", "sync", "typing") for data in NO_DATA),
    ("ping", 5),
    ("send", {"convId": "c1", "type": "text"}),
    ("send", {"convId": "c1", "payload": {"text": "hi"}}),
    ("send", {"convId": "c1", "type": 5, "payload": {"text": "hi"}}),
    ("send", {"convId": 5} | TEXT),
    ("send", {"convId": "c1", "convType": "room"} | TEXT),
    ("send", {"to": ["x"]} | TEXT),
    ("send", {"to": "x" * 65} | TEXT),
    ("send", TEXT),
    ("send", {"convType": "group"} | TEXT),
    ("send", {"to": "x", "clientMsgId": 5} | TEXT),
    ("send", {"to": "x", "clientMsgId": "x" * 129} | TEXT),
    ("send", {"to": "x", "expireAtMs": "soon"} | TEXT),
    ("send", {"to": "x", "expireAtMs": 1} | TEXT),
    ("send", {"to": "x", "expireAtMs": -1} | TEXT),
    ("send", {"to": "x", "mentions": "all"} | TEXT),
    ("send", {"to": "x", "burnAfterRead": 1} | TEXT),
    ("read", {"convId": "c1", "seq": "1"}),
    ("read", {"convId": "c1", "seq": 1.5}),
    ("read", {"convId": "c1", "seq": True}),
    ("read", {"convId": "c1", "seq": None}),
    ("read", {"convId": "c1", "seq": -1}),
    ("recall", {"convId": "c1", "serverMsgId": 5}),
    ("subscribe_group", {"groupId": 5}),
    ("sync", {"convs": {}}),
    ("sync", {"convs": ["c1"]}),
    ("sync", {"convs": [{"convId": "c1", "fromSeq": "0"}]}),
    ("sync", {"convs": [{"convId": "c1"}] * 201}),
    ("sync", {"convs": [], "limit": 0}),
    ("sync", {"convs": [], "limit": "all"}),
    ("typing", {"convId": "c1", "typing": "yes"}),
]


@pytest.mark.parametrize(("name", "data"), WRONG_DATA, ids=lambda part: str(part)[:40])
async def test_data_that_is_not_what_the_action_takes_is_invalid(ws: ClientConnection, name: str, data: Any) -> None:
    refused = await refusal(ws, json.dumps({"action": name, "id": "mine", "data": data}))
    assert (refused["id"], refused["data"]["code"], refused["data"]["action"]) == ("mine", "INVALID", name)


async def test_a_refusal_repeats_the_client_msg_id(ws: ClientConnection) -> None:
    data: Envelope = {"to": "x", "clientMsgId": "m1", "type": "text", "payload": {"text": 5}}
    assert (await refusal(ws, json.dumps({"action": "send", "data": data})))["data"]["clientMsgId"] == "m1"
    data = {"to": 5, "clientMsgId": "m2"}
    assert (await refusal(ws, json.dumps({"action": "send", "data": data})))["data"]["clientMsgId"] == "m2"


@pytest.mark.parametrize("id_", ["null", '"a"', '""', '"\\u4f60"', "0", "-1", "1.50", "1e3", "12345678901234567890123"])
async def test_an_id_comes_back_as_it_was_written(ws: ClientConnection, id_: str) -> None:
    for action in ("ping", "dance", "read"):
        await ws.send(f'{{"action":"{action}","id":{id_}}}')
        async with asyncio.timeout(PATIENCE):
            assert f'"id":{id_}' in str(await ws.recv())


JUNK: list[Any] = [
    None, True, 0, -1, 1.5, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**30, "", "x", "\x00", "x" * 5000, [], [1], {}
]  # fmt: skip


async def test_no_value_of_any_field_breaks_an_action(town: World, friend: Device) -> None:
    """Every answer is a good one or says what is wrong: never that something went wrong here."""
    ann, bob = await town.circle(2)
    to: Envelope = {"convType": "c2c", "to": bob.user_id}
    async with bare(town, ann) as ws:
        await _try_everything(ws, to)


async def _try_everything(ws: ClientConnection, to: Envelope) -> None:
    sent = (await asked_all(ws, [("send", to | TEXT | {"convId": "c1"})]))[0]["data"]
    stream = (await asked_all(ws, [("start_stream", to | {"type": "stream", "payload": {"text": ""}})]))[0]["data"]
    good = sent | stream | TEXT | {"groupId": "g", "convs": [{"convId": "c1"}], "emoji": "x", "typing": True, "to": "x"}
    requests: list[tuple[str, Any]] = []
    for request, action in ACTIONS.items():
        fields = fields_of(request)
        usual = {name: good.get(name, "x") for name, is_needed in fields.items() if is_needed or name == "convId"}
        requests += [(action.name, usual | {name: junk}) for name in fields for junk in JUNK]
    within = [{"convId": "c1", name: junk} for name in ("convId", "fromSeq", "fromChange") for junk in JUNK]
    requests += [("sync", {"convs": [conv]}) for conv in within]
    answers = await asked_all(ws, requests)
    assert len(requests) > 400
    broken = [requests[number] for number, reply in answers.items() if reply["data"].get("code") == "INTERNAL"]
    assert broken == []


def fields_of(request: type) -> dict[str, bool]:
    """The fields of an action's data as they are called on the wire, and whether there must be one."""
    data = next(field.type for field in msgspec.structs.fields(request) if field.name == "data")
    if not isinstance(data, type):
        return {}  # a ping's: nothing, or null
    return {field.encode_name: field.required for field in msgspec.structs.fields(data)}


async def asked_all(ws: ClientConnection, requests: list[tuple[str, Any]]) -> dict[int, Envelope]:
    """Send everything at once and wait for all answers; chunks of a stream need not be answered."""
    for number, (action, data) in enumerate(requests):
        await ws.send(json.dumps({"action": action, "id": number, "data": data}))
    missing = {number for number, (action, _) in enumerate(requests) if action != "stream_chunk"}
    answers: dict[int, Envelope] = {}
    while missing:
        reply = await answer(ws)
        if "id" in reply:
            assert reply["id"] not in answers, "answered twice"
            answers[reply["id"]] = reply
            missing.discard(reply["id"])
    return answers


@pytest.mark.parametrize("seq", ["9" * 5000, "-" + "9" * 5000, "1e400", "1" + "0" * 100_000])
async def test_a_number_beyond_all_measure_is_invalid(ws: ClientConnection, seq: str) -> None:
    refused = await refusal(ws, f'{{"action":"read","id":1,"data":{{"convId":"c1","seq":{seq}}}}}')
    assert refused["data"]["code"] == "INVALID"
    payload = f'{{"url":"u","width":{seq}}}'
    refused = await refusal(ws, f'{{"action":"send","data":{{"to":"x","type":"image","payload":{payload}}}}}')
    assert refused["data"]["code"] in ("INVALID", "TOO_LARGE")


async def test_brackets_within_a_payload_are_invalid(ws: ClientConnection) -> None:
    for nested in (DEEP, "[" * 60_000 + "]" * 60_000, '{"a":' * 20_000 + "1" + "}" * 20_000):
        payload = f'{{"x":{nested}}}'
        text = f'{{"action":"send","data":{{"to":"x","type":"custom","payload":{payload}}}}}'
        assert (await refusal(ws, text))["data"]["code"] == "INVALID"


async def test_a_frame_is_nested_at_most_500_deep(ws: ClientConnection, pair: tuple[Person, Person]) -> None:
    frame = f'{{"action":"send","data":{{"to":"{pair[1].user_id}","type":"custom","payload":{{"x":%s}}}}}}'
    depth = 500 - 3  # the envelope, its data and the payload are deep already
    await ws.send(frame % ("[" * depth + "]" * depth))
    assert (await answer(ws))["action"] == "ack"
    refused = await refusal(ws, frame % ("[" * (depth + 1) + "]" * (depth + 1)))
    assert (refused["data"]["code"], "too deeply" in refused["data"]["message"]) == ("INVALID", True)


async def test_a_payload_of_64_kib_is_taken_and_one_byte_more_is_too_large(
    ws: ClientConnection, pair: tuple[Person, Person]
) -> None:
    frame = f'{{"action":"send","data":{{"to":"{pair[1].user_id}","type":"text","payload":{{"text":"%s"}}}}}}'
    room = 64 * 1024 - len('{"text":""}')
    await ws.send(frame % ("x" * room))
    assert (await answer(ws))["action"] == "ack"
    assert (await refusal(ws, frame % ("x" * (room + 1))))["data"]["code"] == "TOO_LARGE"
    assert (await refusal(ws, frame % ("é" * (room // 2 + 1))))["data"]["code"] == "TOO_LARGE", "bytes count"


async def test_a_frame_of_128_kib_is_read_and_one_byte_more_closes(ws: ClientConnection) -> None:
    assert (await refusal(ws, "x" * LIMIT))["data"]["code"] == "INVALID"
    await ws.send("x" * (LIMIT + 1))
    assert await close_code(ws) == 1009


async def test_fragments_that_are_too_large_together_close(ws: ClientConnection) -> None:
    with contextlib.suppress(Exception):
        await ws.send(part async for part in _parts(["x" * 1000] * 132))
    assert await close_code(ws) == 1009


async def test_a_binary_frame_is_invalid_and_the_connection_stays(ws: ClientConnection) -> None:
    refused = await refusal(ws, b'{"action":"ping","id":1}')
    assert refused["data"]["code"] == "INVALID"


async def test_an_envelope_in_fragments_is_an_envelope(ws: ClientConnection) -> None:
    await ws.send(part async for part in _parts('{"action":"ping","id":"你"}'))
    assert (await answer(ws))["id"] == "你"


async def _parts(texts: Any) -> AsyncIterator[str]:
    for text in texts:
        yield text


IN_PAYLOAD = b'{"action":"send","data":{"to":"x","type":"text","payload":{"text":"%s"}}}'
WRONG_UTF8 = [
    b"\xff",
    b'{"action":"ping","id":"\xfe"}',
    *(IN_PAYLOAD % bad for bad in (b"\xff\xfe", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe4\xbd")),
]


@pytest.mark.parametrize("data", WRONG_UTF8, ids=repr)
@pytest.mark.parametrize("fragments", [1, 2])
async def test_wrong_utf8_closes_the_connection(
    town: World, pair: tuple[Person, Person], friend: Device, data: bytes, fragments: int
) -> None:
    async with socket_of(town, pair[0]) as client:
        ping = client_frame(1, b'{"action":"ping"}')
        if fragments == 1:
            frames = client_frame(1, data)
        else:
            frames = client_frame(1, data[:1], fin=False) + client_frame(0, data[1:])
        client.writer.write(ping)
        op, payload = await client.frame()
        assert (op, json.loads(payload)["action"]) == (1, "pong")
        client.writer.write(frames + ping)
        assert await client.close_code() == 1007, "and nothing after it is answered"


async def test_text_with_nul_arrives_and_half_a_character_is_invalid(
    ws: ClientConnection, friend: Device, pair: tuple[Person, Person]
) -> None:
    send = '{"action":"send","data":{"to":"%s","clientMsgId":%s,"type":"%s","payload":%s}}'
    to = pair[1].user_id
    await ws.send(send % (to, '"\\u0000id"', "text", '{"text":"a\\u0000b","x":"\\ud83d\\ude00"}'))
    ack = await answer(ws)
    assert ack["data"]["clientMsgId"] == "\x00id"
    pushed = await friend.push("message", lambda message: message["clientMsgId"] == "\x00id")
    assert pushed["payload"] == {"text": "a\x00b", "x": "😀"}
    page = await pair[1].get("/api/messages/history", convId=ack["data"]["convId"])
    assert page["messages"][-1] == pushed
    for kind, payload in (
        ("text", '{"text":"\\ud800"}'),
        ("text", '{"text":"hi","more":"\\udc00"}'),
        ("custom", '{"x":["\\ud83d"]}'),
        ("custom", '{"\\ud83d":1}'),
    ):
        refused = await refusal(ws, send % (to, '"m"', kind, payload))
        assert refused["data"]["code"] == "INVALID", payload


async def test_nineteen_bad_ones_are_forgiven_and_twenty_are_not(ws: ClientConnection) -> None:
    for bad in ["{"] * 18 + [b"\x00"]:
        await ws.send(bad)
        assert (await answer(ws))["data"]["code"] == "INVALID"
    await ws.send('{"action":"dance"}')
    assert (await answer(ws))["data"]["code"] == "UNSUPPORTED", "an envelope: the count begins anew"
    for _ in range(19):
        await refusal(ws, "{")
    for _ in range(20):
        await ws.send("{")
    for _ in range(20):
        assert (await answer(ws))["data"]["code"] == "INVALID", "every one is answered"
    assert await close_code(ws) == 4002


async def test_a_flood_of_requests_is_answered_completely_and_in_order(
    ws: ClientConnection, pair: tuple[Person, Person]
) -> None:
    """While one of them is looked up in the database, hundreds more come in."""
    kinds: list[Envelope] = [
        {"action": "sync", "data": {"convs": [{"convId": "c1"}], "limit": 1}},
        {"action": "ping"},
        {"action": "typing", "data": {"convId": "nowhere", "typing": True}},
        {"action": "dance"},
    ]
    count = 1200
    for number in range(count):
        await ws.send(json.dumps(kinds[number % len(kinds)] | {"id": number, "pad": "x" * 500}))
    answers = [await answer(ws) for _ in range(count)]
    assert sorted(envelope["id"] for envelope in answers) == list(range(count))
    known = [envelope["id"] for envelope in answers if envelope["id"] % 4 != 3]
    assert known == sorted(known)
    unknown = [envelope["id"] for envelope in answers if envelope["id"] % 4 == 3]
    assert unknown == sorted(unknown)


async def test_what_was_asked_before_leaving_does_not_disturb_others(
    town: World, pair: tuple[Person, Person], friend: Device
) -> None:
    async with socket_of(town, pair[0]) as client:
        sync = client_frame(1, b'{"action":"sync","data":{"convs":[{"convId":"c1"}]}}')
        client.writer.write(sync * 200)
        await client.frame()
        client.writer.transport.abort()
    assert "timestamp" in await friend.ask("ping")
