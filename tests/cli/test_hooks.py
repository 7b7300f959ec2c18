"""`goimctl hooks` and what `goimctl doctor` says of endpoints."""

from __future__ import annotations

import asyncio
import base64
import re

from standardwebhooks import Webhook

from tests.cli.conftest import Goimctl
from tests.process import free_port
from tests.receiver import Receiver, receiving

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()


def settings(url: str) -> dict[str, str]:
    return {
        "IM_HOOKS_ENDPOINTS": f"app {url} message.*",
        "IM_HOOKS_SECRETS": SECRET,
        "IM_HOOKS_ALLOW_PRIVATE": "127.0.0.1",
        "IM_LISTEN_ADDR": f"127.0.0.1:{free_port()}",
    }


def test_a_secret_is_one_that_the_settings_take(goimctl: Goimctl) -> None:
    first, second = (goimctl.done("hooks", "secret").stdout.strip() for _ in range(2))
    assert first != second
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", first)
    variables = {"IM_HOOKS_ENDPOINTS": "app https://app.test/", "IM_HOOKS_SECRETS": first}
    assert "hooks.secrets" in goimctl.done("config", "show", **variables).stdout
    assert first not in goimctl.done("config", "show", **variables).stdout


def test_without_a_secret_or_with_a_wrong_word_nothing_starts(goimctl: Goimctl) -> None:
    for variables, why in (
        ({"IM_HOOKS_ENDPOINTS": "app https://app.test/"}, "goimctl hooks secret"),
        ({"IM_HOOKS_ENDPOINTS": "app https://app.test/ message.sendt", "IM_HOOKS_SECRETS": SECRET}, "message.sent"),
        ({"IM_HOOKS_ENDPOINTS": "https://app.test/", "IM_HOOKS_SECRETS": SECRET}, "must look like"),
        ({"IM_HOOKS_ENDPOINTS": "app ftp://app.test/", "IM_HOOKS_SECRETS": SECRET}, "must be a URL"),
        ({"IM_HOOKS_ENDPOINTS": "a https://a.test/, a https://b.test/", "IM_HOOKS_SECRETS": SECRET}, "twice"),
        ({"IM_HOOKS_SECRETS": "whsec_c2hvcnQ="}, "24 to 64 bytes"),
        ({"IM_HOOKS_SECRETS": "not-a-secret"}, "whsec_"),
    ):
        result = goimctl("config", "check", **variables)
        assert (result.returncode, why in result.stderr) == (2, True), result.stderr
        assert "not-a-secret" not in result.stderr


def test_without_hooks_there_is_nothing_to_list(goimctl: Goimctl) -> None:
    result = goimctl("hooks", "list")
    assert result.returncode == 1
    assert "hint: set hooks.endpoints" in result.stderr


async def test_an_endpoint_is_tried_and_looked_at(goimctl: Goimctl) -> None:
    async with receiving() as receiver:
        variables = settings(receiver.url())
        tried = await asyncio.to_thread(goimctl.json, "hooks", "test", "app", **variables)
        assert tried == {"endpoint": "app", "status": 204, "delivered": True}
        [got] = receiver.got
        assert Webhook(SECRET).verify(got.body, got.headers)["type"] == "endpoint.test"
        receiver.answer = lambda _: (500, b"")
        failed = await asyncio.to_thread(goimctl, "hooks", "test", "app", **variables)
        assert (failed.returncode, failed.stderr) == (5, "error: app answered 500\n")
        unknown = await asyncio.to_thread(goimctl, "hooks", "test", "nobody", **variables)
        assert "hint: there are: app" in unknown.stderr
        doctor = await asyncio.to_thread(goimctl.json, "doctor", "--no-server", **variables)
        assert doctor["checks"][-1]["name"] == "hook app"
        assert doctor["checks"][-1]["state"] == "ok"
        strict = variables | {"IM_HOOKS_ALLOW_PRIVATE": ""}
        refused = await asyncio.to_thread(goimctl, "doctor", "--no-server", **strict)
        assert (refused.returncode, "hooks.allow_private" in refused.stderr) == (3, True)
    gone = await asyncio.to_thread(goimctl, "doctor", "--no-server", **variables)
    assert (gone.returncode, "hook app" in gone.stderr) == (3, True)
    nobody = await asyncio.to_thread(goimctl, "hooks", "test", "app", **variables)
    assert nobody.returncode == 5


async def until_listed(goimctl: Goimctl, *args: str, **variables: str) -> list[dict[str, object]]:
    async with asyncio.timeout(20):
        while True:
            found = await asyncio.to_thread(goimctl.json, "hooks", "list", *args, **variables)
            if found["events"]:
                return list(found["events"])


async def test_what_was_given_up_is_listed_and_sent_again(goimctl: Goimctl) -> None:
    async with receiving() as receiver:
        receiver.answer = lambda _: (500, b"")
        endpoints = {"IM_HOOKS_ENDPOINTS": f"app {receiver.url()}", "IM_HOOKS_GIVE_UP": "1ms"}
        variables = settings(receiver.url()) | endpoints
        await asyncio.to_thread(_list_and_retry, goimctl, receiver, variables, asyncio.get_running_loop())


def _list_and_retry(
    goimctl: Goimctl, receiver: Receiver, variables: dict[str, str], loop: asyncio.AbstractEventLoop
) -> None:
    with goimctl.serving(**variables):
        goimctl.done("users", "create", "alice", "--generate", **variables)
        [dead] = asyncio.run(until_listed(goimctl, **variables))
        assert (dead["type"], dead["lane"], dead["problem"]) == ("user.created", "app", "answered 500")
        assert "answered 500" in goimctl.done("hooks", "list", **variables).stdout
        assert goimctl.json("hooks", "list", "--lane", "other", **variables)["events"] == []
        receiver.answer = lambda _: (204, b"")
        assert goimctl.json("hooks", "retry", "--event", "other", **variables) == {"revived": 0}
        before = len(receiver.got)
        assert goimctl.json("hooks", "retry", "--lane", "app", **variables) == {"revived": 1}
        asyncio.run_coroutine_threadsafe(receiver.until(before + 1), loop).result(20)
        assert receiver.got[-1].headers["webhook-id"] == dead["eventId"]
        assert goimctl.json("hooks", "list", **variables)["events"] == []
