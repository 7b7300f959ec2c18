"""A `goimctl chat` process with somebody at its keyboard."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx

from goim.clock import SystemClock
from tests.cli.conftest import BINARY, Goimctl
from tests.client import PASSWORD

_PATIENCE = 45.0
clock = SystemClock()


@dataclass
class Chatter:
    """Types lines, waits for lines."""

    process: asyncio.subprocess.Process
    said: list[str] = field(default_factory=list)
    noted: list[str] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def type(self, *lines: str) -> None:
        """Type lines and press Enter."""
        assert self.process.stdin is not None
        for line in lines:
            self.process.stdin.write(f"{line}\n".encode())

    async def hears(self, text: str) -> str:
        """Wait for a message with this text, take it and what came before it out and return it without its time."""
        return (await self._wait(self.said, text)).partition(" ")[2]

    async def is_told(self, text: str) -> str:
        """The same with what the client says itself."""
        return await self._wait(self.noted, text)

    async def _wait(self, lines: list[str], text: str) -> str:
        async with asyncio.timeout(_PATIENCE):
            while True:
                for at, line in enumerate(lines):
                    if text in line:
                        del lines[: at + 1]
                        return line
                assert self.process.returncode is None or not self._is_over(), (text, self.said, self.noted)
                self._news.clear()
                await self._news.wait()

    def _is_over(self) -> bool:
        streams = (self.process.stdout, self.process.stderr)
        return all(stream is None or stream.at_eof() for stream in streams)

    async def leaves(self) -> int:
        """End the input and wait for the exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        async with asyncio.timeout(_PATIENCE):
            return await self.process.wait()

    async def listen(self, stream: asyncio.StreamReader | None, lines: list[str]) -> None:
        assert stream is not None
        async for line in stream:
            lines.append(line.decode().rstrip("\n"))
            self._news.set()
        self._news.set()


@contextlib.asynccontextmanager
async def chatting(
    goimctl: Goimctl, url: str, name: str, *args: str, password: str = PASSWORD
) -> AsyncIterator[Chatter]:
    """Somebody at a terminal without a screen."""
    process = await asyncio.create_subprocess_exec(
        BINARY,
        "chat",
        name,
        "--url",
        url,
        "--register",
        "--password-stdin",
        *args,
        cwd=goimctl.folder,
        env=goimctl.environ(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    chatter = Chatter(process)
    chatter.type(password)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(chatter.listen(process.stdout, chatter.said))
        tasks.create_task(chatter.listen(process.stderr, chatter.noted))
        try:
            yield chatter
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def all_connected(url: str, number: int) -> None:
    """Wait until so many are connected: they are greeted before, and much of what happens until then is not told."""
    async with httpx.AsyncClient(base_url=url, verify=False) as http, asyncio.timeout(_PATIENCE):
        while f'im_connections{{transport="websocket"}} {number}.0' not in (await http.get("/metrics")).text:
            await clock.sleep(0.02)


class Keyboard:
    """A real terminal, seen by a program as its screen and keyboard."""

    def __init__(self, ours: int) -> None:
        self._ours = ours
        self.screen = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()  # a character may come in two pieces
        self._news = asyncio.Event()

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    async def shows(self, text: str) -> str:
        """Wait until the screen has shown this since the last time; what it showed before."""
        async with asyncio.timeout(_PATIENCE):
            while text not in self.screen:
                self._news.clear()
                await self._news.wait()
        before, _, self.screen = self.screen.partition(text)
        return before

    def read(self) -> None:
        with contextlib.suppress(OSError):  # the program has closed its end
            self.screen += self._decoder.decode(os.read(self._ours, 65536))
            self._news.set()


@contextlib.asynccontextmanager
async def at_terminal(goimctl: Goimctl, *args: str) -> AsyncIterator[tuple[Keyboard, asyncio.subprocess.Process]]:
    """`goimctl` at a terminal of its own."""
    import pty
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (30, 100))
    keyboard = Keyboard(ours)
    process = await asyncio.create_subprocess_exec(
        BINARY,
        *args,
        cwd=goimctl.folder,
        env=goimctl.environ(TERM="xterm-256color", COLUMNS="100", LINES="30"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    loop = asyncio.get_running_loop()
    loop.add_reader(ours, keyboard.read)
    try:
        yield keyboard, process
    finally:
        loop.remove_reader(ours)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        os.close(ours)
