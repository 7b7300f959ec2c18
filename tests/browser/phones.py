"""A Chromium with a camera that shows a clock and a microphone that hears a beep each second; and one without."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, async_playwright

from tests.browser.conftest import ARGUMENTS

DEVICES = ["--use-fake-device-for-media-stream", "--allow-loopback-in-peer-connection"]
WILLING = "--use-fake-ui-for-media-stream"
"""Whoever asks for a device gets it; without, it is refused."""


@contextlib.asynccontextmanager
async def with_devices(*more: str) -> AsyncIterator[Browser]:
    """A browser that gives every page its devices."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium: apt install chromium")
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=path, args=[*ARGUMENTS, *DEVICES, WILLING, *more])
        yield browser
        await browser.close()
