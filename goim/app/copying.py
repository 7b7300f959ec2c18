"""Moves a whole deployment from one database to another, page by page, and compares the two at the end.

What is done is remembered in a file, so that a copy that broke off goes on where it was. Nobody may write meanwhile:
the source's servers are stopped, the target has none yet.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
from msgspec import Struct, field

from goim.app.backup import FILES, SECRETS
from goim.app.mysql_storage import data_dsn, log_dsn
from goim.config import Settings
from goim.config.dsn import mask_url
from goim.errors import OperatorError
from goim.stores.rows import LOG_SHAPES, STRUCTURED_SHAPES, Row, RowStore, Shape, checksum
from goim.stores.sqlite_worker import told

_PAGE = 500

Tell = Callable[[str, int, int], None]
"""What is being done, how many rows of it are done, and how many there are."""


class CopyError(OperatorError):
    """Nothing can be copied like this."""


class Progress(Struct):
    """How far a copy is: the last key of each table that was begun, and the tables that are through."""

    source: str
    target: str
    after: dict[str, list[str | int]] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)


class Side(Struct, frozen=True):
    """A deployment: where it is, and its tables."""

    name: str
    data: RowStore
    log: RowStore

    def tables(self) -> list[tuple[Shape, RowStore]]:
        return [(shape, self.data) for shape in STRUCTURED_SHAPES] + [(shape, self.log) for shape in LOG_SHAPES]


class Compared(Struct, frozen=True):
    """A table, how many rows it has on both sides, and whether they are the same ones."""

    table: str
    source: int
    target: int
    same: bool


def name_of(settings: Settings) -> str:
    """Where a deployment keeps its data, without passwords."""
    folder = f"sqlite:{settings.server.data_dir.absolute()}"
    dsn, messages = data_dsn(settings), log_dsn(settings)
    data = folder if dsn is None else dsn.masked()
    if settings.message_db == "mongodb":
        log = mask_url(settings.mongo.uri.get_secret_value())
    else:
        log = folder if messages is None else messages.masked()
    return data if log == data else f"{data}, messages {log}"


def refuse_in_use(folder: Path) -> None:
    """`CopyError` if a server, or anybody else, has the embedded databases in this folder open."""
    for name in ("goim.db", "messages.db"):
        path = folder / name
        if path.exists() and _is_open(path):
            hint = "stop the server: what it stores meanwhile would be missing"
            raise CopyError(f"{path} is in use", hint=hint)


def _is_open(path: Path) -> bool:
    """Every connection to a database in WAL mode holds a lock that one who wants it alone runs into."""
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as database:
            database.execute("PRAGMA locking_mode=EXCLUSIVE")
            database.execute("BEGIN EXCLUSIVE")
            database.execute("ROLLBACK")
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
            raise told(error) from error
        return True
    return False


def copy_files(source: Path, target: Path, tell: Tell) -> int:
    """Copy the files of one data folder to another, and the secrets that goim made for itself; say how many."""
    found = [path for path in sorted((source / FILES).rglob("*")) if path.is_file() and "#" not in path.name]
    found += [source / name for name in SECRETS if (source / name).is_file()]
    copied = 0
    for done, path in enumerate(found, 1):
        place = target / path.relative_to(source)
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            half = place.with_name(f"{place.name}#0")  # nobody takes it for a file
            shutil.copy2(path, half)
            half.replace(place)
            copied += 1
        tell("files", done, len(found))
    return copied


async def copy(source: Side, target: Side, memory: Path, tell: Tell) -> list[Compared]:
    """Copy every table, then compare; `CopyError` if the target has other rows than the source in the end.

    How far it is stays in `memory`, which whoever is through with everything removes.
    """
    await source.log.settle(partial(tell, "settled"))
    progress = _recall(memory, source, target) or await _begin(memory, source, target)
    counts = {shape.name: await rows.count(shape) for shape, rows in source.tables()}
    total, done = sum(counts.values()), 0
    for (shape, rows), (_, into) in zip(source.tables(), target.tables(), strict=True):
        if shape.name in progress.done:
            done += counts[shape.name]
            continue
        before = done
        after: Row | None = tuple(progress.after[shape.name]) if shape.name in progress.after else None
        while page := await rows.page(shape, after, _PAGE):
            await into.put(shape, page)
            after = shape.key_of(page[-1])
            progress.after[shape.name] = list(after)
            _remember(memory, progress)
            done += len(page)
            tell("copied", min(done, total), total)
        total += done - before - counts[shape.name]  # now it is known, for this table
        tell("copied", done, total)
        progress.done.append(shape.name)
        _remember(memory, progress)
    compared = await compare(source, target, total, tell)
    wrong = [each.table for each in compared if not each.same]
    if wrong:
        hint = f"was something written meanwhile? stop everything, empty the target, remove {memory} and copy again"
        raise CopyError(f"not the same in both: {', '.join(wrong)}", hint=hint)
    return compared


async def compare(source: Side, target: Side, total: int, tell: Tell) -> list[Compared]:
    """Read both sides whole and say for each table whether they have the same rows."""
    compared: list[Compared] = []
    done = 0

    async def read(shape: Shape, rows: RowStore) -> tuple[int, int]:
        nonlocal done
        count, total_sum, after = 0, 0, None
        while page := await rows.page(shape, after, _PAGE):
            count, total_sum, after = count + len(page), total_sum + checksum(page), shape.key_of(page[-1])
            done += len(page)
            tell("compared", min(done, 2 * total), 2 * total)
        return count, total_sum

    for (shape, ours), (_, theirs) in zip(source.tables(), target.tables(), strict=True):
        one, other = await read(shape, ours), await read(shape, theirs)
        compared.append(Compared(shape.name, one[0], other[0], one == other))
    return compared


def _recall(memory: Path, source: Side, target: Side) -> Progress | None:
    if not memory.exists():
        return None
    try:
        progress = msgspec.json.decode(memory.read_bytes(), type=Progress)
    except msgspec.MsgspecError as error:
        raise CopyError(f"{memory} is not what a copy has left: {error}", hint="name another: --state FILE") from error
    if (progress.source, progress.target) != (source.name, target.name):
        found = f"{memory} is of a copy from {progress.source} to {progress.target}"
        raise CopyError(found, hint="name another file: --state FILE")
    return progress


async def _begin(memory: Path, source: Side, target: Side) -> Progress:
    for shape, rows in target.tables():
        if await rows.page(shape, None, 1):
            hint = f"copy into an empty database; a copy that broke off goes on with its {memory.name}"
            raise CopyError(f"{target.name} is not empty: there is something in {shape.name}", hint=hint)
    progress = Progress(source.name, target.name)
    _remember(memory, progress)
    return progress


def _remember(memory: Path, progress: Progress) -> None:
    """The whole file or the one before: after a crash a page may be copied twice, which does it once."""
    new = memory.with_name(f"{memory.name}.new")
    with new.open("wb") as file:
        file.write(msgspec.json.encode(progress))
        file.flush()
        os.fsync(file.fileno())
    new.replace(memory)
