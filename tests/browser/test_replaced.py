"""What a server of the operator's puts in the place of a message is what its sender sees, too."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.browser.pages import seat
from tests.node import started_node
from tests.receiver import Got, receiving

pytestmark = pytest.mark.asyncio(loop_scope="session")
SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()


def decide(got: Got) -> tuple[int, bytes]:
    text = got.json()["data"]["payload"]["text"].replace("damn", "d—n")
    return 200, json.dumps({"action": "replace", "payload": {"text": text}}).encode()


async def test_what_is_replaced_is_shown_as_it_is_stored_without_a_reload(tmp_path: Path, browser: Browser) -> None:
    async with receiving() as moderator:
        moderator.answer = decide
        hooks = {"before_send": moderator.url("/ask"), "secrets": SECRET, "allow_private": ["127.0.0.1"]}
        async with started_node(tmp_path, hooks=hooks | {"before_send_timeout": 20}) as (_, people):
            ann, bob = await people.friends("ann", "bob")
            await bob.post("/api/messages", bob.text(ann, "hi"))
            async with seat(browser, people.base_url, ann) as hers:
                await hers.open("bob")
                await hers.say("damn it")
                await expect(hers.message("d—n it")).to_be_visible()
                await expect(hers.row("bob")).to_contain_text("d—n it")
                await hers.field.press("ArrowUp")
                await hers.say("damn, damn")
                await expect(hers.message("d—n, d—n")).to_be_visible()
                await expect(hers.messages).to_have_text(["hi", "d—n, d—n"])
