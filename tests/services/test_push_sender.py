"""A push service that does not answer takes no places of others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from goim.model.push import PushDevice, PushKind
from goim.model.users import Session
from goim.model.web_push import new_private_key, private_key
from goim.outbound.guard import Guard
from goim.outbound.http import HttpPoster
from goim.services.courier import Failure
from goim.services.push_sender import WebPushSender
from goim.stores.base_outbox import Parcel
from goim.stores.memory_accounts import MemorySessions
from goim.stores.memory_data import MemoryData
from goim.stores.memory_push import MemoryPushDevices
from tests.e2e.browser import Browser
from tests.fake_clock import FakeClock
from tests.receiver import receiving

DOWN = Failure("RemoteProtocolError: Server disconnected without sending a response.")
PAUSED = Failure("its push service did not answer lately")


async def _stands(_user_id: str, _conv_id: str, _seq: int) -> bool:
    return True


class Post:
    """A sender, and devices at several push services."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        data = MemoryData()
        self.sessions = MemorySessions(data)
        self.devices = MemoryPushDevices(data)
        self.poster = HttpPoster(Guard(["127.0.0.1"]))
        key = private_key(new_private_key())
        self.sender = WebPushSender(
            self.devices, _stands, self.poster, self.clock, key, "mailto:ops@goim.test", timeout=30, ttl=60
        )

    async def register(self, device_id: str, endpoint: str) -> None:
        keys: Any = Browser(endpoint).registration()["keys"]
        session = Session(
            session_id=device_id,
            user_id="ann",
            device_id=None,
            refresh_hash="",
            created_at=0,
            expires_at=self.clock.now_ms() + 10**9,
        )
        await self.sessions.add(session)
        device = PushDevice(
            user_id="ann",
            device_id=device_id,
            session_id=device_id,
            kind=PushKind.WEBPUSH,
            address=endpoint,
            created_at=0,
            **keys,
        )
        assert await self.devices.put(device, 9)

    async def push(self, device_id: str) -> Failure | None:
        now = self.clock.now_ms()
        body = '{"type":"message","convId":"c","seq":1}'
        return await self.sender.deliver(Parcel("e", "web_push", f"ann/{device_id}", "push", body, now, now))


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    made = Post()
    async with made.poster.running():
        yield made


async def test_after_three_times_without_an_answer_it_is_asked_once_in_thirty_seconds(post: Post) -> None:
    async with receiving() as silent, receiving() as well:
        silent.answer = lambda _: None
        await post.register("phone", silent.url())
        await post.register("laptop", well.url())
        assert [await post.push("phone") for _ in range(5)] == [DOWN, DOWN, DOWN, PAUSED, PAUSED]
        assert await post.push("laptop") is None
        post.clock.advance(30)
        assert list(await asyncio.gather(post.push("phone"), post.push("phone"))) == [DOWN, PAUSED]
        silent.answer = lambda _: (204, b"")
        post.clock.advance(30)
        assert [await post.push("phone") for _ in range(3)] == [None, None, None]
        assert len(silent.got) == 7


async def test_a_device_that_is_not_registered_any_more_is_sent_nothing(post: Post) -> None:
    async with receiving() as well:
        await post.register("phone", well.url())
        await post.sessions.end(["phone"])
        failure = await post.push("phone")
        assert failure is not None
        assert failure.is_final
        assert well.got == []
