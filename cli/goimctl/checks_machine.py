"""What `goimctl doctor` looks at on this machine: secret, folder, disk, limits. Nothing is changed or made."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

from goim import __version__
from goim.config import Settings, secret_file, weakness
from goim.config.secret import how_to_make
from goimctl import open_files
from goimctl.findings import Finding, State

_LEAST_FREE = 256 * 1024 * 1024
_FEW_FILES = 4096


def program() -> Finding:
    return Finding(name="goim", found=f"{__version__} on Python {platform.python_version()}")


def secret(settings: Settings) -> Finding:
    second = settings.auth.jwt_secret_too.get_secret_value()
    if second and (reason := weakness(second)):
        return _wrong_secret(f"auth.jwt_secret_too {reason}", how_to_make("IM_AUTH_JWT_SECRET_TOO"))
    reason = weakness(settings.auth.jwt_secret.get_secret_value())
    if reason is None:
        return Finding(name="secret", found="auth.jwt_secret is strong")
    if not settings.is_embedded:
        return _wrong_secret(f"auth.jwt_secret {reason}", how_to_make("IM_JWT_SECRET"))
    return _own_secret(secret_file(settings.server.data_dir))


def _own_secret(path: Path) -> Finding:
    try:
        if not path.exists():
            return Finding(name="secret", found=f"made at the first start, in {path}")
        if os.name == "posix" and path.stat().st_mode & 0o077:
            return _wrong_secret(f"others may read {path}", f"chmod 600 {path}")
        reason = weakness(path.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        return _wrong_secret(f"{path} cannot be read: {why}", f"look as the user who owns {path.parent}")
    if reason is not None:
        way_out = f"delete {path}: a new one is made, and all must log in again"
        return _wrong_secret(f"the secret in {path} {reason}", way_out)
    return Finding(name="secret", found=f"our own, in {path}")


def _wrong_secret(found: str, way_out: str) -> Finding:
    return Finding(name="secret", found=found, state=State.WRONG, way_out=way_out)


def folder(settings: Settings) -> Finding:
    data_dir = settings.server.data_dir
    there = _nearest(data_dir)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        way_out = f"let the user who runs goim write there, or set IM_SERVER_DATA_DIR (now {data_dir})"
        return Finding(name="folder", found=f"{there} cannot be written to", state=State.WRONG, way_out=way_out)
    return Finding(name="folder", found=f"{data_dir} can be {'written to' if data_dir.exists() else 'made'}")


def disk(settings: Settings) -> Finding:
    free = shutil.disk_usage(_nearest(settings.server.data_dir)).free
    found = f"{free / 1024**3:.1f} GiB free"
    if free < _LEAST_FREE:
        return Finding(name="disk", found=found, state=State.WRONG, way_out="make room, or messages cannot be stored")
    return Finding(name="disk", found=found)


def _nearest(path: Path) -> Path:
    """The path itself, or the folder in which it would be made."""
    return next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())


def open_file_limit() -> Finding:
    most = open_files.limit()
    if most is None:
        return Finding(name="open files", found="no limit here")
    way_out = "every connection is a file: ulimit -n 100000, or LimitNOFILE=100000 in a systemd unit"
    few = most < _FEW_FILES
    return Finding(
        name="open files",
        found=f"at most {most}",
        state=State.NOTE if few else State.OK,
        way_out=way_out if few else None,
    )
