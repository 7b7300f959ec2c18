"""The message log in MongoDB: the connection, what goes wrong with it, messages, notes and deletions.

The only module that names motor, which is past its end of life: what is used of it is what it has in common with its
successor, `pymongo.AsyncMongoClient`. No transactions, no expiry by the server: `docs/design/storage.md` says what
stands in their place.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase
from pymongo import errors

from goim.errors import ConfigError, StoreDown
from goim.lru import Recent
from goim.model.messages import MessageRow, RowEdit, Sent, SentKey
from goim.stores.base import Taken
from goim.stores.base_log import Stopped

Doc = dict[str, Any]
Documents = AsyncIOMotorCollection[Doc]
MongoDatabase = AsyncIOMotorDatabase[Doc]

DEFAULT_DATABASE = "goim"
_PATIENCE_MS = 5_000
_SOCKET_PATIENCE_MS = 20_000
_MAJORITY_PATIENCE_MS = 10_000
_KEYS_AT_ONCE = 100
_FIRST_BATCH = 1_000
_CONTESTED = 10_000
STEP = 5_000
"""So many documents a scan looks at in one command: it is answered in a moment, however many there are."""

DUPLICATE_KEY = 11000
_OPTIONS: dict[str, Any] = {
    "w": "majority",
    "journal": True,
    "wTimeoutMS": _MAJORITY_PATIENCE_MS,
    "readConcernLevel": "majority",
    "readPreference": "primary",
    "retryWrites": False,
    "serverSelectionTimeoutMS": _PATIENCE_MS,
    "connectTimeoutMS": _PATIENCE_MS,
    "socketTimeoutMS": _SOCKET_PATIENCE_MS,
    "appname": "goim",
}

# What the server, the disk, its peers or its owner did; anything else is a mistake of ours and keeps its own face.
_TROUBLE = {
    1,  # InternalError: also what a server over another database says when that is away
    6,  # HostUnreachable
    7,  # HostNotFound
    8,  # UnknownError: what its storage says that it has no name for
    13,  # Unauthorized
    18,  # AuthenticationFailed
    43,  # CursorNotFound: its server has gone or was started anew between two parts of a page
    50,  # MaxTimeMSExpired
    64,  # WriteConcernFailed
    89,  # NetworkTimeout
    91,  # ShutdownInProgress
    100,  # UnsatisfiableWriteConcern
    112,  # WriteConflict
    133,  # FailedToSatisfyReadPreference
    134,  # ReadConcernMajorityNotAvailableYet
    148,  # ReadConcernMajorityNotEnabled
    175,  # QueryPlanKilled
    189,  # PrimarySteppedDown
    202,  # NetworkInterfaceExceededTimeLimit
    237,  # CursorKilled
    262,  # ExceededTimeLimit
    9001,  # SocketException
    10058,  # LegacyNotPrimary: this and the next, by itself, the driver knows; in a batch it passes them on
    10107,  # NotWritablePrimary
    11600,  # InterruptedAtShutdown
    11601,  # Interrupted
    11602,  # InterruptedDueToReplStateChange
    13435,  # NotPrimaryNoSecondaryOk
    13436,  # NotPrimaryOrSecondary
    14031,  # OutOfDiskSpace
}


_AWAY = (
    errors.ConnectionFailure,
    errors.WTimeoutError,
    errors.ExecutionTimeout,
    errors.ConfigurationError,  # what it finds when it gets there: a server too old for it
)


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Errors of the driver as callers know them."""
    try:
        yield
    except errors.DuplicateKeyError as error:
        raise Taken(str(error)) from error
    except _AWAY as error:
        raise StoreDown(f"MongoDB: {_short(error)}") from error
    except errors.OperationFailure as error:
        if error.code in _TROUBLE or isinstance(error, errors.WriteConcernError):
            raise StoreDown(f"MongoDB: {error}") from error
        raise


def _short(error: Exception) -> str:
    """What went wrong, without all that the driver knows of the servers."""
    return str(error).partition(" (configured timeouts")[0].partition(", Timeout:")[0]


