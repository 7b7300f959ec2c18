"""What the JavaScript client writes that is long, refused, or begun by an earlier try."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser

from tests.browser.blanks import blank, enter, only_log
from tests.client import World

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_what_is_too_large_for_a_frame_is_refused_and_the_next_is_said(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    async with blank(browser, town.base_url) as opened:
        await enter(opened, ann)
        script = """async ([name, to]) => {
          const { client } = window[name];
          const refused = client.send("x".repeat(131_072), { to }).catch((error) => error.code);
          const { seq } = await client.send("short", { to });
          return [await refused, seq, client.outbox.waiting];
        }"""
        assert await opened.evaluate(script, [ann.username, bob.user_id]) == ["TOO_LARGE", 1, []]


@pytest.mark.parametrize(("how", "status"), [("end", "done"), ("fail", "failed")])
async def test_a_stream_may_grow_longer_than_a_frame(town: World, browser: Browser, how: str, status: str) -> None:
    ann, bob = await town.circle(2)
    async with blank(browser, town.base_url) as opened:
        await enter(opened, ann)
        script = """async ([name, to, how]) => {
          const stream = await window[name].client.stream({ to });
          for (let at = 0; at < 5; at++) await stream.write("语".repeat(10_000));
          await (how === "end" ? stream.end() : stream.fail("why"));
        }"""
        await opened.evaluate(script, [ann.username, bob.user_id, how])
        (message,) = await only_log(bob)
        assert (message["streamStatus"], message["payload"]["text"]) == (status, "语" * 50_000)


async def test_a_stream_of_which_something_was_refused_can_be_given_up(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    async with blank(browser, town.base_url) as opened:
        await enter(opened, ann)
        script = """async ([name, to]) => {
          const { client } = window[name];
          const stream = await client.stream({ to, text: "begun" });
          const again = client.once("connected");
          stream.write("x".repeat(131_072)).catch(() => {});
          await again;
          const refused = await stream.write("more").catch((error) => error.code);
          await stream.fail("too long");
          return refused;
        }"""
        assert await opened.evaluate(script, [ann.username, bob.user_id]) == "TOO_LARGE"
        (message,) = await only_log(bob)
        assert (message["streamStatus"], message["payload"]["text"]) == ("failed", "begun")


async def test_what_an_earlier_try_has_written_is_kept_though_it_cannot_be_read_at_once(
    town: World, browser: Browser
) -> None:
    ann, bob = await town.circle(2)
    async with blank(browser, town.base_url) as opened:
        await enter(opened, ann)
        begin = """async ([name, to]) => {
          const stream = await window[name].client.stream({ to, text: "one", clientMsgId: "again" });
          await stream.write(" two");
        }"""
        await opened.evaluate(begin, [ann.username, bob.user_id])
        await opened.route("**/api/messages/history?*", lambda route: route.abort(), times=1)
        go_on = """async ([name, to]) => {
          const stream = await window[name].client.stream({ to, text: "one", clientMsgId: "again" });
          await stream.write(" three");
          await stream.end();
          return stream.text;
        }"""
        assert await opened.evaluate(go_on, [ann.username, bob.user_id]) == "one two three"
        (message,) = await only_log(bob)
        assert message["payload"]["text"] == "one two three"
