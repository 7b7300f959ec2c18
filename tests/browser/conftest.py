"""Two Chromiums for all tests that a process runs, and a node for those of a module."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.browser.pages import PATIENCE
from tests.client import World
from tests.node import started_node

expect.set_options(timeout=PATIENCE)

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
# Cameras that show a clock, microphones that hear a beep each second; whoever asks for one gets it. The second camera
# is one for depth, of which nothing is sent in a call; the third is as the first.
DEVICES = [
    "--use-fake-device-for-media-stream=device-count=3",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
]


@contextlib.asynccontextmanager
async def chromium(*arguments: str) -> AsyncIterator[Browser]:
    """Debian's Chromium, driven by Playwright."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium: apt install chromium")
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *arguments])
        yield started
        await started.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One for all tests: each has profiles of its own in it (`seat`), and all run in the session's event loop."""
    async with chromium() as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def equipped() -> AsyncIterator[Browser]:
    """One with cameras and microphones."""
    async with chromium(*DEVICES) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A running node for all tests of a module: each brings people of its own."""
    async with started_node(tmp_path_factory.mktemp("town"), webrtc={"stun_servers": []}) as (_, world):
        yield world
