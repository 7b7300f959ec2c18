"""`goimctl backup` and `goimctl restore`: everything the embedded default keeps, in one file or folder."""

from __future__ import annotations

import contextlib
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from goim.errors import is_full
from goimctl.options import Json, load_settings
from goimctl.output import Failed, moment, progress_bars, say, show_record, size_of, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from goim.app.backup import Manifest
    from goim.config import Settings


def backup(
    ctx: typer.Context,
    target: Annotated[
        Path, typer.Argument(help="A new folder, or a file that ends in .tar or .tar.gz.", metavar="FILE|FOLDER")
    ],
    *,
    with_secrets: Annotated[
        bool, typer.Option("--with-secrets", help="Also the secrets that goim made for itself.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Copy databases and files of this moment while the server goes on."""
    from goim.app.backup import back_up
    from goim.clock import SystemClock

    settings = _embedded(load_settings(ctx).settings)
    with _failures(target), progress_bars() as tell:
        manifest = back_up(settings.server.data_dir, target, SystemClock(), tell, with_secrets=with_secrets)
    _show(target, manifest, as_json=as_json)
    if settings.files.s3_bucket:
        warn(f"uploaded files are in the bucket {settings.files.s3_bucket} and not in the backup")


def restore(
    ctx: typer.Context,
    source: Annotated[Path, typer.Argument(help="What `goimctl backup` made.", metavar="FILE|FOLDER")],
    *,
    as_json: Json = False,
) -> None:
    """Make the data folder of a backup. There must be nothing in it, and no server may run on it."""
    from goim.app.restore import restore as put_back

    settings = _embedded(load_settings(ctx).settings)
    with _failures(settings.server.data_dir), progress_bars() as tell:
        manifest = put_back(source, settings.server.data_dir, tell)
    _show(settings.server.data_dir, manifest, as_json=as_json)
    if not manifest.has_secrets and not settings.auth.jwt_secret:
        say("its secret was not in the backup: the server makes a new one, and everybody logs in again")


def _embedded(settings: Settings) -> Settings:
    if settings.mysql.dsn or settings.message_db != "sqlite":
        raise Failed("this is for the embedded default; your data is in a database server", hint="see docs/backup.md")
    return settings


def _show(place: Path, manifest: Manifest, *, as_json: bool) -> None:
    record: dict[str, object] = {
        "path": str(place),
        "madeAt": manifest.made_at if as_json else moment(manifest.made_at),
        "files": len(manifest.files),
        "bytes": manifest.size if as_json else size_of(manifest.size),
        "secrets": manifest.has_secrets,
    }
    show_record(record, as_json=as_json)


@contextlib.contextmanager
def _failures(place: Path) -> Iterator[None]:
    """What may go wrong while something is written to `place`; SIGTERM leaves as little behind as Ctrl-C."""
    try:
        with _ended_by(signal.SIGTERM), _ended_by(getattr(signal, "SIGHUP", signal.SIGTERM)):
            yield
    except OSError as error:
        if not is_full(error):
            raise
        hint = "make room, or name a place on another disk"
        raise Failed(f"{place}: {error.strerror}; nothing was written", hint=hint) from error


@contextlib.contextmanager
def _ended_by(number: signal.Signals) -> Iterator[None]:
    """Let this signal, where it would end the process at once, end it with everything on the way tidied up."""
    before = signal.getsignal(number)
    if before is signal.SIG_DFL:
        signal.signal(number, lambda *_: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(number, before)