@contextlib.asynccontextmanager
async def mongo_database(uri: str) -> AsyncIterator[MongoDatabase]:
    """The database that the URI names (`goim` if it names none), with what an ack needs whatever the URI says.

    A write is told when a majority has it in its journal, and a read sees nothing that a failover could take back:
    else a seq could be counted from a message that is gone a moment later. Nothing is written twice by the driver: the
    unique keys tell what stands.
    """
    try:
        client: AsyncIOMotorClient[Doc] = AsyncIOMotorClient(uri, **_OPTIONS)
    except (errors.InvalidURI, ValueError):  # its text may hold a part of the password
        hint = "it looks like mongodb://user:password@host:27017/database, with %40 for an @ in the password"
        raise ConfigError("mongo.uri is no MongoDB URI", hint=hint) from None
    except errors.ConfigurationError as error:
        raise ConfigError(f"mongo.uri: {error}") from error
    try:
        yield client.get_default_database(DEFAULT_DATABASE)
    finally:
        await asyncio.to_thread(client.close)  # it says goodbye to a server that may not answer any more, and waits


async def server_version(database: MongoDatabase) -> str:
    """What answers there, and whether it can fail over."""
    with told():
        number = (await database.client.server_info())["version"]
        name = (await database.client.admin.command("hello")).get("setName")
    return f"MongoDB {number}, {f'replica set {name}' if name else 'a single server'}"


async def page(found: Documents, where: Doc, order: Sequence[tuple[str, int]], limit: int, *fields: str) -> list[Doc]:
    """Up to `limit` documents in an order, in one round trip if they fit; `fields`: only these of them."""
    if limit < 1:
        return []
    shown = {"_id": 0} | dict.fromkeys(fields, 1)
    with told():
        cursor = found.find(where, shown).sort(order).limit(limit).batch_size(min(limit, _FIRST_BATCH))
        return await cursor.to_list(limit)


async def last_of(found: Documents, where: Doc, by: str, *fields: str) -> Doc | None:
    """The document with the greatest `by`."""
    documents = await page(found, where, [(by, -1)], 1, *fields)
    return documents[0] if documents else None


async def sift(found: Documents, where: Doc, after: tuple[str, int], limit: int, *fields: str) -> list[Doc]:
    """`page` by conversation and seq of what no index finds: a scan, in steps."""
    order, hits = [("conv_id", 1), ("seq", 1)], list[Doc]()
    edge: Doc | None = None
    while len(hits) < limit:
        with told():
            ahead = found.find(_between(after, None), dict(order) | {"_id": 0}).sort(order).skip(STEP - 1).limit(1)
            edge = next(iter(await ahead.to_list(1)), None)
        upto = None if edge is None else (edge["conv_id"], int(edge["seq"]))
        hits += await page(found, {**where, **_between(after, upto)}, order, limit - len(hits), *fields)
        if upto is None:
            break
        after = upto
    return hits


async def steps(found: Documents) -> AsyncIterator[Doc]:
    """Conditions by which a collection is looked at whole, a step at a time."""
    beyond: Doc = {}
    while True:
        with told():
            ahead = found.find({"_id": beyond} if beyond else {}, {"_id": 1}).sort("_id", 1).skip(STEP - 1).limit(1)
            edge = next(iter(await ahead.to_list(1)), None)
        if edge is None:
            yield {"_id": beyond} if beyond else {}
            return
        yield {"_id": {**beyond, "$lte": edge["_id"]}}
        beyond = {"$gt": edge["_id"]}


async def _raise(documents: Documents, key: Doc, mark: str, fields: Doc) -> None:
    """Set these of the one document with a unique key, of which `mark` only rises. Where there is one as great, the
    upsert finds none to raise and cannot make a second; nor where somebody has made one at the same moment: so it is
    looked again whether that is lower."""
    lower, raised = {**key, mark: {"$lt": fields[mark]}}, {"$set": fields}
    try:
        with told():
            await documents.update_one(lower, raised, upsert=True)
    except Taken:
        with told():
            await documents.update_one(lower, raised)


def _not_expired(now_ms: int) -> Doc:
    return {"$or": [{"expire_at": None}, {"expire_at": {"$gt": now_ms}}]}


def _between(after: tuple[str, int], upto: tuple[str, int] | None) -> Doc:
    """Places after one and up to another, the end of all if there is none: each arm a range of the index."""
    conv_id, seq = after
    same = {"conv_id": conv_id, "seq": {"$gt": seq}}
    if upto is None:
        return {"$or": [same, {"conv_id": {"$gt": conv_id}}]}
    if upto[0] == conv_id:
        return {"conv_id": conv_id, "seq": {"$gt": seq, "$lte": upto[1]}}
    last = {"conv_id": upto[0], "seq": {"$lte": upto[1]}}
    return {"$or": [same, {"conv_id": {"$gt": conv_id, "$lt": upto[0]}}, last]}


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, int) else value


