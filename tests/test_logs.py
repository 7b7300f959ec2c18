"""What the server says about itself reads well and gives no secret away."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest
import structlog
import uvicorn
import websockets
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope

from goim import logs

TOKEN = jwt.encode({"sub": "alice", "sid": "s1"}, "0123456789abcdefghijklmnopqrstuvwxyz")


@pytest.fixture(autouse=True)
def logging_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """And without what a node that an earlier test started keeps out of the log."""
    monkeypatch.setattr(logging.getLogger("uvicorn.error"), "filters", [])
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("line", "clean"),
    [
        (f'"WebSocket /ws?token={TOKEN}&deviceId=d1" [accepted]', '"WebSocket /ws?token=***&deviceId=d1" [accepted]'),
        ("GET /ws?deviceId=d1&token=opaque-7 HTTP/1.1", "GET /ws?deviceId=d1&token=*** HTTP/1.1"),
        (f"Authorization: Bearer {TOKEN}", "Authorization: Bearer ***"),
        ("authorization: bearer opaque/7+x=", "authorization: bearer ***"),
        (f"sec-websocket-protocol: bearer.{TOKEN}, chat", "sec-websocket-protocol: bearer.***, chat"),
        ("sec-websocket-protocol: bearer.opaque, chat", "sec-websocket-protocol: bearer.***, chat"),
        (f"cannot read {TOKEN}!", "cannot read ***!"),
        ('{"refreshToken":"abc def","userId":"u"}', '{"refreshToken":"***","userId":"u"}'),
        (r'{"event":"body {\"password\": \"a b\\\"c\"} end"}', None),
        ("login(password='hun ter2', name='a')", "login(password='***', name='a')"),
        ("POST refresh_token=abc&x=1", "POST refresh_token=***&x=1"),
        ("GET /files/a.png?expires=1&sig=abcdef", "GET /files/a.png?expires=1&sig=***"),
        ("IM_JWT_SECRET=hunter2", "IM_JWT_SECRET=***"),
    ],
)
def test_secrets_are_taken_out_of_a_line(line: str, clean: str | None) -> None:
    if clean is not None:
        assert logs.scrub(line) == clean
    for secret in (TOKEN, "opaque", "hunter2", "hun ter2", "abc", "a b"):
        assert secret not in logs.scrub(line)


@pytest.mark.parametrize(
    "line", ["invalid token: signature expired", "tokens=", "the secret is short", "user=ann sign=1"]
)
def test_lines_that_only_talk_about_secrets_stay(line: str) -> None:
    assert logs.scrub(line) == line


@pytest.mark.timeout(10)
@pytest.mark.parametrize("piece", ["a-", "-eyJ", "token", 'token="', "token\\\\", "bearer ", "secret='"])
def test_a_long_line_from_a_stranger_costs_no_time(piece: str) -> None:
    logs.scrub("/ws?deviceId=" + piece * (65536 // len(piece)))


async def answer(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Accepts every socket but those at /no, and says nothing over HTTP."""
    if scope["type"] == "websocket":
        await receive()
        if scope["path"] == "/no":
            await send({"type": "websocket.close", "code": 1000, "reason": ""})
        else:
            await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
            await send({"type": "websocket.close", "code": 1000, "reason": ""})
    else:
        await send({"type": "http.response.start", "status": 204, "headers": [], "trailers": False})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def talk_to_real_uvicorn() -> None:
    config = uvicorn.Config(answer, port=0, log_config=None, lifespan="off", ws="websockets-sansio")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with websockets.connect(f"ws://127.0.0.1:{port}/ws?token={TOKEN}&deviceId=d1") as socket:
            await socket.wait_closed()
        with pytest.raises(websockets.InvalidStatus):
            await websockets.connect(f"ws://127.0.0.1:{port}/no?token={TOKEN}")
        async with httpx.AsyncClient(headers={"authorization": f"Bearer {TOKEN}"}) as client:
            await client.get(f"http://127.0.0.1:{port}/api?token={TOKEN}")
    finally:
        await server.shutdown()


@pytest.mark.parametrize("style", ["text", "json"])
async def test_the_lines_of_a_real_uvicorn_come_out_clean(style: Any) -> None:
    stream = io.StringIO()
    logs.configure("info", style, stream=stream)
    async with asyncio.timeout(20):
        await talk_to_real_uvicorn()
    told = stream.getvalue()
    for path in ("/ws?token=***&deviceId=d1", "/no?token=***", "/api?token=***"):
        assert path in told
    assert TOKEN not in told
    assert "eyJ" not in told


def test_json_is_one_object_a_line_with_the_fields_beside_the_event() -> None:
    stream = io.StringIO()
    logs.configure("info", "auto", stream=stream)
    structlog.get_logger("goim.test").info("started", port=8080, name="你好")
    logging.getLogger("uvicorn.error").warning("took %d ms", 7)
    ours, theirs = (json.loads(line) for line in stream.getvalue().splitlines())
    assert ours.pop("time").endswith("Z")
    assert ours == {"event": "started", "level": "info", "logger": "goim.test", "port": 8080, "name": "你好"}
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("took 7 ms", "warning", "uvicorn.error")


def test_lines_below_the_level_are_not_written() -> None:
    stream = io.StringIO()
    logs.configure("warning", "json", stream=stream)
    structlog.get_logger("goim.test").info("quiet")
    logging.getLogger("uvicorn.access").info("quiet")
    structlog.get_logger("goim.test").warning("loud")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["loud"]


@pytest.mark.parametrize("style", ["text", "json"])
def test_a_traceback_is_scrubbed_and_shows_no_local_variables(style: Any) -> None:
    stream = io.StringIO()
    logs.configure("info", style, stream=stream)
    body = "what alice wrote to bob"
    try:
        raise ValueError(f"no session for token={TOKEN}", len(body))
    except ValueError:
        structlog.get_logger("goim.test").exception("failed")
    told = stream.getvalue()
    assert "Traceback" in told
    assert "no session for token=***" in told
    assert TOKEN not in told
    assert body not in told


def test_warnings_are_logged_too() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", stream=stream)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old thing", stacklevel=1)
    assert "old thing" in json.loads(stream.getvalue())["event"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_text_in_colour_unless_it_does_not_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for no_color, has_colour in (("", True), ("1", False)):
        monkeypatch.setenv("NO_COLOR", no_color)
        stream = Terminal()
        logs.configure("info", "auto", stream=stream)
        structlog.get_logger("goim.test").info("started", port=8080)
        assert "started" in stream.getvalue()
        assert not stream.getvalue().startswith("{")
        assert ("\x1b[" in stream.getvalue()) is has_colour


def test_colours_hide_no_secret_from_the_scrubbing() -> None:
    stream = Terminal()
    logs.configure("info", "auto", stream=stream)
    structlog.get_logger("goim.test").info("refused", refreshToken="opaque-7", subject=TOKEN, path=f"/ws?token={TOKEN}")
    assert "refreshToken" in stream.getvalue()
    assert "opaque-7" not in stream.getvalue()
    assert TOKEN not in stream.getvalue()
