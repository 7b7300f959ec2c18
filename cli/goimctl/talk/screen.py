"""The terminal: lines come in while a line is being typed, and neither spoils the other. Works with pipes, too."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime


class Over(Exception):
    """There is nothing more to type for: the server has ended the talk."""


class Screen:
    """Messages go to stdout and talk about them to stderr; what is typed comes line by line from `next_line`."""

    def __init__(self) -> None:
        self.is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
        self.prompt: Callable[[], str] = lambda: "> "
        self._lines: asyncio.Queue[str | Over | None] = asyncio.Queue()
        self._asked = threading.Semaphore(0)
        self._typing: str | None = None  # the prompt behind which something is being typed

    def show(self, text: str) -> None:
        """Something that somebody said."""
        self._write(text, to_stderr=False)

    def note(self, text: str) -> None:
        """Something about it."""
        self._write(f"* {text}", to_stderr=True)

    def _write(self, text: str, *, to_stderr: bool) -> None:
        if self._typing is None or not self.is_terminal:
            print(text, file=sys.stderr if to_stderr else sys.stdout, flush=True)
            return
        from rich.cells import cell_len

        typed = self._typing + _typed_so_far()
        rows_up = cell_len(typed) // max(shutil.get_terminal_size().columns, 1)
        to_start = "\r" + (f"\x1b[{rows_up}A" if rows_up else "")
        sys.stdout.write(f"{to_start}\x1b[J{text}\n{typed}")
        sys.stdout.flush()

    # what is typed

    async def next_line(self) -> str | None:
        """The next line, None at the end; `Over` if there is nothing more to type for."""
        self._asked.release()
        line = await self._lines.get()
        if isinstance(line, Over):
            raise line
        return line

    def end(self, why: str) -> None:
        """Let whoever waits for a line know that it is over."""
        self._lines.put_nowait(Over(why))

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Read in a thread of its own, which nothing can interrupt; the terminal is left as it was found."""
        loop = asyncio.get_running_loop()
        with self._terminal_kept():
            threading.Thread(target=self._read, args=(loop,), name="keyboard", daemon=True).start()
            yield

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        line: str | None = ""
        while line is not None:
            self._asked.acquire()
            line = self._read_line()
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._lines.put_nowait, line)

    def _read_line(self) -> str | None:
        if not self.is_terminal:
            line = sys.stdin.readline()
            return line.rstrip("\r\n") if line else None
        self._typing = self.prompt()
        try:
            return input(self._typing)
        except EOFError:
            return None
        finally:
            self._typing = None

    @contextlib.contextmanager
    def _terminal_kept(self) -> Iterator[None]:
        if not self.is_terminal:
            yield
            return
        _typed_so_far()  # loads what gives `input` editing and history
        try:
            import termios
        except ImportError:  # Windows
            yield
            return
        before = termios.tcgetattr(sys.stdin)
        try:
            yield
        finally:  # the thread may still be reading, with the echo switched off
            if self._typing is not None:
                sys.stdout.write("\n")
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _typed_so_far() -> str:
    """The line that is being edited, where that can be known."""
    try:
        import readline
    except ImportError:
        return ""
    return readline.get_line_buffer()


def clean(text: str) -> str:
    """Text of somebody else without what a terminal would obey."""
    return "".join(char if char.isprintable() or char == "\u200d" else " " for char in text)


def clock_time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000).astimezone().strftime("%H:%M")