def _row(document: Doc) -> MessageRow:
    """BSON's 64-bit integers are of a class of their own; the rest of goim knows plain ones."""
    values: list[Any] = [document[field] for field in MessageRow._fields]
    return MessageRow(*[_plain(value) for value in values])


def _sent_key(document: Doc) -> SentKey:
    return (document["conv_id"], document["from_user_id"], document["client_msg_id"])


def _fields_of(key: SentKey) -> Doc:
    return dict(zip(("conv_id", "from_user_id", "client_msg_id"), key, strict=True))


def _any_of(keys: Sequence[SentKey]) -> Doc:
    return {"$or": [_fields_of(key) for key in keys]}


def _chunks(keys: Collection[SentKey]) -> Iterator[list[SentKey]]:
    listed = list(keys)
    for start in range(0, len(listed), _KEYS_AT_ONCE):
        yield listed[start : start + _KEYS_AT_ONCE]


class MongoMessages:
    """`MessageTable` in MongoDB: a document a row, under the same two unique keys."""

    def __init__(self, database: MongoDatabase) -> None:
        self._messages: Documents = database["messages"]
        self._contested: Recent[str, bool] = Recent(_CONTESTED)

    async def insert(self, rows: Sequence[MessageRow]) -> None:
        """One ordered insert: it ends at the first taken key, so what stands of a conversation has no hole."""
        if not rows:
            return
        rows = self._calm_first(rows)
        try:
            with told():
                await self._messages.insert_many([row._asdict() for row in rows], ordered=True)
        except errors.BulkWriteError as error:
            raise self._refusal(error, rows) from error

    def _calm_first(self, rows: Sequence[MessageRow]) -> Sequence[MessageRow]:
        """Conversations that lost a race lately come last, so that a hot one stops nobody else's rows."""
        known = self._contested.get
        contested = [row for row in rows if known(row.conv_id)]
        return [*(row for row in rows if not known(row.conv_id)), *contested] if contested else rows

    def _refusal(self, error: errors.BulkWriteError, rows: Sequence[MessageRow]) -> Exception:
        refused = error.details["writeErrors"]
        if error.details["writeConcernErrors"] or not refused or refused[0]["code"] in _TROUBLE:
            return StoreDown(f"MongoDB: {error}")
        if refused[0]["code"] != DUPLICATE_KEY:
            return error
        place = refused[0]["index"]
        self._contested.put(rows[place].conv_id, True)
        return Stopped(rows[:place], rows[place].conv_id)

    async def last_seqs(self, conv_ids: Collection[str]) -> dict[str, int]:
        """One small query each, side by side: grouping would walk all messages of the conversations."""
        found = await asyncio.gather(
            *(last_of(self._messages, {"conv_id": conv_id}, "seq", "conv_id", "seq") for conv_id in conv_ids)
        )
        return {document["conv_id"]: int(document["seq"]) for document in found if document is not None}

    async def find_sent(self, keys: Collection[SentKey]) -> dict[SentKey, Sent]:
        sent: dict[SentKey, Sent] = {}
        for some in _chunks(keys):
            with told():
                found = await self._messages.find(_any_of(some), {"_id": 0, "payload": 0}).to_list(len(some))
            for each in found:
                sent[_sent_key(each)] = Sent(int(each["seq"]), int(each["timestamp"]), is_duplicate=False)
        return sent

    async def after(self, conv_id: str, seq: int, limit: int, now_ms: int) -> list[MessageRow]:
        where = {"conv_id": conv_id, "seq": {"$gt": seq}, **_not_expired(now_ms)}
        return [_row(document) for document in await page(self._messages, where, [("seq", 1)], limit)]

    async def before(self, conv_id: str, seq: int | None, floor: int, limit: int, now_ms: int) -> list[MessageRow]:
        between = {"$gt": floor} if seq is None else {"$gt": floor, "$lt": seq}
        where = {"conv_id": conv_id, "seq": between, **_not_expired(now_ms)}
        return [_row(document) for document in reversed(await page(self._messages, where, [("seq", -1)], limit))]

    async def get(self, conv_id: str, seq: int) -> MessageRow | None:
        with told():
            document = await self._messages.find_one({"conv_id": conv_id, "seq": seq})
        return None if document is None else _row(document)

    async def gone(self, conv_id: str, seqs: Collection[int], now_ms: int) -> set[int]:
        either = [{"recalled": 1}, {"expire_at": {"$lte": now_ms}}]
        where = {"conv_id": conv_id, "seq": {"$in": list(seqs)}, "$or": either}
        with told():
            found = await self._messages.find(where, {"_id": 0, "seq": 1}).to_list(None)
        return {int(document["seq"]) for document in found}

    async def newest(self, floors: Mapping[str, int], now_ms: int) -> dict[str, MessageRow]:
        found = await asyncio.gather(
            *(
                last_of(self._messages, {"conv_id": conv_id, "seq": {"$gt": floor}, **_not_expired(now_ms)}, "seq")
                for conv_id, floor in floors.items()
            )
        )
        return {document["conv_id"]: _row(document) for document in found if document is not None}

    async def sent_by(self, user_id: str, after: tuple[str, int], limit: int) -> list[tuple[str, int]]:
        where = {"from_user_id": user_id, "recalled": 0}
        found = await sift(self._messages, where, after, limit, "conv_id", "seq")
        return [(document["conv_id"], int(document["seq"])) for document in found]

    async def overwrite(self, conv_id: str, seq: int, edit: RowEdit) -> bool:
        """Of two recalls at once only one finds `recalled` 0; the row stays, or its seq would be given again.

        Anything else than emptying it ends with the first change: what a stream has said so far may come late, too.
        """
        where: Doc = {"conv_id": conv_id, "seq": seq, "recalled": 0}
        if not edit.recalled:
            where["change_no"] = {"$exists": False}
        with told():
            done = await self._messages.update_one(where, {"$set": edit._asdict()})
        return bool(done.matched_count)


