"""Firefox as it is installed, driven over WebDriver BiDi: windows in profiles of their own, and what one does there."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from goim.clock import SystemClock

clock = SystemClock()
PATIENCE = 90.0
# A camera that shows colours and a microphone that hums, given to whoever asks; calls within this machine.
PREFERENCES = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.peerconnection.ice.loopback": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "media.autoplay.default": 0,
    "intl.accept_languages": "en-GB",
}
CLICK = """
() => {
  const named = (button) => (button.ariaLabel ?? button.innerText).trim() === NAME;
  const found = [...document.querySelectorAll("button")].find((button) => named(button) && button.checkVisibility());
  if (!found || found.disabled) return false;
  found.click();
  return true;
}
"""
FOCUS = """
() => {
  const labelled = ({ labels, ariaLabel }) => (ariaLabel ?? labels[0]?.innerText ?? "").trim() === NAME;
  const field = [...document.querySelectorAll("input, textarea")].find(labelled);
  field?.focus();
  return Boolean(field);
}
"""
Answer = dict[str, Any]


class NotDone(Exception):
    """Firefox says why it did not do what it was asked to."""


@dataclass
class Firefox:
    """A running Firefox: one question after the other."""

    socket: ClientConnection
    logged: list[Answer] = field(default_factory=list)
    _ids: Any = field(default_factory=lambda: itertools.count(1))

    async def ask(self, method: str, **params: Any) -> Answer:
        number = next(self._ids)
        await self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        async with asyncio.timeout(PATIENCE):
            while True:
                answer: Answer = json.loads(await self.socket.recv())
                if answer.get("id") == number:
                    break
                self.logged.append(answer["params"])
        if answer["type"] == "error":
            raise NotDone(f"{method}: {answer['error']}: {answer['message']}")
        result: Answer = answer["result"]
        return result

    @contextlib.asynccontextmanager
    async def window(self, url: str, script: str = "") -> AsyncIterator[Window]:
        """A window in a profile of its own, `script` run before the page's own. At the end nothing may have gone wrong
        in the page."""
        profile = (await self.ask("browser.createUserContext"))["userContext"]
        created = await self.ask("browsingContext.create", type="window", userContext=profile)
        window = Window(self, created["context"])
        before = f"() => {{ if (location.protocol === 'http:') {{ {script} }} }}"
        await self.ask("script.addPreloadScript", functionDeclaration=before, contexts=[window.id])
        await self.ask("browsingContext.navigate", context=window.id, url=url, wait="complete")
        yield window
        await self.ask("browser.removeUserContext", userContext=profile)
        wrong = [entry["text"] for entry in self.logged if entry["level"] in ("warn", "error")]
        assert not wrong, wrong


@dataclass
class Window:
    """A page in Firefox, and who sits before it."""

    firefox: Firefox
    id: str

    async def evaluate(self, script: str) -> Any:
        """What the function `script` returns in the page."""
        answer = await self.firefox.ask(
            "script.callFunction",
            functionDeclaration=f"async () => JSON.stringify(await ({script})() ?? null)",
            target={"context": self.id},
            awaitPromise=True,
            userActivation=True,
        )
        if answer["type"] == "exception":
            raise NotDone(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"])

    async def until(self, script: str) -> Any:
        """Ask the page until it says yes."""
        async with asyncio.timeout(PATIENCE):
            while not (found := await self.evaluate(script)):
                await clock.sleep(0.1)
        return found

    async def sees(self, text: str) -> None:
        await self.until(f"() => document.body.innerText.includes({json.dumps(text)})")

    async def click(self, name: str) -> None:
        """A button, as soon as it can be clicked."""
        await self.until(CLICK.replace("NAME", json.dumps(name)))

    async def type(self, text: str) -> None:
        """On the keyboard; a line's end is `Enter`."""
        keys = text.replace("\n", "\ue007")
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        source = {"type": "key", "id": "keyboard", "actions": actions}
        await self.firefox.ask("input.performActions", context=self.id, actions=[source])

    async def fill(self, name: str, text: str) -> None:
        """A password has no role, so fields are found by their labels."""
        await self.until(FOCUS.replace("NAME", json.dumps(name)))
        await self.type(text)


@contextlib.asynccontextmanager
async def started() -> AsyncIterator[Firefox]:
    """Debian's Firefox, or whichever is installed, without a screen."""
    path = shutil.which("firefox-esr") or shutil.which("firefox")
    if path is None:
        pytest.skip("there is no Firefox: apt install firefox-esr")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        _prefer(Path(folder, "user.js"))
        arguments = ["--headless", "--no-remote", "--remote-debugging-port=0", "--profile", folder]
        running = await asyncio.create_subprocess_exec(
            path, *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            port = await _port(Path(folder, "WebDriverBiDiServer.json"))
            async with connect(f"ws://127.0.0.1:{port}/session", max_size=None, proxy=None) as socket:
                firefox = Firefox(socket)
                await firefox.ask("session.new", capabilities={})
                await firefox.ask("session.subscribe", events=["log.entryAdded"])
                yield firefox
        finally:
            running.terminate()
            await running.wait()


def _prefer(told: Path) -> None:
    told.write_text("".join(f'user_pref("{name}", {json.dumps(value)});\n' for name, value in PREFERENCES.items()))


async def _port(told: Path) -> int:
    """Where it listens, which it writes into its profile."""
    async with asyncio.timeout(PATIENCE):
        while (port := _port_now(told)) is None:
            await clock.sleep(0.1)
    return port


def _port_now(told: Path) -> int | None:
    with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):  # not yet, or not all of it
        return int(json.loads(told.read_text())["ws_port"])
    return None
