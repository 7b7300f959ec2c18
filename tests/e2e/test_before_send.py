"""A server of yours is asked before a message is stored, by a real node over real sockets."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.client import Refused
from tests.node import presence_untold, started_node
from tests.receiver import Got, Receiver, receiving

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()


@pytest.fixture(autouse=True)
def untold() -> Iterator[None]:
    with presence_untold():
        yield


@pytest.fixture
async def moderator() -> AsyncIterator[Receiver]:
    """Allows everything, unless a text says otherwise."""
    async with receiving() as each:
        each.answer = decide
        yield each


def verdict(action: str, **more: Any) -> tuple[int, bytes]:
    return 200, json.dumps({"action": action, **more}).encode()


def text_of(got: Got) -> str:
    text: str = got.json()["data"]["payload"].get("text", "")
    return text


def decide(got: Got) -> tuple[int, bytes]:
    text = text_of(got)
    if "bad" in text:
        return verdict("deny", reason="mind your words")
    if "damn" in text:
        return verdict("replace", payload={"text": text.replace("damn", "****")})
    return verdict("allow")


def hooks(moderator: Receiver, **more: Any) -> dict[str, Any]:
    settings = {"before_send": moderator.url("/ask"), "secrets": SECRET, "allow_private": ["127.0.0.1"]}
    return settings | {"before_send_timeout": 5} | more


async def history(person: Any, conv_id: str) -> list[str]:
    page = await person.get("/api/messages/history", convId=conv_id)
    return [message["payload"]["text"] for message in page["messages"]]


async def test_messages_are_allowed_refused_and_replaced(tmp_path: Path, moderator: Receiver) -> None:
    async with started_node(tmp_path, hooks=hooks(moderator)) as (node, people):
        ann, bob = await people.friends("ann", "bob")
        phone, other = await people.device(ann), await people.device(bob)
        sent = await phone.ask("send", ann.text(bob, "hello", clientMsgId="m1"))
        [got] = moderator.got
        asked = Webhook(SECRET).verify(got.body, got.headers)
        assert asked["type"] == "message.sending"
        assert asked["data"] == {
            "convId": sent["convId"],
            "convType": "c2c",
            "from": ann.user_id,
            "to": bob.user_id,
            "type": "text",
            "payload": {"text": "hello"},
            "clientMsgId": "m1",
        }
        with pytest.raises(Refused, match="FORBIDDEN: mind your words"):
            await phone.ask("send", ann.text(bob, "bad"))
        await phone.ask("send", ann.text(bob, "damn it", mentions=[], burnAfterRead=True))
        shown = [(await other.push("message"))["payload"]["text"] for _ in range(2)]
        assert shown == ["hello", "**** it"]
        with pytest.raises(Refused, match="FORBIDDEN: mind your words"):
            await ann.post("/api/messages", ann.text(bob, "bad"))
        assert await history(bob, sent["convId"]) == ["hello", "**** it"]
        said = node.services.metrics.before_send
        assert said == {"allow": 1, "deny": 2, "replace": 1}


async def test_who_sent_what_is_replaced_is_told_after_the_ack_and_nobody_else(
    tmp_path: Path, moderator: Receiver
) -> None:
    async with started_node(tmp_path, hooks=hooks(moderator)) as (_, people):
        ann, bob = await people.friends("ann", "bob")
        phone, tablet, other = await people.device(ann), await people.device(ann, "tablet"), await people.device(bob)
        sent = await phone.ask("send", ann.text(bob, "damn"))
        place = {name: sent[name] for name in ("convId", "serverMsgId", "seq")}
        assert await phone.push("replaced") == place | {"payload": {"text": "****"}}
        edit = {"convId": sent["convId"], "serverMsgId": sent["serverMsgId"], "payload": {"text": "oh damn"}}
        await phone.ask("edit", edit)
        assert await phone.push("replaced") == place | {"payload": {"text": "oh ****"}}
        await phone.ask("send", ann.text(bob, "fine"))
        assert [push["action"] for push in await phone.quiet()] == []
        for device in (tablet, other):
            told = [push["action"] for push in await device.quiet()]
            assert told == ["message", "edited", "message"]


async def test_edits_are_asked_about_too(tmp_path: Path, moderator: Receiver) -> None:
    async with started_node(tmp_path, hooks=hooks(moderator)) as (_, people):
        ann, bob = await people.friends("ann", "bob")
        phone, other = await people.device(ann), await people.device(bob)
        sent = await phone.ask("send", ann.text(bob, "hello"))
        edit = {"convId": sent["convId"], "serverMsgId": sent["serverMsgId"]}
        with pytest.raises(Refused, match="FORBIDDEN: mind your words"):
            await phone.ask("edit", edit | {"payload": {"text": "bad"}})
        await phone.ask("edit", edit | {"payload": {"text": "damn"}})
        assert (await other.push("edited"))["payload"] == {"text": "****"}
        asked = moderator.got[-1].json()
        assert (asked["type"], asked["data"]["serverMsgId"]) == ("message.editing", sent["serverMsgId"])


async def test_one_users_messages_stay_in_order_and_others_do_not_wait(tmp_path: Path, moderator: Receiver) -> None:
    moderator.held = asyncio.Event()
    moderator.holds = lambda got: text_of(got).startswith("slow")
    async with started_node(tmp_path, hooks=hooks(moderator)) as (_, people):
        ann, bob, eve = await people.friends("ann", "bob", "eve")
        phone, other = await people.device(ann), await people.device(eve)
        slow = asyncio.gather(phone.ask("send", ann.text(bob, "slow")), phone.ask("send", ann.text(bob, "quick")))
        await moderator.until(1)
        await other.ask("send", eve.text(bob, "meanwhile"))
        assert not slow.done()
        moderator.held.set()
        first, second = await slow
        assert (first["seq"], second["seq"]) == (1, 2)


async def test_what_was_acknowledged_is_acknowledged_again_whatever_is_said_now(
    tmp_path: Path, moderator: Receiver
) -> None:
    async with started_node(tmp_path, hooks=hooks(moderator)) as (_, people):
        ann, bob = await people.friends("ann", "bob")
        phone = await people.device(ann)
        message = ann.text(bob, "hello", clientMsgId="m1")
        sent = await phone.ask("send", message)
        moderator.answer = lambda _: verdict("deny")
        again = await phone.ask("send", message)
        assert again == sent | {"duplicate": True}
        with pytest.raises(Refused, match="FORBIDDEN: this message may not be sent"):
            await phone.ask("send", ann.text(bob, "hello", clientMsgId="m2"))


NO_ANSWERS = {
    "an error": (500, b""),
    "no JSON": (200, b"allow"),
    "nothing": (204, b""),
    "another action": (200, b'{"action":"perhaps"}'),
    "another shape": (200, b'["allow"]'),
    "no UTF-8": (200, b'{"action":"allow","reason":"\xff"}'),
}


@pytest.mark.parametrize("what", NO_ANSWERS)
@pytest.mark.parametrize("on_error", ["allow", "deny"])
async def test_without_an_answer_the_setting_decides(
    tmp_path: Path, moderator: Receiver, what: str, on_error: str
) -> None:
    moderator.answer = lambda _: NO_ANSWERS[what]
    async with started_node(tmp_path, hooks=hooks(moderator, before_send_on_error=on_error)) as (node, people):
        ann, bob = await people.friends("ann", "bob")
        phone = await people.device(ann)
        if on_error == "allow":
            assert (await phone.ask("send", ann.text(bob, "hello")))["seq"] == 1
        else:
            with pytest.raises(Refused, match="UNAVAILABLE"):
                await phone.ask("send", ann.text(bob, "hello"))
        assert node.services.metrics.before_send == {"error": 1}


async def test_a_question_takes_a_bounded_time_and_the_wait_for_a_place_counts(
    tmp_path: Path, moderator: Receiver
) -> None:
    moderator.held = asyncio.Event()
    settings = hooks(moderator, before_send_timeout=0.6, before_send_concurrency=1, before_send_on_error="deny")
    names = ["bob", "ann", "eve", "fay", "gil", "hal", "ivy", "jon", "kim"]
    async with started_node(tmp_path, hooks=settings) as (_, people):
        bob, *senders = await people.friends(*names)
        phones = [await people.device(sender) for sender in senders]
        asked = [phone.ask("send", sender.text(bob, "?")) for sender, phone in zip(senders, phones, strict=True)]
        async with asyncio.timeout(3.5):  # one after another they would take 4.8 s
            answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [str(answer)[:11] for answer in answers] == ["UNAVAILABLE"] * len(senders)


@pytest.mark.parametrize("payload", [{"text": 5}, {"words": "?"}, None, "text"])
async def test_a_replacement_that_is_not_sound_is_not_sent_nor_is_the_original(
    tmp_path: Path, moderator: Receiver, payload: Any
) -> None:
    moderator.answer = lambda _: verdict("replace", payload=payload)
    async with started_node(tmp_path, hooks=hooks(moderator)) as (_, people):
        ann, bob = await people.friends("ann", "bob")
        phone = await people.device(ann)
        with pytest.raises(Refused, match="FORBIDDEN"):
            await phone.ask("send", ann.text(bob, "hello"))
        moderator.answer = decide
        assert (await phone.ask("send", ann.text(bob, "fine")))["seq"] == 1


async def test_who_may_not_write_is_not_asked_about(tmp_path: Path, moderator: Receiver) -> None:
    async with started_node(tmp_path, hooks=hooks(moderator)) as (_, people):
        ann, bob = await people.friends("ann", "bob")
        phone = await people.device(ann)
        await phone.ask("send", ann.text(bob, "hello"))
        await bob.post(f"/api/blocks/{ann.user_id}")
        with pytest.raises(Refused, match="BLOCKED"):
            await phone.ask("send", ann.text(bob, "hello?"))
        assert len(moderator.got) == 1
