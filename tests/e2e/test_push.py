"""Pushes to devices that are not connected: a real node, real encryption, local push services."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from standardwebhooks import Webhook

from goim.stores.base_outbox import ParcelState
from tests.client import Person, Refused, World
from tests.e2e.browser import Browser, claims_of
from tests.node import started_node
from tests.receiver import Receiver, receiving

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
LOCAL = ["127.0.0.1"]


@pytest.fixture
async def service() -> AsyncIterator[Receiver]:
    """A push service."""
    async with receiving() as each:
        each.answer = lambda _: (201, b"")
        yield each


def web_push(**more: Any) -> dict[str, Any]:
    return {"web_push": True, "vapid_subject": "mailto:ops@goim.test", "allow_private": LOCAL} | more


async def subscribed(person: Person, service: Receiver, path: str = "/sub", **more: Any) -> Browser:
    browser = Browser(service.url(path))
    await person.post("/api/users/me/push", browser.registration(deviceId="browser", **more))
    return browser


async def said(one: Person, other: Person, text: str = "hello", **more: Any) -> Any:
    return await one.post("/api/messages", one.text(other, text, **more))


async def test_a_browser_reads_what_only_it_can_read(tmp_path: Path, service: Receiver) -> None:
    async with started_node(tmp_path, push=web_push(show_content=True)) as (node, people):
        ann, bob = await people.friends("ann", "bob")
        key = (await bob.get("/api/users/me/push/key"))["publicKey"]
        browser = await subscribed(bob, service)
        sent = await said(ann, bob, "你好")
        [got] = await service.until(1)
        assert browser.read(got) == {
            "type": "message",
            "convId": sent["convId"],
            "convType": "c2c",
            "serverMsgId": sent["serverMsgId"],
            "seq": 1,
            "timestamp": sent["timestamp"],
            "fromUserId": ann.user_id,
            "fromName": "ann",
            "messageType": "text",
            "text": "你好",
        }
        assert b"hello" not in got.body
        with pytest.raises(InvalidTag):
            Browser(service.url()).read(got)
        claims = claims_of(got, key, service.url(""))
        assert claims["sub"] == "mailto:ops@goim.test"
        assert 0 < claims["exp"] * 1000 - node.services.clock.now_ms() <= 24 * 3_600_000
        assert (got.path, got.headers["urgency"]) == ("/sub", "normal")
        assert 86_340 <= int(got.headers["ttl"]) <= 86_400
        assert 0 < len(got.headers["topic"]) <= 32
        assert len(got.body) <= 4096
    assert (tmp_path / "vapid_key").stat().st_mode & 0o777 == 0o600
    async with started_node(tmp_path, push=web_push()) as (_, people):
        bob = await people.log_in(Person(await people.http(), username="bob"))
        assert (await bob.get("/api/users/me/push/key"))["publicKey"] == key


async def test_without_the_setting_a_push_says_only_where(tmp_path: Path, service: Receiver) -> None:
    async with started_node(tmp_path, push=web_push()) as (_, people):
        ann, bob = await people.friends("ann", "bob")
        browser = await subscribed(bob, service)
        await said(ann, bob)
        [got] = await service.until(1)
        assert browser.read(got).keys() == {"type", "convId", "convType", "serverMsgId", "seq", "timestamp"}


async def test_the_longest_push_fits(tmp_path: Path, service: Receiver) -> None:
    async with started_node(tmp_path, push=web_push(show_content=True)) as (_, people):
        ann, bob = await people.friends("ann", "bob")
        await ann.put("/api/users/me", {"nickname": "𝔸" * 64})
        group = await ann.post("/api/groups", {"name": "𝔾" * 64, "memberIds": [bob.user_id]})
        browser = await subscribed(bob, service)
        for number, text in enumerate(("𝕋" * 5000, "\x01" * 5000), 1):
            await ann.post(
                "/api/messages",
                {"groupId": group["groupId"], "type": "text", "payload": {"text": text}, "mentions": [bob.user_id]},
            )
            got = (await service.until(number))[-1]
            assert len(got.body) <= 4096
            assert browser.read(got)["groupName"] == "𝔾" * 64


async def test_what_is_not_to_be_read_any_more_when_its_push_would_leave_is_not_pushed(
    tmp_path: Path, service: Receiver
) -> None:
    settings: dict[str, Any] = {"push": web_push(show_content=True)}
    async with started_node(tmp_path, **settings, server={"roles": ["api"]}) as (node, people):  # it sends no pushes
        assert node.hooks is not None
        ann, bob, cleo = await people.friends("ann", "bob", "cleo")
        await people.befriend(cleo, bob)
        browser = await subscribed(bob, service)
        group = await ann.post("/api/groups", {"name": "us", "memberIds": [bob.user_id]})
        secret = await said(ann, bob, "secret")
        await ann.post("/api/messages/recall", {key: secret[key] for key in ("convId", "serverMsgId")})
        await ann.post("/api/messages", {"groupId": group["groupId"], "type": "text", "payload": {"text": "inside"}})
        await node.hooks.feed.flush()
        await ann.delete(f"/api/groups/{group['groupId']}/members/{bob.user_id}")
        kept = await said(cleo, bob, "kept")
    async with started_node(tmp_path, **settings) as (node, _):
        assert node.hooks is not None
        async with asyncio.timeout(30):
            while any(each.state == ParcelState.WAITING for each in await node.hooks.outbox.stats()):
                await node.services.clock.sleep(0.02)
    assert [browser.read(got)["serverMsgId"] for got in service.got] == [kept["serverMsgId"]]


@pytest.mark.parametrize("status", [404, 410])
async def test_a_subscription_that_is_gone_is_forgotten(tmp_path: Path, service: Receiver, status: int) -> None:
    service.answer = lambda _: (status, b"")
    async with started_node(tmp_path, push=web_push()) as (_, people):
        ann, bob = await people.friends("ann", "bob")
        await subscribed(bob, service)
        await said(ann, bob)
        await service.until(1)
        async with asyncio.timeout(20):
            while (await bob.get("/api/users/me/push"))["devices"]:
                pass
        await said(ann, bob)
        await subscribed(bob, service, "/again")
        await said(ann, bob)
        await service.until(1, lambda got: got.path == "/again")
        assert len([got for got in service.got if got.path == "/sub"]) == 1


async def test_what_a_push_service_refuses_for_now_is_sent_again(tmp_path: Path, service: Receiver) -> None:
    service.answer = lambda _: (201, b"") if len(service.got) > 1 else (503, b"")
    async with started_node(tmp_path, push=web_push()) as (_, people):
        ann, bob = await people.friends("ann", "bob")
        browser = await subscribed(bob, service)
        sent = await said(ann, bob)
        assert [browser.read(got)["seq"] for got in await service.until(2)] == [sent["seq"]] * 2


async def test_a_push_service_in_our_own_network_is_not_reached(tmp_path: Path, service: Receiver) -> None:
    """Where a client sends us is never inside, even where our own hooks may go."""
    settings = web_push(allow_private=[])
    async with started_node(tmp_path, push=settings, hooks={"allow_private": LOCAL}) as (node, people):
        ann, bob = await people.friends("ann", "bob")
        for endpoint in (service.url(), "http://push.test/", "ftp://push.test/", "https://", "https://a@push.test/"):
            with pytest.raises(Refused, match="INVALID"):
                await bob.post("/api/users/me/push", Browser(endpoint).registration(deviceId="b"))
        inside = Browser(f"https://127.0.0.1:{service.port}/")
        await bob.post("/api/users/me/push", inside.registration(deviceId="b"))
        await said(ann, bob)
        async with asyncio.timeout(20):
            while not node.services.metrics.hooks_failed["web_push"]:
                await ann.get("/api/users/me")
        assert service.got == []


async def rung(people: World, service: Receiver, sender: Person, browser: Browser, by: Any) -> list[Any]:
    """What a browser was told until two last messages that ring for sure, one after the other.

    Several requests are under way at once, so one of them may overtake what is asked about.
    """
    last: set[str] = set()
    async with asyncio.timeout(20):
        for text in ("the last but one", "the last one"):
            last.add((await said(sender, by, text))["serverMsgId"])
            while not last <= {browser.read(got)["serverMsgId"] for got in service.got}:
                await service.until(len(service.got) + 1)
    told = [browser.read(got) for got in service.got]
    return [each["seq"] for each in told if each["serverMsgId"] not in last]


async def test_a_connected_device_hears_nothing_and_the_others_of_the_same_user_do(
    tmp_path: Path, service: Receiver
) -> None:
    async with started_node(tmp_path, push=web_push()) as (_, people):
        ann, bob = await people.friends("ann", "bob")
        browser = await subscribed(bob, service)
        tablet = Browser(service.url("/tablet"))
        await bob.post("/api/users/me/push", tablet.registration(deviceId="tablet"))
        async with people.online(bob, "browser") as open_page:
            await said(ann, bob)
            await open_page.push("message")
            [got] = await service.until(1)
            assert (got.path, tablet.read(got)["seq"]) == ("/tablet", 1)
        await bob.delete("/api/users/me/push/tablet")
        service.got.clear()
        assert await rung(people, service, ann, browser, bob) == []


async def test_muted_conversations_are_silent_but_for_mentions_and_nobody_hears_themselves(
    tmp_path: Path, service: Receiver
) -> None:
    async with started_node(tmp_path, push=web_push()) as (_, people):
        ann, bob = await people.friends("ann", "bob")
        group = await ann.post("/api/groups", {"name": "g", "memberIds": [bob.user_id]})
        browser = await subscribed(bob, service)
        message = {"groupId": group["groupId"], "type": "text", "payload": {"text": "x"}}
        await bob.post("/api/messages", message)
        assert await rung(people, service, ann, browser, bob) == []
        service.got.clear()
        await bob.post(f"/api/conversations/{group['convId']}/mute", {"muted": True})
        await ann.post("/api/messages", message)
        await ann.post("/api/messages", message | {"mentions": [bob.user_id]})
        await ann.post("/api/messages", message)
        assert await rung(people, service, ann, browser, bob) == [3]
        [got] = [got for got in service.got if browser.read(got).get("mention")]
        assert got.headers["urgency"] == "high"


async def test_in_large_groups_only_those_who_are_mentioned_by_name_hear(tmp_path: Path, service: Receiver) -> None:
    async with started_node(tmp_path, push=web_push(group_limit=1)) as (_, people):
        ann, bob = await people.friends("ann", "bob")
        group = await ann.post("/api/groups", {"name": "g", "memberIds": [bob.user_id]})
        browser = await subscribed(bob, service)
        message = {"groupId": group["groupId"], "type": "text", "payload": {"text": "x"}}
        for mentions in ([], ["all"], [bob.user_id]):
            await ann.post("/api/messages", message | {"mentions": mentions})
        assert await rung(people, service, ann, browser, bob) == [3]


async def test_who_logs_out_or_leaves_hears_no_more(tmp_path: Path, service: Receiver) -> None:
    async with started_node(tmp_path, push=web_push()) as (_, people):
        ann, bob, eve = await people.friends("ann", "bob", "eve")
        group = await ann.post("/api/groups", {"name": "g", "memberIds": [bob.user_id, eve.user_id]})
        browser = await subscribed(eve, service)
        other = Browser(service.url("/bob"))
        again = await people.log_in(bob)
        await again.post("/api/users/me/push", other.registration(deviceId="phone"))
        await again.post("/api/logout")
        await eve.post(f"/api/groups/{group['groupId']}/leave")
        await ann.post("/api/messages", {"groupId": group["groupId"], "type": "text", "payload": {"text": "x"}})
        await said(ann, bob)
        assert await rung(people, service, ann, browser, eve) == []
        assert (await bob.get("/api/users/me/push"))["devices"] == []


async def test_a_provider_is_told_signed_and_says_when_a_token_is_gone(tmp_path: Path, service: Receiver) -> None:
    settings = {"provider": service.url("/push"), "show_content": True}
    hooks = {"secrets": SECRET, "allow_private": LOCAL}
    async with started_node(tmp_path, push=settings, hooks=hooks) as (_, people):
        ann, bob = await people.friends("ann", "bob")
        token = {"type": "http", "token": "t0k3n", "provider": "fcm", "deviceId": "phone"}
        answer = await bob.post("/api/users/me/push", token)
        assert answer == {
            "deviceId": "phone",
            "type": "http",
            "provider": "fcm",
            "createdAt": answer["createdAt"],
        }
        assert (await bob.get("/api/users/me/push")) == {"devices": [answer]}
        sent = await said(ann, bob)
        [got] = await service.until(1)
        event = Webhook(SECRET).verify(got.body, got.headers)
        assert event["type"] == "push"
        told = event["data"].pop("notification")
        assert event["data"] == {"userId": bob.user_id, "deviceId": "phone", "token": "t0k3n", "provider": "fcm"}
        assert (told["serverMsgId"], told["text"]) == (sent["serverMsgId"], "hello")
        service.answer = lambda _: (410, b"")
        await said(ann, bob)
        async with asyncio.timeout(20):
            while (await bob.get("/api/users/me/push"))["devices"]:
                pass
        with pytest.raises(Refused, match="UNSUPPORTED"):
            await bob.get("/api/users/me/push/key")
        with pytest.raises(Refused, match="UNSUPPORTED"):
            await bob.post("/api/users/me/push", Browser("https://push.test/").registration(deviceId="b"))


async def test_what_is_no_registration_is_refused(tmp_path: Path, service: Receiver) -> None:
    settings = web_push(provider=service.url("/push"))
    async with started_node(tmp_path, push=settings, hooks={"secrets": SECRET}) as (_, people):
        ann = await people.person("ann")
        good = Browser(service.url()).registration(deviceId="b")
        bad = [
            {"type": "carrier pigeon", "deviceId": "b"},
            {"type": "http", "deviceId": "b"},
            {"type": "http", "deviceId": "b", "token": "x" * 2049},
            {"type": "http", "deviceId": "b", "token": "x", "provider": "p" * 33},
            {"type": "http", "token": "x"},
            {"type": "http", "deviceId": "b" * 65, "token": "x"},
            good | {"endpoint": None},
            good | {"endpoint": service.url("/" + "x" * 2048)},
            good | {"endpoint": service.url("/a b")},
            good | {"keys": {"p256dh": "x", "auth": "y"}},
            good | {"keys": good["keys"] | {"auth": "AAAA"}},
        ]
        for body in bad:
            with pytest.raises(Refused, match="INVALID"):
                await ann.post("/api/users/me/push", body)
        for number in range(20):
            await ann.post("/api/users/me/push", {"type": "http", "deviceId": f"d{number}", "token": f"t{number}"})
        with pytest.raises(Refused, match="at most 20"):
            await ann.post("/api/users/me/push", good)
        with pytest.raises(Refused, match="NOT_FOUND"):
            await ann.delete("/api/users/me/push/other")


async def test_nobody_sees_or_removes_somebody_elses_device(tmp_path: Path, service: Receiver) -> None:
    async with started_node(tmp_path, push=web_push()) as (_, people):
        ann, bob = await people.friends("ann", "bob")
        await subscribed(ann, service)
        assert await bob.get("/api/users/me/push") == {"devices": []}
        with pytest.raises(Refused, match="NOT_FOUND"):
            await bob.delete("/api/users/me/push/browser")
        [mine] = (await ann.get("/api/users/me/push"))["devices"]
        assert (mine["deviceId"], "endpoint" in mine, "keys" in mine) == ("browser", False, False)


async def test_a_session_of_a_device_registers_that_device(tmp_path: Path, service: Receiver) -> None:
    async with started_node(tmp_path, push=web_push()) as (_, people):
        ann = await people.person("ann", deviceId="laptop")
        browser = Browser(service.url())
        assert (await ann.post("/api/users/me/push", browser.registration()))["deviceId"] == "laptop"
        with pytest.raises(Refused, match="another device"):
            await ann.post("/api/users/me/push", browser.registration(deviceId="phone"))


async def test_without_pushes_there_is_nothing_to_register_for(tmp_path: Path) -> None:
    async with started_node(tmp_path) as (_, people):
        ann = await people.person("ann")
        with pytest.raises(Refused, match="UNSUPPORTED"):
            await ann.post("/api/users/me/push", {"type": "http", "token": "x", "deviceId": "b"})
        assert await ann.get("/api/users/me/push") == {"devices": []}
