"""Brings a schema up: numbered SQL files, each applied once and never edited afterwards.

A file is called `NNNN_name.sql`; its first line, `-- store: structured` or `-- store: messages`, says which store it
belongs to, since the two may be in different databases. A statement ends with a semicolon at the end of a line.

SQLite applies a file as one transaction. The MySQL family commits each change of the schema by itself: a file that did
not come to its end is dirty, and nothing goes on before somebody has looked at it.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Collection
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from goim import __version__
from goim.clock import Clock, SystemClock
from goim.errors import MigrationError, StoreDown
from goim.stores.engine import SqlEngine

CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version BIGINT NOT NULL PRIMARY KEY,
    name VARCHAR(200) NOT NULL,
    checksum VARCHAR(64) NOT NULL,
    applied_at BIGINT NOT NULL,
    dirty SMALLINT NOT NULL
)"""
APPLIED = "SELECT version, name, checksum, applied_at, dirty FROM schema_migrations ORDER BY version"
RECORD = "INSERT INTO schema_migrations (version, name, checksum, applied_at, dirty) VALUES (?, ?, ?, ?, ?)"
FORGET = "DELETE FROM schema_migrations WHERE version = ? AND dirty = 1"
RESOLVE = "UPDATE schema_migrations SET dirty = 0 WHERE version = ? AND dirty = 1"

_FILE_NAME = re.compile(r"(\d{4})_(\w+)\.sql")
_FIRST_LINE = re.compile(r"-- store: (\w+)")
_COMMENT_LINE = re.compile(r"^\s*--.*\n?", re.MULTILINE)
_STATEMENT_END = re.compile(r";[ \t]*(?:\n|\Z)")


class State(StrEnum):
    """`dirty` began and never ended, where DDL cannot be undone; `edited` is not the file that was applied."""

    PENDING = "pending"
    APPLIED = "applied"
    EDITED = "edited"
    DIRTY = "dirty"


class Migration(Struct, frozen=True, kw_only=True):
    """One file."""

    version: int
    name: str
    part: str
    checksum: str
    statements: tuple[str, ...]
    suffix: str = "sql"

    @property
    def file_name(self) -> str:
        return f"{self.version:04}_{self.name}.{self.suffix}"


class Status(Struct, frozen=True, kw_only=True):
    """How a file stands in this database."""

    migration: Migration
    state: State
    applied_at: int | None


class _Record(Struct, frozen=True):
    """A line of `schema_migrations`."""

    version: int
    name: str
    checksum: str
    applied_at: int
    dirty: int


