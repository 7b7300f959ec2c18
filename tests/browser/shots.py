"""Takes the pictures of the web client that README and docs show: `python -m tests.browser.shots [folder]`."""

from __future__ import annotations

import asyncio
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw
from playwright.async_api import Browser, expect

from tests.browser.conftest import DEVICES, chromium
from tests.browser.pages import PHONE, Seat, seat
from tests.client import Device, Person, World
from tests.node import started_node

ASSETS = Path(__file__).parents[2] / "docs" / "assets"
NAMES = {
    "mara": "Mara Lindqvist",
    "tomas": "Tomás Rivera",
    "wei": "陈伟",
    "priya": "Priya Nair",
    "jonas": "Jonas Weber",
    "aiko": "Aiko Tanaka",
    "assistant": "Assistant",
}

ANSWER = """Two things stand out in last week's numbers:

1. **Latency** fell from 41 ms to 27 ms at the 99th percentile.
2. The nightly job takes half as long since `batch_size` is 500.

I would roll it out to the second region on Thursday"""


def picture() -> bytes:
    """A landscape at dusk."""
    image = Image.new("RGB", (960, 640))
    draw = ImageDraw.Draw(image)
    for y in range(640):
        share = y / 640
        colour = (int(48 + 190 * share), int(50 + 90 * share), int(110 + 20 * (1 - share)))
        draw.line([(0, y), (960, y)], fill=colour)
    draw.ellipse([610, 230, 730, 350], fill=(255, 222, 170))
    for base, height, colour in ((430, 190, (74, 63, 112)), (480, 150, (52, 45, 88)), (540, 100, (31, 28, 58))):
        points = [(x, base - (height * abs((x * 7 + height * 3) % 400 - 200) / 200) * 0.8) for x in range(0, 1000, 40)]
        draw.polygon([(0, 640), *points, (960, 640)], fill=colour)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=82)
    return out.getvalue()


async def upload(person: Person, name: str, content: bytes) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {person.token}"}
    answer = await person.http.post("/api/files/upload", files={"file": (name, content)}, headers=headers)
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


# A camera that shows somebody before a wall, in the place of Chromium's clock.
CAMERA = """
const devices = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async ({ video }) => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1280, height: 720 });
  const paint = canvas.getContext("2d");
  const wall = paint.createLinearGradient(0, 0, 1280, 720);
  const [light, dark, shirt] = COLOURS;
  wall.addColorStop(0, light);
  wall.addColorStop(1, dark);
  const draw = () => {
    paint.fillStyle = wall;
    paint.fillRect(0, 0, 1280, 720);
    for (const [colour, y, w, h] of [[shirt, 760, 330, 270], ["#3b2a26", 330, 142, 168], ["#e3b394", 365, 116, 146]]) {
      paint.fillStyle = colour;
      paint.beginPath();
      paint.ellipse(640, y, w, h, 0, 0, 7);
      paint.fill();
    }
  };
  setInterval(draw, 50);
  draw();
  const sound = (await devices({ audio: true })).getAudioTracks();
  return new MediaStream([...sound, ...(video ? canvas.captureStream(20).getVideoTracks() : [])]);
};
"""


