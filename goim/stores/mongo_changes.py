"""What happens to messages in MongoDB, without transactions: the change is stored first, with what it is to do.

Its unique number is the lock of the conversation. A change is stored with its deed still to be done (`open`), then the
deed is done and struck out. Whoever comes upon an open one does it first: a crash in between costs nobody anything, and
nobody is told of a change whose deed cannot be seen. A deed is done once however often it is tried: what it is done to
remembers the number. Why so: `docs/design/storage.md`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Sequence

from msgspec import Raw

from goim.model.messages import TELLING, Change, Reaction, Reactions, RowEdit, Span, wordless
from goim.stores import mongo
from goim.stores.base import Taken
from goim.stores.mongo import Doc, Documents, MongoDatabase, last_of, page, told

# Those that came from elsewhere have number 0.
_AS_MADE = [("seq", 1), ("change_no", 1), ("created_at", 1), ("user_id", 1), ("emoji", 1)]


class MongoChanges:
    """`Changes` in MongoDB."""

    def __init__(self, database: MongoDatabase) -> None:
        self._messages: Documents = database["messages"]
        self._changes: Documents = database["changes"]
        self._reactions: Documents = database["reactions"]

    async def edit(self, conv_id: str, seq: int, edit: RowEdit, change: Change, at: int) -> bool:
        return await self._make(_note(conv_id, seq, change, at, {"edit": edit._asdict()}))

    async def edit_all(self, conv_id: str, edit: RowEdit, changes: Sequence[tuple[int, Change]], at: int) -> int:
        for done, (seq, change) in enumerate(changes):
            try:
                if not await self.edit(conv_id, seq, edit, change, at):
                    return done
            except Taken:
                if not done:
                    raise
                return done
        return len(changes)

    async def react(self, conv_id: str, seq: int, reaction: Reaction, change: Change, at: int, *, remove: bool) -> bool:
        deed = {"react": {**reaction._asdict(), "is_on": not remove}}
        return await self._make(_note(conv_id, seq, change, at, deed))

    async def _make(self, note: Doc) -> bool:
        """Nothing of the conversation changes between the look and the insert: it would take the number."""
        last = await self._last(note["conv_id"])
        if not await self._is_to_do(note):
            return False
        if note["change_no"] != last + 1:
            raise Taken(f"the last change is {last}")
        with told():
            await self._changes.insert_one(note)
        await self._settle(note)
        return True

    async def _last(self, conv_id: str) -> int:
        """The greatest number of a conversation, everything up to it done."""
        note = await last_of(self._changes, {"conv_id": conv_id}, "change_no")
        if note is None:
            return 0
        await self._settle(note)
        return int(note["change_no"])

    async def settle_all(self, tell: Callable[[int, int], None]) -> None:
        """Do whatever is open: before everything is moved elsewhere. A scan, in steps, of which `tell` hears."""
        with told():
            total = await self._changes.estimated_document_count()
        done = 0
        async for step in mongo.steps(self._changes):
            with told():
                notes = await self._changes.find({**step, "open": {"$exists": True}}).to_list(None)
            for note in notes:
                await self._settle(note)
            done = min(done + mongo.STEP, total)
            tell(done, total)

    async def _is_to_do(self, note: Doc) -> bool:
        deed = note["open"]
        if "edit" in deed:
            where = {"conv_id": note["conv_id"], "seq": note["seq"], "recalled": 0}
            with told():
                return await self._messages.find_one(where, {"_id": 1}) is not None
        with told():
            found = await self._reactions.find_one(_reaction_key(note))
        return (found is not None and found["is_on"]) is not deed["react"]["is_on"]

    async def _settle(self, note: Doc) -> None:
        """Do what is open of a change, if anything is."""
        if "open" not in note:
            return
        if "edit" in note["open"]:
            await self._do_edit(note)
        else:
            await self._do_react(note)
        with told():
            await self._changes.update_one(
                {"conv_id": note["conv_id"], "change_no": note["change_no"]}, {"$unset": {"open": ""}}
            )

    async def _do_edit(self, note: Doc) -> None:
        number = note["change_no"]
        not_done = [{"change_no": {"$exists": False}}, {"change_no": {"$lt": number}}]
        where = {"conv_id": note["conv_id"], "seq": note["seq"], "recalled": 0, "$or": not_done}
        with told():
            await self._messages.update_one(where, {"$set": {**note["open"]["edit"], "change_no": number}})
        if note["open"]["edit"]["recalled"]:
            await self.forget_words(note["conv_id"], [note["seq"]])

    async def _do_react(self, note: Doc) -> None:
        """A reaction taken away stays as one that is off, or a deed that comes late would put it back."""
        number = note["change_no"]
        values = {"is_on": note["open"]["react"]["is_on"], "change_no": number, "created_at": note["created_at"]}
        where = {**_reaction_key(note), "change_no": {"$lt": number}}
        with contextlib.suppress(Taken), told():  # taken: it is done, or something later is
            await self._reactions.update_one(where, {"$set": values}, upsert=True)

    async def forget_words(self, conv_id: str, seqs: Collection[int]) -> None:
        where = {"conv_id": conv_id, "seq": {"$in": list(seqs)}, "action": {"$in": TELLING}}
        with told():
            notes = await self._changes.find(where).to_list(None)
        for note in notes:
            await self._settle(note)  # what it is to do has the words, too
            [bare] = wordless([_change(note)])
            key = {"conv_id": conv_id, "change_no": note["change_no"]}
            with told():
                await self._changes.update_one(key, {"$set": {"data": bytes(bare.data).decode()}})

    async def reactions(self, spans: Sequence[Span]) -> Reactions:
        if not spans:
            return {}
        any_of = [{"conv_id": conv_id, "seq": {"$gte": first, "$lte": last}} for conv_id, first, last in spans]
        with told():
            rows = await self._reactions.find({"$or": any_of, "is_on": True}, {"_id": 0}).sort(_AS_MADE).to_list(None)
        found: dict[tuple[str, int], list[Reaction]] = {}
        for row in rows:
            place = (row["conv_id"], int(row["seq"]))
            found.setdefault(place, []).append(Reaction(row["user_id"], row["emoji"]))
        return found

    async def last_changes(self, conv_ids: Collection[str]) -> dict[str, int]:
        numbers = await asyncio.gather(*(self._last(conv_id) for conv_id in conv_ids))
        return {conv_id: number for conv_id, number in zip(conv_ids, numbers, strict=True) if number}

    async def after(self, conv_id: str, change: int, limit: int) -> list[Change]:
        where = {"conv_id": conv_id, "change_no": {"$gt": change}}
        notes = await page(self._changes, where, [("change_no", 1)], limit)
        for note in notes:
            await self._settle(note)
        return [_change(note) for note in notes]

    async def of_message(self, conv_id: str, seq: int, action: str) -> Change | None:
        where = {"conv_id": conv_id, "seq": seq, "action": action}
        note = await last_of(self._changes, where, "change_no")
        if note is None:
            return None
        await self._settle(note)
        return _change(note)


def _note(conv_id: str, seq: int, change: Change, at: int, deed: Doc) -> Doc:
    return {
        "conv_id": conv_id,
        "change_no": change.change,
        "seq": seq,
        "action": change.action,
        "data": bytes(change.data).decode(),
        "created_at": at,
        "open": deed,
    }


def _reaction_key(note: Doc) -> Doc:
    reaction = note["open"]["react"]
    return {
        "conv_id": note["conv_id"],
        "seq": note["seq"],
        "user_id": reaction["user_id"],
        "emoji": reaction["emoji"],
    }


def _change(note: Doc) -> Change:
    return Change(change=int(note["change_no"]), action=note["action"], data=Raw(note["data"].encode()))
