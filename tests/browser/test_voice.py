"""Voice messages: recorded at one browser, played at the other."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser, Locator, expect

from tests.browser.pages import Seat, seat
from tests.client import Person, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

# What is played, as it is played: the page itself shows no element for it.
HEAR = """
window.heard = [];
const play = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () { window.heard.push(this); return play.call(this); };
"""

KEEP = """
const get = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => (window.given = await get(wanted));
"""

# As Firefox finds what was recorded: without an index there is no place to go to.
CANNOT_SEEK = """
const seekable = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, "seekable").get;
Object.defineProperty(HTMLMediaElement.prototype, "seekable", {
  get() { return Number.isFinite(this.duration) ? seekable.call(this) : { length: 0 }; },
});
"""

# A tall bar in the picture: a busy browser looks too seldom to see every beep.
BEEP = """
() => [...document.querySelectorAll(".recording .bars path")].some((path) => /v[1-9]/.test(path.getAttribute("d")))
"""

REFUSE = """
() => { navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("no", "NotAllowedError"); }; }
"""

# As WebKit says it where there is no device.
FIND_FAULT = """
() => { navigator.mediaDevices.getUserMedia = async () => { throw new OverconstrainedError("", "no fault"); }; }
"""


def bar(taken: Seat) -> Locator:
    return taken.page.get_by_role("group", name="Recording")


async def record(taken: Seat, seconds: int) -> None:
    """So long, or longer: a busy browser does not look at every second."""
    await taken.button("Record a voice message").click()
    await expect(bar(taken).get_by_role("timer")).to_have_text(re.compile(f"^0:0[{seconds}-9]$"))


async def pair(town: World) -> tuple[Person, Person]:
    ann, bob = await town.circle(2)
    await ann.post("/api/messages", ann.text(bob, "listen"))
    return ann, bob


async def test_what_one_says_is_recorded_sent_and_played_by_the_other(town: World, equipped: Browser) -> None:
    ann, bob = await pair(town)
    async with seat(equipped, town.base_url, ann) as hers, seat(equipped, town.base_url, bob, script=HEAR) as his:
        await hers.open(bob.username)
        await his.open(ann.username)
        await record(hers, 2)
        await hers.page.wait_for_function(BEEP)
        await hers.button("Send the recording").click()
        await expect(bar(hers)).to_have_count(0)
        await expect(hers.field).to_be_focused()

        played = his.page.locator(".message .voice")
        await expect(played.locator("small")).to_have_text(re.compile(r"0:0[2-9]"))
        shown = await played.locator("small").inner_text()
        kept = (await bob.get("/api/messages/history", convId=await conv_of(his)))["messages"][-1]
        assert kept["type"] == "voice"
        assert 2 <= kept["payload"]["duration"] < 10
        assert abs(kept["payload"]["duration"] - int(shown[-1])) < 1
        assert max(kept["payload"]["waveform"]) == 100, "a beep was heard"
        assert min(kept["payload"]["waveform"]) < 50, "and it was quiet between"
        assert (await ann.get("/api/files"))["files"][0]["mimeType"] == "audio/webm"

        await his.button("Play").click()
        await his.page.wait_for_function("() => window.heard[0]?.ended")
        length = await his.page.evaluate("window.heard[0].duration")
        assert abs(length - kept["payload"]["duration"]) < 1
        await expect(his.button("Play")).to_be_visible()
        position = his.page.get_by_role("slider", name="Position")
        await position.press("End")
        ends = f"({shown}|0:0{int(shown[-1]) - 1})"  # what was recorded may be a hair shorter than it took to record
        await expect(position).to_have_attribute("aria-valuetext", re.compile(f"^{ends} of {shown}$"))
        await his.page.wait_for_function("() => window.heard[0].currentTime > 1")
        await expect(hers.row(bob.username)).to_contain_text(f"Voice message · {shown}")


async def test_a_browser_that_cannot_seek_in_recordings_plays_them_from_any_place_all_the_same(
    town: World, equipped: Browser
) -> None:
    ann, bob = await pair(town)
    async with (
        seat(equipped, town.base_url, ann) as hers,
        seat(equipped, town.base_url, bob, script=CANNOT_SEEK + HEAR) as his,
    ):
        await hers.open(bob.username)
        await his.open(ann.username)
        await record(hers, 2)
        await hers.button("Send the recording").click()
        await his.button("Play").click()
        await his.page.wait_for_function("() => window.heard[0]?.ended")
        kept = (await bob.get("/api/messages/history", convId=await conv_of(his)))["messages"][-1]
        assert abs(await his.page.evaluate("window.heard[0].duration") - kept["payload"]["duration"]) < 1
        position = his.page.get_by_role("slider", name="Position")
        await position.press("End")
        await his.page.wait_for_function("() => window.heard[0].currentTime > 1")


async def conv_of(taken: Seat) -> str:
    return str(await taken.page.evaluate("decodeURIComponent(location.hash.split('/')[2])"))


async def test_a_recording_is_thrown_away_and_the_microphone_given_back(town: World, equipped: Browser) -> None:
    ann, bob = await pair(town)
    async with seat(equipped, town.base_url, ann, script=KEEP) as hers:
        await hers.open(bob.username)
        for give_up in ("Escape", "Discard"):
            await hers.button("Record a voice message").click()
            await expect(bar(hers)).to_be_visible()
            if give_up == "Escape":
                await hers.page.keyboard.press("Escape")
            else:
                await hers.button("Discard the recording").click()
            await expect(bar(hers)).to_have_count(0)
            await expect(hers.field).to_be_focused()
            assert await hers.page.evaluate("window.given.getTracks().map(({readyState}) => readyState)") == ["ended"]
        await hers.say("never mind")
        await expect(hers.message("never mind")).to_be_visible()
        await expect(hers.page.locator(".message .voice")).to_have_count(0)


async def test_a_recording_that_could_not_be_sent_is_still_there(town: World, equipped: Browser) -> None:
    ann, bob = await pair(town)
    async with seat(equipped, town.base_url, ann) as hers:
        await hers.open(bob.username)
        await record(hers, 0)
        await hers.context.set_offline(True)
        await hers.button("Send the recording").click()
        await expect(hers.page.locator(".note.bad")).to_have_text("The server cannot be reached.")
        await hers.context.set_offline(False)
        await hers.button("Send the recording").click()
        await expect(hers.page.locator(".message .voice")).to_be_visible()


async def test_where_there_is_no_microphone_each_browser_says_so_in_its_own_way(town: World, browser: Browser) -> None:
    ann, bob = await pair(town)
    async with seat(browser, town.base_url, ann) as hers:
        await hers.open(bob.username)
        await hers.page.evaluate(FIND_FAULT)
        await hers.button("Record a voice message").click()
        await expect(hers.page.locator(".note.bad")).to_contain_text("No microphone was found.")
        await hers.button("Call").click()
        await expect(hers.page.locator(".note.bad").last).to_have_text("No microphone or camera was found.")


async def test_who_refuses_the_microphone_is_told_what_to_do(town: World, browser: Browser) -> None:
    ann, bob = await pair(town)
    async with seat(browser, town.base_url, ann) as hers:  # this one has no devices
        await hers.open(bob.username)
        await hers.button("Record a voice message").click()
        await expect(hers.page.locator(".note.bad")).to_contain_text("microphone")
        await hers.button("Call").click()
        await expect(hers.page.locator(".note.bad").last).to_have_text("No microphone or camera was found.")
        await hers.page.evaluate(REFUSE)
        await hers.button("Call").click()
        no = "The browser does not give microphone or camera."
        await expect(hers.page.locator(".note.bad").last).to_have_text(no)
        await hers.button("Record a voice message").click()
        await expect(hers.page.locator(".note.bad").last).to_contain_text("Allow it beside the address")
        await hers.say("in writing, then")
        await expect(hers.message("in writing, then")).to_be_visible()
