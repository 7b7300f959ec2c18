"""What a node counts is what happened: the names that dashboards know, before and after a talk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.client import Person, Refused, World
from tests.e2e.conftest import BOTH_WAYS

pytestmark = [pytest.mark.asyncio(loop_scope="module"), BOTH_WAYS]


async def figures(person: Person) -> dict[str, float]:
    """All samples by name and labels, as `im_errors_total{code=NOT_FOUND}`."""
    text = (await person.http.get("/metrics")).text
    return {
        sample.name + "".join(f"{{{name}={value}}}" for name, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def settled(person: Person, is_settled: Callable[[dict[str, float]], bool]) -> dict[str, float]:
    """The figures as soon as they are so."""
    async with asyncio.timeout(20):
        while not is_settled(now := await figures(person)):
            pass
    return now


async def test_a_talk_is_counted(town: World) -> None:
    ann, bob = await town.circle(2)
    before = await settled(ann, lambda now: now.get("im_connections{transport=websocket}", 0) == 0)

    def grown(now: dict[str, float], name: str) -> float:
        return now.get(name, 0) - before.get(name, 0)

    async with town.online(ann) as anns, town.online(bob) as one, town.online(bob, "phone") as two:
        for _ in range(3):
            await anns.ask("send", ann.text(bob, "hi"))
        with pytest.raises(Refused):
            await anns.ask("recall", {"convId": "none", "serverMsgId": "none"})
        await one.quiet()
        await two.quiet()
        during = await figures(ann)
        assert grown(during, "im_connections{transport=websocket}") == 3
        await ann.post("/api/logout")
        assert await anns.closed() == 4001
    after = await settled(ann, lambda now: now.get("im_connections{transport=websocket}", 0) == 0)
    assert {name: grown(after, name) for name in EXPECTED} == EXPECTED
    assert grown(after, "im_commit_seconds_sum") > 0
    assert grown(after, "im_send_latency_ms_sum") > 0
    assert after["im_send_queue_bytes"] == 0
    assert after["process_open_fds"] > 0


EXPECTED = {
    "im_ws_messages_total{action=send}": 3,
    "im_ws_messages_total{action=recall}": 1,
    "im_ws_messages_total{action=ping}": 2,
    "im_errors_total{code=NOT_FOUND}": 1,
    "im_send_latency_ms_count": 3,
    "im_send_latency_ms_bucket{le=+Inf}": 3,
    "im_commit_batch_size_count": 3,
    "im_commit_batch_size_sum": 3,
    "im_commit_seconds_count": 3,
    "im_deliveries_total": 6,
    "im_closes_total{code=4001}": 1,
    "im_http_seconds_count{method=POST}{route=/api/logout}{status=204}": 1,
}


async def test_routes_are_counted_by_their_template(town: World) -> None:
    ann, bob = await town.circle(2)
    before = await figures(ann)
    for path in (f"/api/users/{bob.user_id}", "/api/users/nobody", "/nope", f"/nope/{bob.user_id}"):
        await ann.http.get(path, headers={"Authorization": f"Bearer {ann.token}"})
    await ann.http.get("/api/users/me")
    after = await figures(ann)
    grown = {name: after[name] - before.get(name, 0) for name in after if name.startswith("im_http_seconds_count")}
    assert {name.removeprefix("im_http_seconds_count"): count for name, count in grown.items() if count} == {
        "{method=GET}{route=/api/users/{user_id}}{status=200}": 1,
        "{method=GET}{route=/api/users/{user_id}}{status=404}": 1,
        "{method=GET}{route=unmatched}{status=404}": 2,
        "{method=GET}{route=/api/users/me}{status=401}": 1,
        "{method=GET}{route=/metrics}{status=200}": 1,
    }
    assert not any(bob.user_id in name for name in after), "ids of people would be labels without end"
