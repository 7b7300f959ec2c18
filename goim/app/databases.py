"""A database as `goimctl migrate` and `doctor` see it, whichever it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from goim.stores.migrate import Migrator

if TYPE_CHECKING:
    from goim.stores.mysql_health import Health


@dataclass(frozen=True, kw_only=True, slots=True)
class Database:
    """An open database and the schema it should have; `version` asks for its product and version.

    One `is_embedded` is ours alone and brought up at the start; others are brought up by `goimctl migrate`.
    """

    name: str
    migrator: Migrator
    version: Callable[[], Awaitable[str]]
    is_embedded: bool = True
    health: Callable[[], Awaitable[Health]] | None = None
    """Asks a server of the MySQL family how it is."""

    async def bring_up(self) -> None:
        """See that the schema is the one of this version."""
        await (self.migrator.up() if self.is_embedded else self.migrator.require())
