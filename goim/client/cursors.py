"""How far a client has come in each conversation, and where that is kept between its runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec import Struct


class Cursor(Struct, frozen=True):
    """Every message up to `seq` and every change up to `change` was shown."""

    seq: int = 0
    change: int = 0


class Cursors(Protocol):
    """Where cursors are kept, by conversation."""

    def load(self) -> dict[str, Cursor] | None:
        """What was saved last; None if nothing ever was: then what was said before does not count as missed."""
        ...

    def save(self, cursors: Mapping[str, Cursor]) -> None:
        """Keep all of these in the place of what was there. Either all is kept or what was there before."""
        ...


class MemoryCursors:
    """For the length of a process, or of several clients in it."""

    def __init__(self) -> None:
        self._kept: dict[str, Cursor] | None = None

    def load(self) -> dict[str, Cursor] | None:
        return None if self._kept is None else dict(self._kept)

    def save(self, cursors: Mapping[str, Cursor]) -> None:
        self._kept = dict(cursors)


class FileCursors:
    """A JSON file `{convId: {seq, change}}`, replaced as a whole. One for each account, and one client at a time.

    `ValueError` if it holds something else.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)

    def load(self) -> dict[str, Cursor] | None:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, Cursor])
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError:
            raise ValueError(f"{self._path} holds no cursors: begin with another file, or without it") from None

    def save(self, cursors: Mapping[str, Cursor]) -> None:
        beside = self._path.with_name(f"{self._path.name}.new")
        beside.write_bytes(msgspec.json.encode(dict(cursors)))
        beside.replace(self._path)
