"""Whatever a client sends over HTTP, it gets a problem with a code of the contract, and the server goes on."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from goim.gateway import server
from tests.client import Person, World
from tests.node import started_node

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENCE = 20.0
DEEP = b"[" * 100_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ann(town: World) -> Person:
    return await town.person()


async def requested(person: Person, method: str, path: str, **more: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {person.token}"} | more.pop("headers", {})
    return await person.http.request(method, path, headers=headers, **more)


def check_problem(answer: httpx.Response, status: int, code: str) -> None:
    """RFC 9457, with the code that goes with the status."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    problem = answer.json()
    assert (problem["status"], problem["code"], problem["type"]) == (status, code, "about:blank")
    assert problem["title"]
    assert problem["detail"]


BAD_BODIES: list[bytes] = [
    b"",
    b" ",
    b"{",
    b"null",
    b"5",
    b'"x"',
    b"[]",
    b"{}",
    b'{"username":"x"}',
    b'{"username":5,"password":"12345678"}',
    b'{"username":["x"],"password":"12345678"}',
    b'{"username":"\\ud800","password":"12345678"}',
    b'{"username":"\xff","password":"12345678"}',
    b'\xef\xbb\xbf{"username":"x","password":"12345678"}',
    b'{"username":"x","password":"12345678"}x',
    b"username=x&password=12345678",
    DEEP,
    b'{"a":' * 20_000,
]


@pytest.mark.parametrize("body", BAD_BODIES, ids=lambda body: repr(body[:30]))
@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", "text/plain", "nonsense"])
async def test_a_body_that_is_not_what_the_route_takes_is_invalid(ann: Person, body: bytes, kind: str) -> None:
    answer = await ann.http.post("/api/login", content=body, headers={"content-type": kind})
    check_problem(answer, 400, "INVALID")


async def test_brackets_within_a_payload_are_invalid(ann: Person) -> None:
    for nested in (DEEP, b"[" * 60_000 + b"]" * 60_000):
        body = b'{"to":"x","type":"custom","payload":{"x":' + nested + b"}}"
        check_problem(await requested(ann, "POST", "/api/messages", content=body), 400, "INVALID")


async def test_a_huge_body_is_too_large_whether_its_length_is_told_or_not(ann: Person) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(300):
            yield b"x" * 1024

    for content in (b"x" * 300_000, chunks()):
        check_problem(await requested(ann, "POST", "/api/messages", content=content), 413, "TOO_LARGE")
    assert (await ann.get("/api/users/me"))["userId"] == ann.user_id


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nope", 404, "NOT_FOUND"),
        ("GET", "/api/nope", 404, "NOT_FOUND"),
        ("POST", "/api/users/me/nope", 404, "NOT_FOUND"),
        ("GET", "//api/users/me", 404, "NOT_FOUND"),
        ("GET", "/api/users/a%2Fb", 404, "NOT_FOUND"),
        ("GET", "/api/users/%00", 404, "NOT_FOUND"),
        ("GET", "/api/users/%ff%fe", 404, "NOT_FOUND"),
        ("GET", "/api/users/" + "x" * 5000, 404, "NOT_FOUND"),
        ("GET", "/api/groups/" + "x" * 5000, 404, "NOT_FOUND"),
        ("POST", "/api/groups/%00/join", 404, "NOT_FOUND"),
        ("GET", "/schema/assets/..%2f..%2froutes.py", 404, "NOT_FOUND"),
        ("GET", "/schema/assets/nope.js", 404, "NOT_FOUND"),
        ("PATCH", "/api/users/me", 405, "UNSUPPORTED"),
        ("POST", "/healthz", 405, "UNSUPPORTED"),
        ("GET", "/api/login", 405, "UNSUPPORTED"),
        ("GET", "/ws", 426, "UNSUPPORTED"),
        ("POST", "/ws", 426, "UNSUPPORTED"),
        ("GET", "/api/users/search", 400, "INVALID"),
        ("GET", "/api/users/search?q=", 400, "INVALID"),
        ("GET", "/api/friends?limit=0", 400, "INVALID"),
        ("GET", "/api/friends?limit=many", 400, "INVALID"),
        ("GET", "/api/friends?offset=-1", 400, "INVALID"),
        ("GET", f"/api/friends?offset={10**30}", 400, "INVALID"),
        ("GET", "/api/conversations?cursor=nonsense", 400, "INVALID"),
        ("GET", "/api/conversations?cursor=" + "A" * 5000, 400, "INVALID"),
        ("GET", "/api/messages/history", 400, "INVALID"),
        ("GET", f"/api/messages/history?convId=x&fromSeq={10**30}", 400, "INVALID"),
        ("GET", f"/api/messages/history?convId=x&limit={10**30}", 400, "INVALID"),
        ("GET", "/api/messages/history?convId=%00", 404, "NOT_FOUND"),
        ("GET", "/api/presence", 400, "INVALID"),
    ],
    ids=lambda part: str(part)[:60],
)
async def test_a_wrong_request_is_a_problem(ann: Person, method: str, path: str, status: int, code: str) -> None:
    check_problem(await requested(ann, method, path), status, code)


async def test_a_wrong_method_is_told_the_right_ones(ann: Person) -> None:
    assert (await requested(ann, "PATCH", "/api/users/me")).headers["allow"].split(", ") == ["GET", "PUT", "DELETE"]