class Migrator:
    """The files of a dialect's folder that belong to these parts, over one database."""

    def __init__(self, engine: SqlEngine, folder: Path, parts: Collection[str], clock: Clock | None = None) -> None:
        files = _read(folder)
        self._engine = engine
        self._migrations = [migration for migration in files if migration.part in parts]
        self._versions = {migration.version for migration in files}  # other parts may share the database
        self._clock = clock or SystemClock()

    async def status(self) -> list[Status]:
        """Every file, by version. Changes nothing, not even in an empty database."""
        known = await self._known()
        return [_status(migration, known.get(migration.version)) for migration in self._migrations]

    async def pending(self) -> list[Migration]:
        """What is still to be applied; `MigrationError` if what was applied is not as it should be."""
        await self._refuse_newer()
        states = await self.status()
        for status in states:
            _refuse(status)
        return [status.migration for status in states if status.state is State.PENDING]

    async def up(self, *, dry_run: bool = False) -> list[Migration]:
        """Apply what is pending and return it (dry run: only return it). Of several at once, one applies a file."""
        if dry_run:
            return await self.pending()
        await self._refuse_newer()
        states = await self.status()
        for status in states:
            if status.state is not State.DIRTY:  # another process may be at it: that is judged when it is our turn
                _refuse(status)
        rest = [status.migration for status in states if status.state is not State.APPLIED]
        return [migration for migration in rest if await self._apply(migration)]

    async def resolve(self, version: int) -> None:
        """Take a half-applied file as applied, after somebody has finished it by hand."""
        if version not in await self._known() or not await self._engine.execute(RESOLVE, (version,)):
            raise MigrationError(f"version {version} is not dirty", hint="goimctl migrate status")

    async def require(self) -> None:
        """`MigrationError` if the schema is not the one of this version: somebody else brings it up."""
        pending = await self.pending()
        if pending:
            names = ", ".join(migration.file_name for migration in pending)
            raise MigrationError(f"the schema is older than this version: {names} not applied", hint="goimctl migrate")

    async def _refuse_newer(self) -> None:
        """`MigrationError` if a later version of goim was here: what it has changed, this one cannot know."""
        newer = [name for version, name in (await self._applied()).items() if version not in self._versions]
        if newer:
            found = f"the schema is newer than goim {__version__}: it has {', '.join(newer)}"
            hint = "install the goim that ran `goimctl migrate` last, or bring back the backup from before it"
            raise MigrationError(found, hint=hint)

    async def _applied(self) -> dict[int, str]:
        """Every version that was applied, by whatever version of goim, and what it is called."""
        return {record.version: f"{record.version:04}_{record.name}" for record in (await self._known()).values()}

    async def _apply(self, migration: Migration) -> bool:
        """Apply a file while nobody else does; False if another process has been faster."""
        async with self._engine.alone("schema"):
            await self._engine.run_ddl(CREATE_TABLE)
            status = _status(migration, (await self._known()).get(migration.version))
            _refuse(status)
            if status.state is not State.PENDING:
                return False
            await (self._run(migration) if self._engine.ddl_can_be_undone else self._to_its_end(migration))
            return True

    async def _run(self, migration: Migration) -> None:
        """Within the transaction that undoes all of it if something goes wrong."""
        for statement in migration.statements:
            hint = "nothing of this file was kept: set right what it stumbled over and run `goimctl migrate` again"
            await self._run_statement(migration, statement, hint)
        await self._record(migration, is_dirty=False)

    async def _to_its_end(self, migration: Migration) -> None:
        """Whoever cancels this (Ctrl-C) waits until the file is through; only a second time cuts it short."""
        running = asyncio.get_running_loop().create_task(self._run_for_good(migration))
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            await running
            raise

    async def _run_for_good(self, migration: Migration) -> None:
        """Where nothing can undo a statement: the file is dirty from its first to its last."""
        await self._record(migration, is_dirty=True)
        for done, statement in enumerate(migration.statements):
            hint = f"finish it by hand, then run `goimctl migrate resolve {migration.version}`"
            try:
                await self._run_statement(migration, statement, f"{done} of its statements stand: {hint}")
            except MigrationError:
                if not done:
                    await self._engine.execute(FORGET, (migration.version,))
                raise
        await self._engine.execute(RESOLVE, (migration.version,))

    async def _run_statement(self, migration: Migration, statement: str, hint: str) -> None:
        try:
            await self._engine.run_ddl(statement)
        except StoreDown:
            raise
        except Exception as error:
            raise MigrationError(f"{migration.file_name}: {error}", hint=hint) from error

    async def _record(self, migration: Migration, *, is_dirty: bool) -> None:
        row = (migration.version, migration.name, migration.checksum, self._clock.now_ms(), int(is_dirty))
        await self._engine.execute(RECORD, row)

    async def _known(self) -> dict[int, _Record]:
        if not await self._engine.has_table("schema_migrations"):
            return {}
        return {row[0]: _Record(*row) for row in await self._engine.fetch_rows(APPLIED)}


def _read(folder: Path) -> list[Migration]:
    migrations = [_migration(path) for path in sorted(folder.glob("*.sql"))]
    versions = [migration.version for migration in migrations]
    if len(set(versions)) < len(versions):
        raise MigrationError(f"two files in {folder} have one number", hint="give the newer one the next free number")
    return migrations


def _migration(path: Path) -> Migration:
    text = path.read_text(
        encoding="utf-8"
    )  # with \n whatever the line ends are, so the checksum is the same everywhere
    name = _FILE_NAME.fullmatch(path.name)
    first = _FIRST_LINE.fullmatch(text.partition("\n")[0])
    if name is None or first is None:
        raise MigrationError(
            f"{path} is not a migration", hint="call it NNNN_name.sql and let its first line be `-- store: <part>`"
        )
    statements = (part.strip() for part in _STATEMENT_END.split(_COMMENT_LINE.sub("", text)))
    return Migration(
        version=int(name[1]),
        name=name[2],
        part=first[1],
        checksum=hashlib.sha256(text.encode()).hexdigest(),
        statements=tuple(statement for statement in statements if statement),
    )


def _status(migration: Migration, record: _Record | None) -> Status:
    if record is None:
        return Status(migration=migration, state=State.PENDING, applied_at=None)
    state = State.APPLIED if record.checksum == migration.checksum else State.EDITED
    return Status(migration=migration, state=State.DIRTY if record.dirty else state, applied_at=record.applied_at)


def _refuse(status: Status) -> None:
    """An edited or half-applied file is nothing to build on."""
    migration = status.migration
    if status.state is State.DIRTY:
        raise MigrationError(
            f"{migration.file_name} was applied only in part",
            hint=f"finish it by hand, then run `goimctl migrate resolve {migration.version}`",
        )
    if status.state is State.EDITED:
        raise MigrationError(
            f"{migration.file_name} was edited after it was applied",
            hint="restore the file and put what is new into a new one",
        )