class Village:
    """People who have been talking for a while."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.people: dict[str, Person] = {}
        self.devices: dict[str, Device] = {}
        self.group = ""

    async def settle(self) -> None:
        everybody = await self.world.friends(*NAMES)
        self.people = {person.username: person for person in everybody}
        for name, person in self.people.items():
            await person.put("/api/users/me", {"nickname": NAMES[name]})
            if name != "mara":
                self.devices[name] = await self.world.device(person, f"{name}-laptop")

    async def say(self, who: str, where: dict[str, Any], text: str, **more: Any) -> dict[str, Any]:
        data = {**where, "type": "text", "payload": {"text": text}, **more}
        answer: dict[str, Any] = await self.people[who].post("/api/messages", data)
        return answer

    def pair(self, one: str) -> dict[str, Any]:
        return {"convType": "c2c", "to": self.people[one].user_id}

    async def conv_with(self, one: str) -> str:
        """Mara's conversation with somebody."""
        lines = (await self.people["mara"].get("/api/conversations"))["conversations"]
        return next(str(line["convId"]) for line in lines if line.get("peerId") == self.people[one].user_id)

    async def talk(self) -> None:
        """Everything that was said."""
        people = self.people
        ids = [people[name].user_id for name in ("tomas", "wei", "priya", "aiko")]
        group = await people["mara"].post("/api/groups", {"name": "Product launch", "memberIds": ids})
        here = {"convType": "group", "groupId": group["groupId"]}
        await self.say("aiko", self.pair("mara"), "Dinner on Saturday?")
        await self.say("mara", self.pair("jonas"), "The contract is signed 🎉")
        await self.say("jonas", self.pair("mara"), "Wonderful. I will send the kickoff dates tomorrow.")
        await self.say("wei", self.pair("mara"), "新的设计稿已经上传了，请看一下")
        await self.say("priya", here, "Morning all! Release notes are up for review.")
        first = await self.say("tomas", here, "Reading them now. Can we ship `v0.1` before lunch?")
        await self.say("mara", here, "If the last two checks are green, yes", replyTo=first["serverMsgId"])
        shown = await upload(people["aiko"], "dusk.jpg", picture())
        payload = {key: shown[key] for key in ("url", "width", "height", "thumbnail")}
        image = await self.say("aiko", here, "", type="image", payload=payload)
        for who, emoji in (("mara", "❤️"), ("tomas", "❤️"), ("priya", "👏")):
            data = {"convId": group["convId"], "serverMsgId": image["serverMsgId"], "emoji": emoji}
            if who in self.devices:
                await self.devices[who].ask("react", data)
        await self.say("aiko", here, "New header image, from last night's walk")
        await self.say("wei", here, "两项检查都通过了 ✅")
        mara = people["mara"].user_id
        await self.say("priya", here, "@Mara Lindqvist over to you then", mentions=[mara])
        notice = {"title": "Launch on Friday at ten", "content": "Everybody meets in the big room."}
        await people["mara"].post(f"/api/groups/{group['groupId']}/notices", notice)
        self.group = group["convId"]

    async def stream(self) -> None:
        """The assistant is in the middle of an answer."""
        await self.say("mara", self.pair("assistant"), "What do last week's numbers say?")
        device = self.devices["assistant"]
        start = {**self.pair("mara"), "type": "stream", "clientMsgId": "s1", "payload": {"text": ""}}
        begun = await device.ask("start_stream", start)
        for word in ANSWER.split(" "):
            data = {"streamId": begun["streamId"], "delta": word + " "}
            await device.ws.send(json.dumps({"action": "stream_chunk", "data": data}))
        await device.ask("ping")


async def keep(taken: Seat, folder: Path, name: str) -> None:
    await taken.page.evaluate("document.activeElement?.blur()")
    await taken.page.wait_for_load_state("networkidle")
    shot = await taken.page.screenshot(animations="disabled")
    Image.open(io.BytesIO(shot)).save(folder / f"web-{name}.webp", quality=82, method=6)


async def laptop(browser: Browser, world: World, village: Village, folder: Path) -> None:
    size: dict[str, Any] = {"device_scale_factor": 2, "viewport": {"width": 1360, "height": 850}}
    mara = village.people["mara"]
    async with seat(browser, world.base_url, mara, **size) as taken:
        await taken.open("Product launch")
        await expect(taken.page.locator(".image img")).to_be_visible()
        await taken.button("Details").click()
        await expect(taken.page.locator(".pane-details")).to_contain_text("Owner")
        await keep(taken, folder, "group")
    async with seat(browser, world.base_url, mara, color_scheme="dark", **size) as taken:
        await taken.open("Assistant")
        await expect(taken.page.locator(".stream")).to_contain_text("Thursday")
        await keep(taken, folder, "stream-dark")


async def phone(browser: Browser, world: World, village: Village, folder: Path) -> None:
    options: dict[str, Any] = {"device_scale_factor": 2, "viewport": PHONE, "has_touch": True, "is_mobile": True}
    async with seat(browser, world.base_url, village.people["mara"], **options) as taken:
        await keep(taken, folder, "phone-list")
        await taken.open("Product launch")
        await expect(taken.page.locator(".image img")).to_be_visible()
        await keep(taken, folder, "phone-chat")


async def call(browser: Browser, world: World, village: Village, folder: Path) -> None:
    """Mara and Tomás see each other."""
    size: dict[str, Any] = {"device_scale_factor": 2, "viewport": {"width": 1360, "height": 850}}
    here, there = (
        CAMERA.replace("COLOURS", json.dumps(each))
        for each in (["#c9d8e8", "#6f86a6", "#31405c"], ["#f1dcc1", "#b98a5e", "#2f6f5e"])
    )
    mara, tomas = village.people["mara"], village.people["tomas"]
    async with (
        seat(browser, world.base_url, mara, script=here, **size) as hers,
        seat(browser, world.base_url, tomas, script=there) as his,
    ):
        await village.say("tomas", village.pair("mara"), "Do you have a minute?")
        await hers.open("Tomás Rivera")
        await hers.button("Call with video").click()
        await his.button("Accept").click()
        await expect(hers.page.get_by_role("timer")).to_have_text("0:05")
        await keep(hers, folder, "call")
        await hers.button("Hang up").click()


async def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as data:
        async with started_node(Path(data)) as (_, world), chromium(*DEVICES) as browser:
            village = Village(world)
            await village.settle()
            await village.talk()
            await village.stream()
            await laptop(browser, world, village, folder)
            await phone(browser, world, village, folder)
            await call(browser, world, village, folder)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ASSETS
    target.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(target))
