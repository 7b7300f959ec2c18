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


def look(light: str, dark: str, shirt: str, hair: str, skin: str, *, is_long: bool) -> dict[str, Any]:
    return {"light": light, "dark": dark, "shirt": shirt, "hair": hair, "skin": skin, "isLong": is_long}


LOOKS = {  # the others are shown by the first letters of their names
    "mara": look("#d3dfec", "#7f95b3", "#33446a", "#8c4a2f", "#f0c6a6", is_long=True),
    "tomas": look("#f3e3cd", "#c39a70", "#2f6f5e", "#2d2320", "#d9a27c", is_long=False),
    "priya": look("#f6d9d5", "#c98686", "#8a2f5a", "#1f1a1c", "#b97e57", is_long=True),
    "jonas": look("#d8ead9", "#86b08d", "#4a4f57", "#c79a55", "#f2cdb0", is_long=False),
    "aiko": look("#e4dcf4", "#9d8bc7", "#d8a13a", "#2a2230", "#f1cfb2", is_long=True),
}


def portrait(name: str) -> bytes:
    """Somebody's face, as the camera below shows it, on one colour."""
    colours = LOOKS[name]
    image = Image.new("RGB", (960, 960), colours["light"])
    draw = ImageDraw.Draw(image)

    def spot(colour: str, x: int, y: int, w: int, h: int) -> None:
        x, y = (x - 400) * 2, (y - 170) * 2
        draw.ellipse([x - w * 2, y - h * 2, x + w * 2, y + h * 2], fill=colour)

    if colours["isLong"]:
        spot(colours["hair"], 640, 400, 168, 220)
    spot(colours["shirt"], 640, 800, 340, 250)
    for place in ((640, 545, 66, 74), (640, 378, 118, 150), (526, 386, 20, 28), (754, 386, 20, 28)):
        spot(colours["skin"], *place)
    draw.pieslice([220, 80, 740, 464], 180, 360, fill=colours["hair"])
    for place in ((576, 292, 84, 52), (700, 286, 70, 46)):
        spot(colours["hair"], *place)
    for x in (592, 688):
        spot("#2a2230", x, 386, 10, 12)
    draw.arc([400, 488, 560, 592], 27, 153, fill="#a4453f", width=14)
    out = io.BytesIO()
    image.resize((240, 240), Image.Resampling.LANCZOS).save(out, "PNG")
    return out.getvalue()


# A camera that shows somebody before a wall, in the place of Chromium's clock.
CAMERA = """
const devices = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async ({ video }) => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1280, height: 720 });
  const paint = canvas.getContext("2d");
  const { light, dark, shirt, hair, skin, isLong } = LOOK;
  const wall = paint.createLinearGradient(0, 0, 1280, 720);
  wall.addColorStop(0, light);
  wall.addColorStop(1, dark);
  const round = (colour, x, y, w, h, from = 0, to = 7) => {
    paint.fillStyle = colour;
    paint.beginPath();
    paint.ellipse(x, y, w, h, 0, from, to);
    paint.fill();
  };
  const line = (colour, wide, x, y, w, h, from, to) => {
    paint.strokeStyle = colour;
    paint.lineWidth = wide;
    paint.lineCap = "round";
    paint.beginPath();
    paint.ellipse(x, y, w, h, 0, from, to);
    paint.stroke();
  };
  const draw = () => {
    paint.fillStyle = wall;
    paint.fillRect(0, 0, 1280, 720);
    if (isLong) round(hair, 640, 400, 168, 220);
    round(shirt, 640, 800, 340, 250);
    round(skin, 640, 545, 66, 74);
    round("rgb(0 0 0 / 0.1)", 640, 508, 62, 40);
    round(skin, 640, 378, 118, 150);
    if (!isLong) [526, 754].forEach((x) => round(skin, x, 386, 20, 28));
    round(hair, 640, 306, 130, 96, Math.PI, 0);
    round(hair, 576, 292, 84, 52);
    round(hair, 700, 286, 70, 46);
    for (const x of [592, 688]) {
      round("#2a2230", x, 386, 10, 12);
      line(hair, 8, x, 366, 26, 16, 1.2 * Math.PI, 1.8 * Math.PI);
    }
    line("rgb(0 0 0 / 0.18)", 5, 640, 418, 12, 12, 0.1 * Math.PI, 0.9 * Math.PI);
    line("#a4453f", 7, 640, 440, 40, 26, 0.15 * Math.PI, 0.85 * Math.PI);
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
            profile = {"nickname": NAMES[name]}
            if name in LOOKS:
                profile["avatarUrl"] = (await upload(person, "me.png", portrait(name)))["url"]
            await person.put("/api/users/me", profile)
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
        await self.say("mara", self.pair("assistant"), "When did the nightly job run last?")
        await self.say("assistant", self.pair("mara"), "At 02:00. It took **18 minutes** and reported nothing.")
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
    size["viewport"] = {"width": 1160, "height": 640}
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
    here, there = (CAMERA.replace("= LOOK;", f"= {json.dumps(LOOKS[name])};") for name in ("mara", "tomas"))
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
