"""The index of a log that is read by conversation keeps nothing of what is gone."""

from __future__ import annotations

import asyncio
from pathlib import Path

from msgspec import Raw

from goim.model.search import Term
from goim.protocol.requests import SendData
from goim.resources import bundled
from goim.services.conversation_indexer import ConversationIndexer
from goim.stores.migrate import Migrator
from goim.stores.sql_words import SqlWordIndex
from goim.stores.sqlite import SqliteEngine
from tests.services.house import Held, House, Phone, open_house

__all__ = ["open_house"]


async def test_what_expires_while_it_is_indexed_leaves_no_word_in_the_index(house: House, tmp_path: Path) -> None:
    await house.friends_of_each_other("ann", "bob")
    async with SqliteEngine(tmp_path / "words.db") as engine:
        await Migrator(engine, bundled("schemas/sqlite"), {"words"}).up()
        index = SqlWordIndex(engine)
        indexer = ConversationIndexer(house.table, house.changes, index, house.clock)
        house.specials.on_emptied = indexer.forget
        data = SendData(type="text", payload=Raw(b'{"text":"secret"}'), to="bob", expire_at_ms=house.clock.now_ms() + 1)
        sent = await house.messages.send_now(Phone("ann", "pen"), data)
        held = house.held["Messages.after"] = Held()

        async def expire() -> None:
            await held.reached.wait()  # the indexer has read it
            house.clock.advance(1)
            await house.specials.sweep()
            held.set()

        await asyncio.gather(indexer.catch_up([sent.conv_id]), expire())
        assert await index.find([sent.conv_id], [Term("secret")], None, 10) == []
        assert (await index.marks([sent.conv_id]))[sent.conv_id].seq == sent.seq


async def test_what_has_come_since_is_read_once_and_nothing_of_what_has_not(house: House, tmp_path: Path) -> None:
    await house.friends_of_each_other("ann", "bob", "cleo")
    conv_ids = {(await house.say("ann", peer, "hello")).conv_id for peer in ("bob", "cleo")}
    async with SqliteEngine(tmp_path / "words.db") as engine:
        await Migrator(engine, bundled("schemas/sqlite"), {"words"}).up()
        indexer = ConversationIndexer(house.table, house.changes, SqlWordIndex(engine), house.clock)
        await indexer.catch_up([*conv_ids])
        assert house.calls["Messages.after"] == 2
        latest = (await house.say("ann", "bob", "hello again")).conv_id
        await indexer.catch_up([*conv_ids])
        assert house.calls["Messages.after"] == 3
        assert len(await SqlWordIndex(engine).find([latest], [Term("hello")], None, 10)) == 2