class MongoPending:
    """`Pending` in MongoDB."""

    def __init__(self, database: MongoDatabase) -> None:
        self._pending: Documents = database["pending"]

    async def put(self, kind: str, key: SentKey, at: int) -> None:
        await _raise(self._pending, {"kind": kind, **_fields_of(key)}, "due_at", {"due_at": at})

    async def remove(self, kind: str, keys: Collection[SentKey]) -> None:
        for some in _chunks(keys):
            with told():
                await self._pending.delete_many({"kind": kind, **_any_of(some)})

    async def due(self, kind: str, now_ms: int, limit: int) -> list[SentKey]:
        where = {"kind": kind, "due_at": {"$lte": now_ms}}
        return [_sent_key(document) for document in await page(self._pending, where, [("due_at", 1)], limit)]

    async def of_sender(self, kind: str, conv_id: str, user_id: str) -> dict[SentKey, int]:
        where = {"kind": kind, "conv_id": conv_id, "from_user_id": user_id}
        with told():
            found = await self._pending.find(where).to_list(None)
        return {_sent_key(document): document["due_at"] for document in found}

    async def is_any(self, kind: str, conv_id: str) -> bool:
        with told():
            return await self._pending.find_one({"kind": kind, "conv_id": conv_id}) is not None


class MongoConvDeletes:
    """`ConvDeletes` in MongoDB."""

    def __init__(self, database: MongoDatabase) -> None:
        self._deletes: Documents = database["conv_deletes"]

    async def put(self, user_id: str, conv_id: str, seq: int, at: int) -> None:
        await _raise(self._deletes, {"owner_id": user_id, "conv_id": conv_id}, "seq", {"seq": seq, "deleted_at": at})

    async def of_user(self, user_id: str, conv_ids: Collection[str]) -> dict[str, int]:
        with told():
            found = await self._deletes.find({"owner_id": user_id, "conv_id": {"$in": list(conv_ids)}}).to_list(None)
        return {document["conv_id"]: int(document["seq"]) for document in found}


class MongoLogScan:
    """`LogScan` in MongoDB."""

    def __init__(self, database: MongoDatabase) -> None:
        self._messages: Documents = database["messages"]

    async def since(self, at: int, after: tuple[str, int], limit: int) -> list[MessageRow]:
        found = await sift(self._messages, {"timestamp": {"$gte": at}}, after, limit)
        return [_row(document) for document in found]
