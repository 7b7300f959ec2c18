"""Webhooks of a real node at a real server, checked by the library of Standard Webhooks."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from goim.stores.base_outbox import ParcelState
from tests.node import started_node
from tests.process import running_server
from tests.receiver import Receiver, receiving

OLD = "whsec_" + base64.b64encode(b"o" * 32).decode()
NEW = "whsec_" + base64.b64encode(b"n" * 32).decode()
OWN = "whsec_" + base64.b64encode(b"w" * 32).decode()
LOCAL = "127.0.0.1/32"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as each:
        yield each


def of_type(event_type: str) -> Any:
    return lambda got: got.json()["type"] == event_type


def hooks(receiver: Receiver, *wanted: str, **more: Any) -> dict[str, Any]:
    endpoint = " ".join(("app", receiver.url(), *wanted))
    return {"endpoints": [endpoint], "secrets": NEW, "allow_private": [LOCAL]} | more


async def test_a_message_reaches_the_endpoint_signed(tmp_path: Path, receiver: Receiver) -> None:
    async with started_node(tmp_path, hooks=hooks(receiver, "message.*")) as (_, people):
        ann, bob = await people.friends("ann", "bob")
        sent = await ann.post("/api/messages", {"to": bob.user_id, "type": "text", "payload": {"text": "你好"}})
        [got] = await receiver.until(1)
        event = Webhook(NEW).verify(got.body, got.headers)
        assert event == got.json()
        assert event["type"] == "message.sent"
        assert event["id"] == got.headers["webhook-id"]
        assert event["data"]["serverMsgId"] == sent["serverMsgId"]
        assert event["data"]["payload"] == {"text": "你好"}
        assert (event["data"]["from"], event["data"]["to"]) == (ann.user_id, bob.user_id)
        assert got.headers["content-type"] == "application/json"
        with pytest.raises(WebhookVerificationError):
            Webhook(NEW).verify(got.body.replace(b"text", b"test"), got.headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(OLD).verify(got.body, got.headers)


async def test_while_secrets_are_changed_both_are_good_and_an_endpoint_may_have_its_own(
    tmp_path: Path, receiver: Receiver
) -> None:
    endpoints = [f"app {receiver.url('/app')} user.created", f"crm {receiver.url('/crm')} user.created"]
    settings = hooks(receiver, endpoints=endpoints, secrets=f"{NEW}, {OLD}, crm={OWN}")
    async with started_node(tmp_path, hooks=settings) as (_, people):
        await people.person("ann")
        by_path = {got.path: got for got in await receiver.until(2)}
        for secret in (NEW, OLD):
            Webhook(secret).verify(by_path["/app"].body, by_path["/app"].headers)
            with pytest.raises(WebhookVerificationError):
                Webhook(secret).verify(by_path["/crm"].body, by_path["/crm"].headers)
        Webhook(OWN).verify(by_path["/crm"].body, by_path["/crm"].headers)


async def test_users_and_groups_are_told_of(tmp_path: Path, receiver: Receiver) -> None:
    async with started_node(tmp_path, hooks=hooks(receiver)) as (node, people):
        ann, bob = await people.friends("ann", "bob")
        created = await ann.post("/api/groups", {"name": "the group", "memberIds": [bob.user_id]})
        await bob.put("/api/users/me", {"nickname": "Bobby"})
        await node.services.accounts.make_admin(ann.user_id)
        await ann.post(f"/api/admin/users/{bob.user_id}/disable")
        await ann.post(f"/api/admin/users/{bob.user_id}/enable")
        await ann.delete(f"/api/admin/users/{bob.user_id}")
        kinds = ("created", "updated", "disabled", "enabled", "erased")
        for kind in (*(f"user.{kind}" for kind in kinds), "group.created", "group.member_left"):
            await receiver.until(1, of_type(kind))  # several are under way at once
        told = {got.json()["type"]: got.json()["data"] for got in receiver.got}
        assert told["user.created"]["username"] in (ann.username, bob.username)
        assert told["user.updated"]["nickname"] == "Bobby"
        assert told["user.disabled"]["userId"] == told["user.enabled"]["userId"] == bob.user_id
        assert told["user.erased"] == {"userId": bob.user_id}
        assert told["group.created"]["groupId"] == created["groupId"]
        assert told["group.member_left"] == {
            "groupId": created["groupId"],
            "userId": bob.user_id,
            "role": "member",
            "by": bob.user_id,
        }


async def test_a_private_address_is_not_told_unless_the_settings_say_so(tmp_path: Path, receiver: Receiver) -> None:
    async with started_node(tmp_path, hooks=hooks(receiver, allow_private=[])) as (node, people):
        await people.person("ann")
        async with asyncio.timeout(20):
            while not node.services.metrics.hooks_failed["app"]:
                await asyncio.get_running_loop().run_in_executor(None, int)
        assert receiver.got == []


async def test_only_an_updater_sends_what_every_node_writes_down(tmp_path: Path, receiver: Receiver) -> None:
    settings = hooks(receiver)
    async with started_node(tmp_path, server={"roles": ["api"]}, hooks=settings) as (node, people):
        await people.person("ann")
        assert node.hooks is not None
        [waiting] = await node.hooks.outbox.page(ParcelState.WAITING, "app", 9, 0)
        assert (waiting.type, waiting.attempts, waiting.claim) == ("user.created", 0, "")
    assert receiver.got == []
    async with started_node(tmp_path, server={"roles": ["updater"]}, hooks=settings):
        [got] = await receiver.until(1)
        assert got.headers["webhook-id"] == waiting.event_id


async def test_without_hooks_there_is_no_outbox_at_work(tmp_path: Path) -> None:
    async with started_node(tmp_path) as (node, _):
        assert node.hooks is None
        assert node.services.messages.feed is None


@pytest.mark.timeout(240)
async def test_what_was_acknowledged_before_a_kill_reaches_the_endpoint_after_it(
    tmp_path: Path, receiver: Receiver
) -> None:
    """The endpoint answers nothing before the kill; what was sent at the last moment is only in the log."""
    receiver.answer = lambda _: (503, b"")
    variables = {
        "IM_HOOKS_ENDPOINTS": f"app {receiver.url()} message.sent",
        "IM_HOOKS_SECRETS": NEW,
        "IM_HOOKS_ALLOW_PRIVATE": LOCAL,
    }
    async with running_server(tmp_path, **variables) as (server, people):
        ann, bob = await people.friends("ann", "bob")
        phone = await people.device(ann)
        acks = await asyncio.gather(
            *(phone.ask("send", {"to": bob.user_id, "type": "text", "payload": {"text": str(n)}}) for n in range(200))
        )
        await server.kill()
        receiver.answer = lambda _: (204, b"")
        acked = {f"sent_{ack['serverMsgId']}" for ack in acks}
        assert len(acked) == 200
        before = {got.headers["webhook-id"] for got in receiver.got}
        assert before != acked
        after = len(receiver.got)
        await server.start()  # it sends before it listens
        async with asyncio.timeout(150):  # what it was just sending is leased for a minute
            while not acked <= {got.headers["webhook-id"] for got in receiver.got[after:]}:
                await receiver.until(len(receiver.got) + 1, patience=120)
    bodies: dict[str, set[bytes]] = {}
    for got in receiver.got:
        bodies.setdefault(got.headers["webhook-id"], set()).add(got.body)
    assert {len(each) for each in bodies.values()} == {1}  # doubled or not, it is the same event
