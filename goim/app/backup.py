"""Copies what the embedded default keeps, as it was at one instant, while a server runs.

Both databases are held for that instant (milliseconds; senders wait), then copied from a snapshot while everybody goes
on. Files come last: their bytes are stored before the databases know of them and never change. The index of words is
left out, it is made anew. `restore.py` puts a backup back.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Protocol

import msgspec
from msgspec import Struct

from goim import __version__
from goim.clock import Clock
from goim.errors import OperatorError
from goim.stores.sqlite_worker import told

DATABASES = ("messages.db", "goim.db")
FILES = "files"
SECRETS = ("jwt_secret", "vapid_key")
MANIFEST = "manifest.json"
TARS = {".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz"}
_PAGES_AT_ONCE = 4096
_PATIENCE = 10.0
_CHUNK = 1 << 20

Tell = Callable[[str, int, int], None]
"""What is copied, how much of it is done, and how much there is."""


class BackupError(OperatorError):
    """A backup cannot be made or put back."""


class Entry(Struct, frozen=True):
    """A file of the backup."""

    path: str
    size: int
    sha256: str


class Manifest(Struct, frozen=True, rename="camel"):
    """What a backup is of: written last, so whatever has one is whole."""

    goim: str
    made_at: int
    has_secrets: bool
    files: list[Entry]

    @property
    def size(self) -> int:
        return sum(entry.size for entry in self.files)


class Sink(Protocol):
    """Where a backup grows."""

    def add(self, name: str, size: int, content: IO[bytes]) -> None: ...


class _Folder:
    """A backup that is a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, name: str, size: int, content: IO[bytes]) -> None:  # noqa: ARG002 it shows
        place = self._folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as file:
            shutil.copyfileobj(content, file, _CHUNK)
            file.flush()
            os.fsync(file.fileno())


class _Tar:
    """A backup that is one file."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar

    def add(self, name: str, size: int, content: IO[bytes]) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, 0o600
        self._tar.addfile(info, content)


class Summed(io.RawIOBase):
    """The first `size` bytes of a file, and the checksum of what was read of it."""

    def __init__(self, file: IO[bytes], size: int, tell: Callable[[int], None]) -> None:
        self._file = file
        self._left = size
        self._tell = tell
        self._sum = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        self._sum.update(data)
        self._tell(len(data))
        return data

    def readable(self) -> bool:
        return True

    @property
    def sha256(self) -> str:
        return self._sum.hexdigest()


def back_up(data_dir: Path, target: Path, clock: Clock, tell: Tell, *, with_secrets: bool = False) -> Manifest:
    """Make a backup called `target`: one file if it ends in .tar, .tar.gz or .tgz, else a folder.

    It has its name when it is whole; what broke off leaves nothing. An existing one is never written over.
    """
    if target.exists():
        raise BackupError(f"{target} is there already", hint="choose another name; a backup is never written over")
    for name in DATABASES:
        if not (data_dir / name).is_file():
            raise BackupError(
                f"there is no {name} in {data_dir}", hint="see which folder is meant: goimctl config show"
            )
    if not target.parent.is_dir():
        raise BackupError(f"there is no folder {target.parent} for the backup", hint=f"mkdir -p {target.parent}")
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.absolute().parent))  # mode 0700
    try:
        return _back_up(data_dir, target, work, clock, tell, with_secrets=with_secrets)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _back_up(data_dir: Path, target: Path, work: Path, clock: Clock, tell: Tell, *, with_secrets: bool) -> Manifest:
    copies = work / "databases"
    copies.mkdir()
    made_at = clock.now_ms()
    _copy_databases(data_dir, copies, tell)
    parts = [(name, copies / name) for name in DATABASES] + _files(data_dir)
    if with_secrets:
        parts += [(name, data_dir / name) for name in SECRETS if (data_dir / name).is_file()]
    with _sink(target, work) as (sink, whole):
        entries = list(_added(parts, sink, tell))
        manifest = Manifest(goim=__version__, made_at=made_at, has_secrets=with_secrets, files=entries)
        text = msgspec.json.format(msgspec.json.encode(manifest))
        sink.add(MANIFEST, len(text), io.BytesIO(text))
    whole.rename(target)
    sync_folder(target.absolute().parent)
    return manifest


@contextlib.contextmanager
def _sink(target: Path, work: Path) -> Iterator[tuple[Sink, Path]]:
    """Where to put what, and what that is to be called when all is in it."""
    mode = next((mode for suffix, mode in TARS.items() if target.name.endswith(suffix)), None)
    whole = work / "backup"
    if mode is None:
        whole.mkdir(mode=0o700)
        yield _Folder(whole), whole
        return
    whole.touch(mode=0o600, exist_ok=False)
    with whole.open("wb") as file:
        with tarfile.open(fileobj=file, mode=mode) as tar:  # type: ignore[call-overload] # mypy wants a literal
            yield _Tar(tar), whole
        file.flush()
        os.fsync(file.fileno())


def _files(data_dir: Path) -> list[tuple[str, Path]]:
    """Every stored file; what is still being written is nobody's yet."""
    found = sorted(path for path in (data_dir / FILES).rglob("*") if path.is_file() and "#" not in path.name)
    return [(path.relative_to(data_dir).as_posix(), path) for path in found]


def _added(parts: list[tuple[str, Path]], sink: Sink, tell: Tell) -> Iterator[Entry]:
    total = sum(_size_of(path) for _, path in parts)
    done = 0

    def tell_more(more: int) -> None:
        nonlocal done
        done += more
        tell("files", done, total)

    for name, path in parts:
        try:
            file = path.open("rb")
        except FileNotFoundError:
            continue  # deleted meanwhile
        with file:
            size = os.fstat(file.fileno()).st_size
            content = Summed(file, size, tell_more)
            sink.add(name, size, content)  # type: ignore[arg-type] # a raw file is read like any
        yield Entry(name, size, content.sha256)


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # deleted meanwhile


def _copy_databases(data_dir: Path, copies: Path, tell: Tell) -> None:
    try:
        with _one_instant([data_dir / name for name in DATABASES]) as sources:
            for name, source in zip(DATABASES, sources, strict=True):
                _copy_database(source, copies / name, partial(tell, name))
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL:  # of the copies: else nothing is written
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise told(error) from error


@contextlib.contextmanager
def _one_instant(paths: list[Path]) -> Iterator[list[sqlite3.Connection]]:
    """A snapshot of each database, all of the same instant: nobody writes to any of them while they are opened."""
    with contextlib.ExitStack() as opened:
        with contextlib.ExitStack() as locks:
            for path in paths:
                locks.enter_context(_connection(path)).execute("BEGIN IMMEDIATE")
            sources = [opened.enter_context(_connection(path)) for path in paths]
            for source in sources:
                source.execute("BEGIN")
                source.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()  # now the snapshot stands
        yield sources


@contextlib.contextmanager
def _connection(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_PATIENCE, isolation_level=None
    )
    with contextlib.closing(connection):
        yield connection


def _copy_database(source: sqlite3.Connection, place: Path, tell: Callable[[int, int], None]) -> None:
    with contextlib.closing(sqlite3.connect(place, isolation_level=None)) as copy:
        source.backup(copy, pages=_PAGES_AT_ONCE, progress=lambda _, left, total: tell(total - left, total))
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, nothing beside it


def sync_folder(folder: Path) -> None:
    """See that the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
