"""Half an emoji, as a program writes it that cuts a text in two: refused, but as the request that it stands in."""

from __future__ import annotations

import json

import pytest

from tests.client import World
from tests.e2e.conftest import BOTH_WAYS
from tests.e2e.test_bad_input import answer, bare

pytestmark = [pytest.mark.asyncio(loop_scope="module"), BOTH_WAYS]

ID = r'cut at "\ud83d"'
HALVES = [r"\ud83d", r"\ude00", r"\ud83d\ud83d", r"\ud83dx", r"\\\ud83d\n", r"\uDBFF\u0041"]


@pytest.mark.parametrize("half", HALVES, ids=repr)
@pytest.mark.parametrize("place", [r"\ud83d\ude00", "cmid-1", "c1"], ids=["payload", "clientMsgId", "convId"])
async def test_the_refusal_has_the_id_and_is_no_abuse(town: World, half: str, place: str) -> None:
    data = {"convId": "c1", "clientMsgId": "cmid-1", "type": "text", "payload": {"text": "\U0001f600"}}
    text = json.dumps({"action": "send", "id": ID, "data": data}).replace(place, half)
    ann = await town.person()
    async with bare(town, ann) as ws:
        for _ in range(20):
            await ws.send(text)
        for _ in range(20):
            refused = await answer(ws)
            assert (refused.get("id"), refused["data"]["code"]) == (ID, "INVALID")
            assert "surrogate" in refused["data"]["message"]
            assert refused["data"]["action"] == "send"
            assert place == "cmid-1" or refused["data"]["clientMsgId"] == "cmid-1"
        await ws.send('{"action":"ping","id":"after"}')
        assert (await answer(ws))["id"] == "after"


@pytest.mark.parametrize("text", [r'{"action":"\ud83d","id":7}', r'{"action":"\ude00\ud83d","id":7,"data":{}}'])
async def test_as_an_action_it_is_an_unknown_one(town: World, text: str) -> None:
    async with bare(town, await town.person()) as ws:
        await ws.send(text)
        refused = await answer(ws)
        assert (refused.get("id"), refused["data"]["code"]) == (7, "UNSUPPORTED")
