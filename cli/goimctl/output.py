"""How every command speaks: data on stdout as a table or JSON, talk on stderr, one exit code for each kind of end."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import IntEnum
from typing import Any

import typer

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
_COMMANDS = dict.fromkeys([*range(32), *range(127, 160)], "\N{REPLACEMENT CHARACTER}") | {
    ord("\n"): " ",
    ord("\t"): " ",
}
"""What a terminal would obey instead of showing it, were it part of what somebody calls their device, for example."""
_PIPE_WIDTH = 10_000  # in a pipe a row is a line, however long


class ExitCode(IntEnum):
    """What scripts may rely on."""

    DONE = 0
    FAILED = 1
    WRONG_USE = 2
    UNHEALTHY = 3
    DEPENDENCY_DOWN = 5
    INTERRUPTED = 130


class Failed(Exception):
    """Ends a command: what went wrong (several problems: one a line) and, where there is one, the way out."""

    def __init__(self, message: str, *, hint: str | None = None, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code


def say(text: str) -> None:
    """Tell the person at the terminal something that is not data."""
    typer.echo(text, err=True)


def warn(text: str) -> None:
    say(f"warning: {text}")


@contextlib.contextmanager
def working(on: str) -> Iterator[None]:
    """Show at a terminal that something goes on which may take a while."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True, markup=False, highlight=False, emoji=False).status(f"{on} …"):
        yield


@contextlib.contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None]]:
    """Tells, at a terminal, how much of what is done: a bar for each thing."""
    if not sys.stderr.isatty():
        yield lambda _what, _done, _total: None
        return
    from rich.console import Console
    from rich.progress import Progress, TaskID

    with Progress(console=Console(stderr=True)) as progress:
        bars: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in bars:
                bars[what] = progress.add_task(what)
            progress.update(bars[what], completed=done, total=total)

        yield tell


def confirm(question: str, *, yes: bool) -> None:
    """Ask before what cannot be undone; where nobody can be asked, `--yes` has to say it."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failed("this cannot be undone, and there is no terminal to ask at", hint="--yes", code=ExitCode.WRONG_USE)
    if not typer.confirm(question, err=True):
        raise Failed("nothing was done")


def tell_failure(failure: Failed) -> None:
    for line in failure.message.splitlines():
        say(f"error: {line}")
    if failure.hint:
        say(f"hint: {failure.hint}")


def plain(value: object) -> Any:
    """What the server calls by its own types, as JSON has it."""
    from msgspec import to_builtins

    return to_builtins(value)


def show_json(value: object) -> None:
    """Print data for programs; what JSON does not know is written as text."""
    is_utf8 = sys.stdout.encoding.lower().replace("-", "") == "utf8"
    typer.echo(json.dumps(value, ensure_ascii=not is_utf8, indent=2, default=str))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print data for people: on a terminal it fits the width, in a pipe every row is one line."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")  # what is cut off (an id) could not be typed
    for row in rows:
        table.add_row(*(cell.translate(_COMMANDS) for cell in row))
    width = None if sys.stdout and sys.stdout.isatty() else _PIPE_WIDTH
    console = Console(width=width, markup=False, highlight=False, emoji=False)
    with console.capture() as drawn:
        console.print(table)
    for line in drawn.get().splitlines():
        typer.echo(line.rstrip())


def show_record(record: Mapping[str, object], *, as_json: bool) -> None:
    """Print the fields of one thing, one a line; names and values are JSON's, for people without the punctuation."""
    if as_json:
        show_json(record)
        return
    width = max(map(len, record))
    for name, value in record.items():
        typer.echo(f"{name:{width}}  {_plain(value)}".rstrip())


def _plain(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value).translate(_COMMANDS)


def ourselves() -> str:
    """How this program is called from here: after `make run` it is not on the path."""
    return "goimctl" if shutil.which("goimctl") else os.path.relpath(sys.argv[0])


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def size_of(number: int) -> str:
    """Bytes as people read them."""
    size, unit = float(number), 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.1f} {_UNITS[unit]}" if unit else count(number, "byte")


def moment(ms: int) -> str:
    """Unix milliseconds as people read them, in their own time zone."""
    return datetime.fromtimestamp(ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")
