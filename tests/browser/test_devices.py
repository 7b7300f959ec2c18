"""Microphone, camera and speaker are chosen, kept, and changed while one talks."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Locator, expect

from tests.browser.pages import Seat, seat
from tests.browser.phones import WATCH, sees, two_at_phones
from tests.client import World

pytestmark = pytest.mark.asyncio(loop_scope="session")
LABELS = "() => window.given.filter(({readyState}) => readyState === 'live').map(({label}) => label).sort()"
SENT = """(wanted) => {
  const sent = window.peers.at(-1).getSenders().map(({track}) => `${track.label},${track.enabled}`);
  return String(sent.sort()) === String(wanted);
}"""


async def uses(taken: Seat, *labels: str) -> None:
    wanted = f"(labels) => String(({LABELS})()) === String(labels)"
    await taken.page.wait_for_function(wanted, arg=sorted(labels))


def listed(taken: Seat, name: str) -> Locator:
    return taken.page.get_by_role("combobox", name=name, exact=True)


async def test_what_is_chosen_in_the_settings_is_tried_there_kept_and_used(town: World, equipped: Browser) -> None:
    ann = await town.person()
    async with seat(equipped, town.base_url, ann, script=WATCH) as hers:
        await hers.page.goto(f"{town.base_url}/#/settings/media")
        await hers.button("Try them").click()
        await expect(hers.page.get_by_label("Your picture")).to_be_visible()
        await hers.page.wait_for_function("() => document.querySelector('meter').value > 0.02")
        await listed(hers, "Microphone").select_option(label="Fake Audio Input 2")
        await uses(hers, "Fake Audio Input 2", "fake_device_0")
        await listed(hers, "Camera").select_option(label="fake_device_2")
        await uses(hers, "Fake Audio Input 2", "fake_device_2")
        await hers.button("Stop").click()
        await uses(hers)

        await hers.page.reload()
        await expect(listed(hers, "Camera").locator(":checked")).to_have_text("fake_device_2")
        await hers.button("Try them").click()
        await uses(hers, "Fake Audio Input 2", "fake_device_2")
        await hers.page.get_by_role("link", name="Chats").click()
        await uses(hers)  # who goes on is not heard any more


async def test_another_microphone_and_camera_are_taken_while_one_talks(town: World, equipped: Browser) -> None:
    async with two_at_phones(equipped, town) as (_, _, hers, his):
        await hers.button("Call with video").click()
        await his.button("Accept").click()
        await sees(his)
        await hers.button("Mute").click()
        await hers.button("Microphone and camera").click()
        dialog = hers.page.get_by_role("dialog", name="Microphone and camera")
        await dialog.get_by_role("combobox", name="Camera").select_option(label="fake_device_2")
        await dialog.get_by_role("combobox", name="Microphone").select_option(label="Fake Audio Input 1")
        await uses(hers, "Fake Audio Input 1", "fake_device_2")
        await hers.page.wait_for_function(SENT, arg=["Fake Audio Input 1,false", "fake_device_2,true"])  # still muted
        await sees(his)
        assert await hers.page.evaluate("() => window.peers.length") == 1, "the same connection"
        await hers.page.keyboard.press("Escape")
        await hers.button("Hang up").click()
