"""The reading path: one message enters the files that `docs/development.md` names, in that order, and a second node."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from goim.app.ground import Ground
from goim.app.office import Office
from goim.app.storage import Stores, open_stores
from goim.bus.memory import MemoryBus, MemoryHub
from goim.clock import SystemClock
from goim.gateway.connection import Connection
from goim.model.users import Login, User
from goim.protocol.close_codes import CloseCode
from goim.protocol.frames import Frame, body_of
from tests.fake_clock import FakeClock
from tests.node import node_settings, started_node

PACKAGE = Path(__file__).parents[1] / "goim"
PAGE = Path(__file__).parents[1] / "docs/development.md"


def reading_path() -> list[str]:
    """What the page names but `websocket.py`: that has handed the connection to the direct protocol by then."""
    section = PAGE.read_text().partition("## The way of a message")[2].partition("\n## ")[0]
    return [name for name in re.findall(r"`goim/([\w/]+\.py)`", section) if name != "gateway/websocket.py"]


class Trace:
    """Which of the path's files were entered, in the order of the first time."""

    def __init__(self, path: list[str]) -> None:
        self.files: list[str] = []
        self._path = path

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        if event != "call":
            return
        path = Path(frame.f_code.co_filename)
        if PACKAGE in path.parents:
            name = str(path.relative_to(PACKAGE))
            if name in self._path and name not in self.files:
                self.files.append(name)


async def test_a_message_goes_through_the_files_of_the_reading_path_in_order(tmp_path: Path) -> None:
    """On a clock that stands still, so that nothing but the message happens."""
    async with started_node(tmp_path, clock=FakeClock()) as (_, people):
        ann, bob = await people.friends("ann", "bob")
        phone, other = await people.device(ann), await people.device(bob)
        await phone.ask("send", ann.text(bob, "so that everything is remembered"))
        await other.push("message")
        path = reading_path()
        trace = Trace(path)
        sys.setprofile(trace)
        try:
            await phone.ask("send", ann.text(bob, "follow me"))
            await other.push("message", lambda data: data["payload"]["text"] == "follow me")
        finally:
            sys.setprofile(None)
    assert trace.files == path


class Wire:
    """The transport of a connection without a socket."""

    queued_bytes = 0

    def __init__(self) -> None:
        self.came: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def start(self, listener: object) -> None: ...

    def send_frame(self, frame: Frame) -> None:
        self.came.put_nowait(json.loads(body_of(frame)))

    def close(self, code: CloseCode) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...


async def test_it_goes_on_to_a_second_node_by_the_bus(tmp_path: Path) -> None:
    settings, hub = node_settings(tmp_path), MemoryHub()
    async with open_stores(settings) as stores:
        here, there = (Office(Ground(settings, stores, MemoryBus(hub), SystemClock())) for _ in range(2))
        await _friends(stores)
        async with here.working(), there.working(), here.tasks, there.tasks:
            ann, bob = _connect(here, "ann"), _connect(there, "bob")
            data = {"convType": "c2c", "to": "bob", "type": "text", "payload": {"text": "over there"}}
            ann[0].receive(json.dumps({"action": "send", "data": data}).encode(), is_text=True)
            async with asyncio.timeout(20):
                ack, message = await ann[1].came.get(), await bob[1].came.get()
    assert ack["action"] == "ack"
    assert (message["action"], message["data"]["payload"]) == ("message", {"text": "over there"})
    assert message["data"]["serverMsgId"] == ack["data"]["serverMsgId"]


def _connect(office: Office, user_id: str) -> tuple[Connection, Wire]:
    wire = Wire()
    connection = Connection(
        Login(user_id, f"session-{user_id}", None), "phone", wire, "wire", office.services, office.tasks
    )
    office.services.delivery.attach(connection)
    office.services.delivery.enter_groups(connection, [])
    return connection, wire


async def _friends(stores: Stores) -> None:
    for one, other in (("ann", "bob"), ("bob", "ann")):
        await stores.users.add(User(user_id=one, username=one, nickname=one, password_hash="", created_at=1))
        await stores.friends.add_half(one, other, None, 1)
