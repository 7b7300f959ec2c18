"""Sees to it that tokens are signed with a secret that nobody guesses."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

from goim.config.settings import Settings
from goim.errors import ConfigError, is_full

MIN_BYTES = 32
_MIN_DIFFERENT = 10
_FILE = "jwt_secret"


def weakness(secret: str) -> str | None:
    """Why `secret` could be guessed, or None if it is good: at least 32 bytes, varied, not the example's."""
    if not secret:
        return "is empty"
    if "change-me" in secret.lower().replace("_", "-"):
        return "is the example's"
    if len(secret.encode()) < MIN_BYTES:
        return f"is shorter than {MIN_BYTES} bytes"
    if len(set(secret)) < _MIN_DIFFERENT or secret in (secret + secret)[1:-1]:
        return "repeats itself"
    return None


def how_to_make(variable: str) -> str:
    """What to type for a secret that is none."""
    return f'make one: export {variable}=$(python3 -c "import secrets; print(secrets.token_urlsafe(48))")'


def signing_secrets(settings: Settings) -> list[str]:
    """The secret that signs, then the one that is believed, too, if there is one; `ConfigError` if one is no good."""
    second = settings.auth.jwt_secret_too.get_secret_value()
    if second and (reason := weakness(second)):
        hint = how_to_make("IM_AUTH_JWT_SECRET_TOO")
        raise ConfigError(f"auth.jwt_secret_too (IM_AUTH_JWT_SECRET_TOO) {reason}", hint=hint)
    return [_signing_secret(settings), *([second] if second else [])]


def _signing_secret(settings: Settings) -> str:
    """The configured secret if it is good, on the embedded default else one of our own; `ConfigError` otherwise."""
    secret = settings.auth.jwt_secret.get_secret_value()
    reason = weakness(secret)
    if reason is None:
        return secret
    if settings.is_embedded:
        return load_or_make_secret(settings.server.data_dir)
    raise ConfigError(f"auth.jwt_secret (IM_JWT_SECRET) {reason}", hint=how_to_make("IM_JWT_SECRET"))


def secret_file(data_dir: Path) -> Path:
    """Where the embedded default keeps the secret it made."""
    return data_dir / _FILE


def load_or_make_secret(data_dir: Path) -> str:
    """The secret kept in `data_dir`; made at first. Processes that make it at the same time get the same one."""
    path = secret_file(data_dir)
    try:
        if not path.exists():
            data_dir.mkdir(parents=True, exist_ok=True)
            make_secret_file(path, secrets.token_urlsafe(48))
        secret = path.read_text(encoding="utf-8").strip()
    except (FileExistsError, NotADirectoryError):
        hint = "move away what is there, or name another folder: IM_SERVER_DATA_DIR=…"
        raise ConfigError(f"server.data_dir {data_dir}: is no folder", hint=hint) from None
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        way_out = "make room" if is_full(error) else f"run it as the user who owns {data_dir}"
        hint = f"{way_out}, or name another folder: IM_SERVER_DATA_DIR"
        raise ConfigError(f"{path}: cannot be made or read: {why}", hint=hint) from error
    if reason := weakness(secret):
        raise ConfigError(
            f"{path}: the secret {reason}", hint="delete the file: a new one is made, and all must log in again"
        )
    return secret


def make_secret_file(path: Path, secret: str) -> None:
    """Write a whole file and link it into place: the first of several wins, nobody ever reads half of one."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secret + "\n")
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(name)
    except FileExistsError:
        pass  # another process was first: its secret is ours too
    finally:
        Path(name).unlink()
