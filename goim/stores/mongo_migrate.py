"""Brings the indexes of MongoDB up: numbered files of data, each applied once and never edited afterwards.

A file is called `NNNN_name.json` and says which indexes each collection has. Making an index that is there already does
nothing, so a file that was applied half is simply applied again, and none is ever dirty. One whose indexes are gone (a
restore without them) is pending again: without its unique keys the log would take anything.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pymongo
from msgspec import Struct
from pymongo import IndexModel
from pymongo.errors import OperationFailure

from goim.clock import Clock, SystemClock
from goim.errors import MigrationError
from goim.stores.base import Taken
from goim.stores.migrate import Migration, Migrator, State, Status
from goim.stores.mongo import Doc, MongoDatabase, told

_BUILD_SECONDS = 24 * 3600.0
"""How long indexes may take, where messages are there already: restored, maybe, a hundred million of them."""
_FILE_NAME = re.compile(r"(\d{4})_(\w+)\.json")


class Index(Struct, frozen=True, forbid_unknown_fields=True):
    """An index: its fields in order, each with 1 or -1."""

    name: str
    keys: dict[str, int]
    unique: bool = False

    def is_in(self, found: Mapping[str, Any]) -> bool:
        """Whether a collection has it, by name."""
        there = found.get(self.name, {"key": ()})
        return list(there["key"]) == list(self.keys.items()) and bool(there.get("unique")) is self.unique

    def model(self) -> IndexModel:
        return IndexModel(list(self.keys.items()), name=self.name, unique=self.unique)


class IndexFile(Struct, frozen=True, forbid_unknown_fields=True):
    """What a file says: the store it belongs to, what it is for, and the indexes of each collection."""

    store: str
    why: str
    collections: dict[str, list[Index]]


class MongoMigrator(Migrator):
    """The files of the folder over one database; what was applied is noted in `schema_migrations`."""

    def __init__(self, database: MongoDatabase, folder: Path, clock: Clock | None = None) -> None:
        self._database = database
        self._migrations = [_migration(path) for path in sorted(folder.glob("*.json"))]
        self._versions = {migration.version for migration in self._migrations}
        self._clock = clock or SystemClock()

    async def status(self) -> list[Status]:
        records = await self._records()
        return [
            _status(migration, records.get(migration.version), is_whole=await self._is_whole(migration))
            for migration in self._migrations
        ]

    async def _records(self) -> dict[int, Doc]:
        with told():
            found = await self._database["schema_migrations"].find(sort=[("_id", 1)]).to_list(None)
        return {int(each["_id"]): each for each in found}

    async def _applied(self) -> dict[int, str]:
        return {version: f"{version:04}_{each['name']}" for version, each in (await self._records()).items()}

    async def _is_whole(self, migration: Migration) -> bool:
        """Whether its indexes are there, and unique where they have to be."""
        for collection, indexes in indexes_of(migration).items():
            with told():
                found = await self._database[collection].index_information()
            if not all(index.is_in(found) for index in indexes):
                return False
        return True

    async def resolve(self, version: int) -> None:
        raise MigrationError(f"version {version} is not dirty", hint="goimctl migrate status")

    async def _apply(self, migration: Migration) -> bool:
        """The record comes after the indexes: one that is there while they are not says that they were lost."""
        with told():
            is_noted = await self._database["schema_migrations"].find_one({"_id": migration.version}) is not None
        is_whole = await self._is_whole(migration)
        for collection, indexes in indexes_of(migration).items():
            try:
                with told(), pymongo.timeout(_BUILD_SECONDS):
                    await self._database[collection].create_indexes([index.model() for index in indexes])
            except OperationFailure as error:
                hint = "set right what it stumbled over and run `goimctl migrate` again"
                raise MigrationError(f"{migration.file_name}: {error}", hint=hint) from error
        if is_noted:
            return not is_whole
        record = {
            "_id": migration.version,
            "name": migration.name,
            "checksum": migration.checksum,
            "applied_at": self._clock.now_ms(),
        }
        try:
            with told():
                await self._database["schema_migrations"].insert_one(record)
        except Taken:
            return False  # another process has made the same indexes at the same time
        return True


def indexes_of(migration: Migration) -> dict[str, list[Index]]:
    """The indexes that a file makes, by collection."""
    return msgspec.json.decode(migration.statements[0], type=IndexFile).collections


def _migration(path: Path) -> Migration:
    text = path.read_text(encoding="utf-8")
    name = _FILE_NAME.fullmatch(path.name)
    if name is None:
        raise MigrationError(f"{path} is not a migration", hint="call it NNNN_name.json")
    try:
        part = msgspec.json.decode(text, type=IndexFile).store
    except msgspec.MsgspecError as error:
        raise MigrationError(f"{path} is not a migration: {error}", hint="see schemas/mongodb/ for others") from error
    checksum = hashlib.sha256(text.encode()).hexdigest()
    return Migration(
        version=int(name[1]), name=name[2], part=part, checksum=checksum, statements=(text,), suffix="json"
    )


def _status(migration: Migration, record: Doc | None, *, is_whole: bool) -> Status:
    if record is None:
        return Status(migration=migration, state=State.PENDING, applied_at=None)
    state = State.APPLIED if is_whole else State.PENDING
    if record["checksum"] != migration.checksum:
        state = State.EDITED
    return Status(migration=migration, state=state, applied_at=int(record["applied_at"]))
