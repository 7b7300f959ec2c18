"""Puts a backup back: checked before anything has its place, and only where there is nothing."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import sqlite3
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

import msgspec

from goim.app.backup import DATABASES, MANIFEST, TARS, BackupError, Manifest, Summed, Tell, sync_folder
from goim.resources import bundled

_CHUNK = 1 << 20
_DAMAGED = "the backup is damaged; nothing was restored"
_UNFINISHED = ".goim-restore-"
_VOLUMES_OWN = "lost+found"


class Source(Protocol):
    """A backup, to be read."""

    def open(self, name: str) -> IO[bytes] | None:
        """One of its files, None if it has none of this name."""
        ...


class _Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, name: str) -> IO[bytes] | None:
        place = self._folder / name
        return place.open("rb") if place.is_file() else None


class _Tar:
    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar

    def open(self, name: str) -> IO[bytes] | None:
        try:
            return self._tar.extractfile(name)
        except KeyError:
            return None


def restore(backup: Path, data_dir: Path, tell: Tell) -> Manifest:
    """Make `data_dir` of a backup. What is restored has its name when all of it is checked; what broke off leaves
    nothing."""
    with _source(backup) as source:
        _refuse_full(data_dir)
        manifest = _manifest(source, backup)
        with _growing(data_dir) as work:
            _copy_all(source, manifest, work, tell)
            _check_databases(work)
    return manifest


@contextlib.contextmanager
def _source(backup: Path) -> Iterator[Source]:
    if not backup.exists():
        raise BackupError(f"there is no {backup}")
    if backup.is_dir():
        yield _Folder(backup)
        return
    if not any(backup.name.endswith(suffix) for suffix in TARS):
        raise BackupError(
            f"{backup} is not a backup", hint="name the folder or the .tar file that `goimctl backup` made"
        )
    try:
        with tarfile.open(backup) as tar:
            yield _Tar(tar)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BackupError(f"{backup}: {error}", hint=_DAMAGED) from error


def _refuse_full(data_dir: Path) -> None:
    """`BackupError` if there is anything but what a restore that was killed has left, or the volume's own folder."""
    if not data_dir.exists():
        return
    if any(path.name != _VOLUMES_OWN and not path.name.startswith(_UNFINISHED) for path in data_dir.iterdir()):
        raise BackupError(f"{data_dir} is not empty", hint="move it away, or name another: IM_SERVER_DATA_DIR=…")


@contextlib.contextmanager
def _growing(data_dir: Path) -> Iterator[Path]:
    """A folder (mode 0700) that `data_dir` is made of when the block ends well.

    If that is there, it stays, and all is moved into it: it may be a volume, or a link, or in a folder of others.
    """
    is_there = data_dir.exists()
    place = data_dir if is_there else data_dir.absolute().parent
    place.mkdir(parents=True, exist_ok=True)
    if is_there:
        for left in data_dir.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left)
    work = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=place))
    try:
        yield work
        if is_there:
            for path in list(work.iterdir()):
                path.rename(data_dir / path.name)
        else:
            work.rename(data_dir)
        sync_folder(place)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _manifest(source: Source, backup: Path) -> Manifest:
    file = source.open(MANIFEST)
    if file is None:
        raise BackupError(f"{backup} has no {MANIFEST}: it is not a whole backup")
    with file:
        try:
            manifest = msgspec.json.decode(file.read(), type=Manifest)
        except msgspec.MsgspecError as error:
            raise BackupError(f"{backup}: {MANIFEST}: {error}", hint=_DAMAGED) from error
    for entry in manifest.files:
        parts = PurePosixPath(entry.path).parts
        if not parts or ".." in parts or parts[0] == "/":
            raise BackupError(f"{backup}: {entry.path} leads out of the folder", hint=_DAMAGED)
    return manifest


def _copy_all(source: Source, manifest: Manifest, work: Path, tell: Tell) -> None:
    done = 0

    def tell_more(more: int) -> None:
        nonlocal done
        done += more
        tell("files", done, manifest.size)

    for entry in manifest.files:
        file = source.open(entry.path)
        if file is None:
            raise BackupError(f"{entry.path} is missing", hint=_DAMAGED)
        with file:
            content = Summed(file, entry.size + 1, tell_more)
            size = _copy(content, work / entry.path)
        if (size, content.sha256) != (entry.size, entry.sha256):
            raise BackupError(f"{entry.path} is not what was backed up", hint=_DAMAGED)


def _copy(content: Summed, place: Path) -> int:
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with place.open("xb") as file:
        place.chmod(0o600)
        while data := content.read(_CHUNK):
            file.write(data)
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


def _check_databases(folder: Path) -> None:
    """Whole, and of no newer version than this program."""
    known = {int(path.name[:4]) for path in (bundled("schemas") / "sqlite").glob("*.sql")}
    for name in DATABASES:
        try:
            with contextlib.closing(sqlite3.connect(folder / name)) as database:
                (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
                applied = {version for (version,) in database.execute("SELECT version FROM schema_migrations")}
        except sqlite3.Error as error:
            raise BackupError(f"{name}: {error}", hint=_DAMAGED) from error
        if verdict != "ok":
            raise BackupError(f"{name}: {verdict}", hint=_DAMAGED)
        if applied - known:
            raise BackupError(f"{name} is of a newer version of goim", hint="install that version, then restore")