@pytest.mark.parametrize(
    "authorization",
    [
        b"",
        b"Bearer",
        b"Basic YTpi",
        b"Bearer x",
        b"Bearer a.b.c",
        b"Bearer " + b"x" * 20_000,
        b"Bearer \xff",
    ],
    ids=lambda value: repr(value[:12]),
)
async def test_what_is_no_token_is_unauthorized(ann: Person, authorization: bytes) -> None:
    answer = await requested(ann, "GET", "/api/users/me", headers={"Authorization": authorization})
    check_problem(answer, 401, "UNAUTHORIZED")
    assert answer.headers["www-authenticate"].startswith("Bearer")


JUNK: list[Any] = [None, 5, 2**63, 10**30, 1.5, True, "", "\x00", "x" * 5000, [], {}, [[]], {"x": "\x00"}]


async def test_no_route_breaks_whatever_it_is_sent(ann: Person) -> None:
    """Every field of every body and every parameter with everything in it: never a 500."""
    description = (await ann.http.get("/schema/openapi.json")).json()
    schemas = description["components"]["schemas"]
    operations = {
        (method.upper(), path): operation
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
        if path != "/api/logout"
    }
    assert len(operations) > 40
    for (method, path), operation in operations.items():
        bodies = [json.dumps(body) for body in bodies_for(operation, schemas)]
        asked = [(filled(path, id_), bodies[0]) for id_ in IDS] + [(filled(path, "x"), body) for body in bodies]
        for target, body in dict.fromkeys(asked):
            answer = await requested(ann, method, target, content=body)
            assert answer.status_code < 500, (method, target, body, answer.text)


IDS = ("x", "%00", "x" * 300, "group%3Ax", "%F0%9F%98%80")


def filled(path: str, id_: str) -> str:
    return "/".join(id_ if part.startswith("{") else part for part in path.split("/"))


def bodies_for(operation: Any, schemas: Any) -> list[Any]:
    """Junk as the whole body, and in each of its fields in turn."""
    if "requestBody" not in operation:
        return [None]
    schema = next(iter(operation["requestBody"]["content"].values()))["schema"]
    name = schema.get("$ref", "").rpartition("/")[2]
    fields = schemas[name]["properties"] if name in schemas else {}
    good = dict.fromkeys(fields, "x") | {"payload": {"text": "hi"}, "type": "text", "seq": 1}
    return [*JUNK, *(good | {field: junk} for field in fields for junk in JUNK)]


@contextlib.asynccontextmanager
async def connected(world: World) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A bare connection, to say things by halves."""
    host, port = world.base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        async with asyncio.timeout(PATIENCE):
            yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
HALVES = {
    "nothing at all": b"",
    "half a request line": b"GET /heal",
    "half a head": GET[:-2],
    "half a handshake": b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
    "half a second head": GET + GET[:-2],
    "half a body": b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{",
}


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES.keys())
async def test_who_says_half_of_something_is_cut_off_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: bytes
) -> None:
    for name in ("_HEAD_SECONDS", "_BODY_SECONDS"):  # time enough for a busy machine to say that half in
        monkeypatch.setattr(server, name, 1.0)
    async with started_node(tmp_path) as (_, world), connected(world) as (reader, writer):
        writer.write(half)
        everything = await reader.read()
        assert everything.split(b"\r\n\r\n")[-2].split(b"\r\n")[0].endswith(b"HTTP/1.1 400 Bad Request")
        monkeypatch.undo()
        assert (await (await world.http()).get("/healthz")).status_code == 200


async def test_who_sends_a_body_byte_by_byte_is_cut_off_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_BODY_SECONDS", 0.5)
    async with started_node(tmp_path) as (_, world), connected(world) as (reader, writer):
        writer.write(b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        answer = asyncio.get_running_loop().create_task(reader.readuntil(b"\r\n"))  # what follows may be a reset
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE * 2):
                while not answer.done():
                    writer.write(b"x")
                    await asyncio.wait([answer], timeout=0.05)
        assert await answer == b"HTTP/1.1 400 Bad Request\r\n"


@pytest.mark.parametrize(
    ("every", "size", "comes_through"),
    [
        (0.5, 1500, True),  # 24 kbit/s, without a rest
        (29, 15_000, True),  # with long rests
        (2, 1000, True),
        (31, 1_000_000, False),
        (2, 950, False),
        (29, 1, False),
    ],
)
async def test_a_body_may_be_slow_and_may_rest_but_not_both_for_ever(
    every: float, size: int, comes_through: bool
) -> None:
    left, passed = 30.0, 0.0
    while every < left and passed < 86_400:
        left, passed = server.time_left(left - every, size), passed + every
    assert (passed >= 86_400) is comes_through


async def test_a_head_that_never_ends_is_refused_early(town: World, ann: Person) -> None:
    async with connected(town) as (_, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionError):
            for number in range(10_000):
                writer.write(b"x-%d: %s\r\n" % (number, b"y" * 1000))
                await writer.drain()
        assert number < 9_999, "ten megabytes of a head were taken"
    assert (await ann.get("/api/users/me"))["userId"] == ann.user_id


async def test_half_a_body_and_a_silent_head_do_not_keep_others_waiting(town: World, ann: Person) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for half in HALVES.values():
            _, writer = await stack.enter_async_context(connected(town))
            writer.write(half)
        assert (await ann.get("/api/users/me"))["userId"] == ann.user_id
