"""Refusals over HTTP: one form for all, the right status and headers, and never a word about the inside."""

from __future__ import annotations

import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from structlog.testing import capture_logs

from goim.errors import HTTP_STATUS, ErrorCode, GoimError, StoreDown
from goim.rest.errors import refusal_of
from tests.client import Api, World
from tests.fake_clock import FakeClock
from tests.node import started_node


async def _as(person: Api, method: str, path: str, **request: Any) -> httpx.Response:
    return await person.http.request(method, path, headers={"Authorization": f"Bearer {person.token}"}, **request)


def _check_problem(answer: httpx.Response, code: ErrorCode, status: int | None = None) -> dict[str, Any]:
    problem: dict[str, Any] = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["code"], answer.status_code) == (code, status or HTTP_STATUS[code]), problem
    assert problem["status"] == answer.status_code
    assert problem["type"] == "about:blank"
    assert problem["title"] == HTTPStatus(answer.status_code).phrase
    assert problem["detail"]
    return problem


BAD_BODIES = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"x"',
    b"{}",
    b'{"friendId":1}',
    b'{"friendId":null}',
    b'{"friendId":"x","remark":7}',
    b'{"friendId":"\xff"}',
    b'{"friendId":"\\ud800"}',
    b"[" * 100_000,
    b'{"a":' * 20_000,
]


async def test_a_body_that_is_not_what_the_route_takes_is_invalid(people: World) -> None:
    alice = await people.person()
    for body in BAD_BODIES:
        _check_problem(await _as(alice, "POST", "/api/friends", content=body), ErrorCode.INVALID)


async def test_unknown_fields_are_ignored_and_the_content_type_does_not_matter(people: World) -> None:
    one, other = await people.person(), await people.person()
    body = json.dumps({"friendId": other.user_id, "color": "blue", "nested": {"x": [1]}}).encode()
    answer = await _as(one, "POST", "/api/friends", content=body)
    assert answer.json() == {"status": "pending"}


async def test_a_parameter_out_of_range_is_invalid_and_named(people: World) -> None:
    alice = await people.person()
    for query in ("limit=0", "limit=-1", "limit=x", "limit=1.5", "offset=-1", "offset=99999999999999999999"):
        problem = _check_problem(await _as(alice, "GET", f"/api/friends?{query}"), ErrorCode.INVALID)
        assert query.partition("=")[0] in problem["detail"]


async def test_a_missing_parameter_is_named(people: World) -> None:
    alice = await people.person()
    for path, name in (("users/search", "q"), ("presence", "userIds"), ("messages/history", "convId")):
        problem = _check_problem(await _as(alice, "GET", f"/api/{path}"), ErrorCode.INVALID)
        assert problem["detail"] == f"{name} is missing"


async def test_a_parameter_is_called_what_clients_call_it(people: World) -> None:
    answer = await _as(await people.person(), "GET", "/api/messages/history?convId=c1&fromSeq=x")
    assert _check_problem(answer, ErrorCode.INVALID)["detail"].startswith("fromSeq: ")


async def test_no_such_route_is_not_found(people: World) -> None:
    _check_problem(await (await people.http()).get("/api/nonsense"), ErrorCode.NOT_FOUND)


async def test_the_wrong_method_is_told_the_right_ones(people: World) -> None:
    answer = await (await people.http()).delete("/api/login")
    _check_problem(answer, ErrorCode.UNSUPPORTED, 405)
    assert answer.headers["allow"] == "POST"
    answer = await (await people.http()).post("/api/users/me")
    assert answer.headers["allow"] == "GET, PUT, DELETE"


async def test_a_body_of_more_than_256_kib_is_too_large(people: World) -> None:
    body = b'{"friendId":"' + b"x" * 256 * 1024 + b'"}'
    _check_problem(await _as(await people.person(), "POST", "/api/friends", content=body), ErrorCode.TOO_LARGE)


async def test_a_limit_says_when_to_try_again(tmp_path: Path) -> None:
    async with started_node(tmp_path, clock=FakeClock()) as (_, world):
        alice = await world.person()
        body = {"username": alice.username, "password": "wrong horse"}
        answers = [await alice.http.post("/api/login", json=body) for _ in range(11)]
    for answer in answers[:10]:
        _check_problem(answer, ErrorCode.BAD_CREDENTIALS)
        assert "www-authenticate" in answer.headers
    problem = _check_problem(answers[10], ErrorCode.RATE_LIMIT)
    assert 0 < problem["retryAfterMs"] <= 6000
    assert 1 <= int(answers[10].headers["retry-after"]) <= 6


async def test_a_conflict_of_conversations_names_the_pairs_own(people: World) -> None:
    one, other = await people.friends(None, None)
    message = {"convType": "c2c", "to": other.user_id, "type": "text", "payload": {"text": "hi"}}
    own = (await one.post("/api/messages", message))["convId"]
    answer = await _as(one, "POST", "/api/messages", json=message | {"convId": "another"})
    assert _check_problem(answer, ErrorCode.CONV_CONFLICT)["convId"] == own


async def test_a_dead_database_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with started_node(tmp_path) as (node, world):
        alice = await world.person()

        async def fail(*_: object) -> None:
            raise StoreDown("/var/lib/goim/data.db: disk I/O error")

        monkeypatch.setattr(node.services.accounts, "me", fail)
        problem = _check_problem(await _as(alice, "GET", "/api/users/me"), ErrorCode.UNAVAILABLE)
        assert "data.db" not in json.dumps(problem)


async def test_what_nobody_thought_of_is_internal_logged_and_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started_node(tmp_path) as (node, world):
        alice = await world.person()

        async def fail(*_: object) -> None:
            raise KeyError("a secret of the house")

        monkeypatch.setattr(node.services.accounts, "get", fail)
        structlog.reset_defaults()
        with capture_logs() as logs:
            answer = await _as(alice, "GET", "/api/users/somebody")
        problem = _check_problem(answer, ErrorCode.INTERNAL)
        assert "secret" not in json.dumps(problem)
        (entry,) = [entry for entry in logs if entry["event"] == "request_failed"]
        assert isinstance(entry["exc_info"], KeyError)
        assert (entry["method"], entry["route"]) == ("GET", "/api/users/{user_id}")
        assert alice.token not in str(entry)


@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_code_has_a_status_and_keeps_its_words(code: ErrorCode) -> None:
    error = GoimError(code, "why not")
    assert refusal_of(error) is error
    assert 400 <= HTTP_STATUS[code] < 600
