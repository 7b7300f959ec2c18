"""The log over MongoDB when something goes wrong in the middle: no hole, nothing twice, everybody told the truth."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator

import pytest
from pymongo import MongoClient
from pymongo.errors import ConfigurationError, OperationFailure

from goim.clock import SystemClock
from goim.errors import ConfigError, StoreDown
from goim.metrics import Metrics
from goim.model.conversations import c2c
from goim.model.messages import EMPTIED, Draft, Reaction, RowEdit, Span
from goim.stores import mongo
from goim.stores.base import Taken
from goim.stores.log import Log, PartlyStored
from goim.stores.mongo import Doc, MongoLogScan, MongoMessages, mongo_database, told
from goim.stores.mongo_changes import MongoChanges, _note
from tests.contract.log_stores import LogStores, mongo_log
from tests.contract.test_message_log import change, row
from tests.mongo_proxy import Accident, How, MongoProxy
from tests.mongo_server import MongoServer

NOW = 1_766_000_000_000
CONVS = {name: c2c("ann", "bob", conv_id=name, created_at=0) for name in ("c1", "c2", "c3")}


def draft(conv_id: str, client_msg_id: str, sender: str = "ann") -> Draft:
    return Draft(
        conv=CONVS[conv_id], from_user_id=sender, client_msg_id=client_msg_id, type="text", payload='{"text":"hi"}'
    )


def log_over(stores: LogStores) -> Log:
    return Log(stores.messages, SystemClock(), Metrics())


@pytest.fixture
async def uri(mongo_server: MongoServer) -> AsyncIterator[str]:
    """An empty log."""
    async with mongo_server.migrated() as (uri, _):
        yield uri


@pytest.fixture
async def stores(uri: str) -> AsyncIterator[LogStores]:
    async with mongo_database(uri) as database:
        yield mongo_log(database)


@pytest.fixture
async def scan(uri: str) -> AsyncIterator[MongoLogScan]:
    async with mongo_database(uri) as database:
        yield MongoLogScan(database)


@pytest.fixture
async def proxy(uri: str) -> AsyncIterator[MongoProxy]:
    async with MongoProxy(uri).running() as proxy:
        yield proxy


@pytest.fixture
async def unlucky(proxy: MongoProxy) -> AsyncIterator[LogStores]:
    """The same log, by way of a connection that has accidents."""
    async with mongo_database(proxy.uri) as database:
        yield mongo_log(database)


async def places(stores: LogStores, conv_id: str) -> list[tuple[int, str]]:
    return [(each.seq, each.client_msg_id) for each in await stores.messages.after(conv_id, 0, 1_000, 0)]


# Batches


async def test_what_stands_of_a_batch_that_lost_a_race_is_the_senders_own(stores: LogStores) -> None:
    one, other = log_over(stores), log_over(stores)
    await one.append([draft("c1", "a"), draft("c2", "b")])
    await other.append([draft("c2", "of another node", "bob")])
    sent = await one.append([draft("c1", "c"), draft("c2", "d"), draft("c2", "e"), draft("c3", "f")])
    assert [(each.seq, each.is_duplicate) for each in sent] == [(2, False), (3, False), (4, False), (1, False)]
    assert await places(stores, "c1") == [(1, "a"), (2, "c")]
    assert await places(stores, "c2") == [(1, "b"), (2, "of another node"), (3, "d"), (4, "e")]
    assert await places(stores, "c3") == [(1, "f")]


async def test_a_resend_in_such_a_batch_is_told_from_what_is_new(stores: LogStores) -> None:
    one, other = log_over(stores), log_over(stores)
    first = await other.append([draft("c1", "a")])
    sent = await one.append([draft("c3", "x"), draft("c1", "a"), draft("c1", "b"), draft("c1", "b"), draft("c2", "y")])
    assert [each.seq for each in sent] == [1, 1, 2, 2, 1]
    assert [each.is_duplicate for each in sent] == [False, True, False, True, False]
    assert sent[1].timestamp == first[0].timestamp
    again = await one.append([draft("c3", "x"), draft("c1", "b")])
    assert [each.is_duplicate for each in again] == [True, True]


async def test_a_batch_whose_answer_is_lost_is_found_by_its_resend(
    unlucky: LogStores, proxy: MongoProxy, stores: LogStores
) -> None:
    log = log_over(unlucky)
    batch = [draft("c1", "a"), draft("c2", "b"), draft("c1", "c")]
    proxy.accidents.append(Accident(How.CUT_AFTER, "insert", "messages"))
    with pytest.raises(StoreDown):
        await log.append(batch)
    assert await places(stores, "c1") == [(1, "a"), (2, "c")]
    sent = await log.append([*batch, draft("c1", "d")])
    assert [(each.seq, each.is_duplicate) for each in sent] == [(1, True), (1, True), (2, True), (3, False)]
    assert await places(stores, "c1") == [(1, "a"), (2, "c"), (3, "d")]


async def test_a_batch_for_a_server_that_is_primary_no_more_is_stored_by_its_resend(
    unlucky: LogStores, proxy: MongoProxy, stores: LogStores
) -> None:
    log, batch = log_over(unlucky), [draft("c1", "a"), draft("c1", "b")]
    proxy.accidents.append(Accident(How.NOT_PRIMARY, "insert", "messages"))
    with pytest.raises(StoreDown, match="not primary"):
        await log.append(batch)
    assert await places(stores, "c1") == []
    assert [(each.seq, each.is_duplicate) for each in await log.append(batch)] == [(1, False), (2, False)]


async def test_a_batch_that_too_few_servers_have_is_not_acked_and_its_resend_finds_it(
    unlucky: LogStores, proxy: MongoProxy, stores: LogStores
) -> None:
    log, batch = log_over(unlucky), [draft("c1", "a"), draft("c2", "b")]
    proxy.accidents.append(Accident(How.TOO_FEW, "insert", "messages"))
    with pytest.raises(StoreDown, match="replication timed out"):
        await log.append(batch)
    assert [(each.seq, each.is_duplicate) for each in await log.append(batch)] == [(1, True), (1, True)]


async def test_a_batch_that_lost_a_race_and_that_too_few_servers_have_is_not_acked(
    unlucky: LogStores, proxy: MongoProxy, stores: LogStores
) -> None:
    log = log_over(unlucky)
    await log.append([draft("c1", "a"), draft("c2", "b")])
    await log_over(stores).append([draft("c2", "of another node", "bob")])
    proxy.accidents.append(Accident(How.TOO_FEW, "insert", "messages"))
    with pytest.raises(StoreDown, match="replication timed out"):
        await log.append([draft("c1", "c"), draft("c2", "d")])
    sent = await log.append([draft("c1", "c"), draft("c2", "d")])
    assert [(each.seq, each.is_duplicate) for each in sent] == [(2, True), (3, False)]


async def test_a_change_that_too_few_servers_have_is_found_and_made_once(
    unlucky: LogStores, proxy: MongoProxy, stores: LogStores
) -> None:
    await stores.messages.insert([row(1)])
    proxy.accidents.append(Accident(How.TOO_FEW, "insert", "changes"))
    with pytest.raises(StoreDown):
        await unlucky.changes.edit("c1", 1, EMPTIED, change(1), NOW)
    assert await stores.changes.last_changes(["c1"]) == {"c1": 1}
    assert not await unlucky.changes.edit("c1", 1, EMPTIED, change(2), NOW)


async def test_when_the_database_goes_away_after_a_lost_race_it_is_told_what_is_known_to_be_stored(
    unlucky: LogStores, proxy: MongoProxy, stores: LogStores
) -> None:
    log = log_over(unlucky)
    await log.append([draft("c1", "a"), draft("c2", "b")])
    await log_over(stores).append([draft("c2", "of another node", "bob")])
    proxy.accidents += [Accident(How.HOLD, "insert", "messages"), Accident(How.CUT_BEFORE, "insert", "messages")]
    proxy.release.set()
    with pytest.raises(PartlyStored) as half:
        await log.append([draft("c1", "c"), draft("c1", "c"), draft("c2", "d")])
    own, twice, lost = half.value.places
    assert own is not None
    assert twice is not None
    assert (own.seq, own.is_duplicate, twice.seq, twice.is_duplicate, lost) == (2, False, 2, True, None)
    sent = await log.append([draft("c1", "c"), draft("c2", "d")])
    assert [(each.seq, each.is_duplicate) for each in sent] == [(2, True), (3, False)]


async def test_a_database_that_does_not_answer_is_down() -> None:
    async with mongo_database("mongodb://127.0.0.1:1/goim") as database:
        with pytest.raises(StoreDown, match="MongoDB"):
            await MongoMessages(database).last_seqs(["c1"])


@pytest.mark.parametrize("code", [1, 43, 133, 175, 202, 237, 11601])
def test_what_the_server_or_its_peers_did_is_a_database_in_trouble(code: int) -> None:
    with pytest.raises(StoreDown), told():
        raise OperationFailure("not now", code)


def test_a_server_that_the_driver_does_not_speak_with_is_a_database_in_trouble() -> None:
    with pytest.raises(StoreDown, match="MongoDB: wire version 8"), told():
        raise ConfigurationError("wire version 8")


async def test_what_an_ack_needs_holds_whatever_the_uri_says() -> None:
    weak = "mongodb://127.0.0.1:1/im?w=1&journal=false&readConcernLevel=local&retryWrites=true&readPreference=secondary"
    async with mongo_database(weak) as database:
        assert database.name == "im"
        assert database.write_concern.document == {"w": "majority", "j": True, "wtimeout": 10_000}
        assert database.read_concern.level == "majority"
        assert str(database.read_preference) == "Primary()"
        assert not database.client.options.retry_writes  # type: ignore[attr-defined] # motor's stubs take it for a method


async def test_nobody_waits_while_the_driver_says_goodbye_to_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    others_went_on, really_close = threading.Event(), MongoClient.close
    heard: list[bool] = []

    def slowly(client: MongoClient[Doc]) -> None:
        heard.append(others_went_on.wait(10))
        really_close(client)

    monkeypatch.setattr(MongoClient, "close", slowly)
    async with mongo_database("mongodb://127.0.0.1:1/goim"):
        asyncio.get_running_loop().call_soon(others_went_on.set)
    assert heard == [True]


@pytest.mark.parametrize("uri", ["mongodb://ann:s3cr@t:1@host/im", "mongodb://", "mongodb://host:port/im"])
async def test_a_uri_that_is_none_is_named_without_its_password(uri: str) -> None:
    with pytest.raises(ConfigError, match=r"mongo\.uri") as refusal:
        async with mongo_database(uri):
            pass
    assert "s3cr" not in f"{refusal.value.message} {refusal.value.hint}"


# Changes


@pytest.mark.parametrize(
    "accident",
    [
        Accident(How.CUT_BEFORE, "insert", "changes"),
        Accident(How.CUT_AFTER, "insert", "changes"),
        Accident(How.CUT_BEFORE, "update", "messages"),
        Accident(How.CUT_AFTER, "update", "messages"),
        Accident(How.CUT_BEFORE, "update", "changes"),
        Accident(How.CUT_AFTER, "update", "changes"),
    ],
    ids=" ".join,
)
async def test_a_recall_that_broke_off_anywhere_is_whole_for_whoever_looks(
    accident: Accident, unlucky: LogStores, proxy: MongoProxy, stores: LogStores
) -> None:
    await stores.messages.insert([row(1)])
    proxy.accidents.append(accident)
    with pytest.raises(StoreDown):
        await unlucky.changes.edit("c1", 1, EMPTIED, change(1), NOW)
    is_stored = bool(await stores.changes.after("c1", 0, 9))
    assert is_stored is (accident != Accident(How.CUT_BEFORE, "insert", "changes"))
    found = await stores.messages.get("c1", 1)
    assert found is not None
    assert bool(found.recalled) is is_stored, "who is told of a change sees what it did"
    assert await stores.changes.edit("c1", 1, EMPTIED, change(2 if is_stored else 1), NOW) is not is_stored
    assert await stores.changes.last_changes(["c1"]) == {"c1": 1}


@pytest.mark.parametrize(
    ("how", "op", "where"),
    [
        (How.CUT_AFTER, "insert", "changes"),
        (How.CUT_AFTER, "update", "messages"),
        (How.CUT_BEFORE, "update", "changes"),
    ],
    ids=" ".join,
)
async def test_what_an_edit_said_is_forgotten_also_when_the_recall_broke_off(
    how: How, op: str, where: str, unlucky: LogStores, proxy: MongoProxy, stores: LogStores, uri: str
) -> None:
    await stores.messages.insert([row(1)])
    said = change(1, "edited", b'{"seq":1,"payload":"secret"}')
    assert await stores.changes.edit("c1", 1, RowEdit('"secret"', None), said, NOW)
    proxy.accidents.append(Accident(how, op, where))
    with pytest.raises(StoreDown):
        await unlucky.changes.edit("c1", 1, EMPTIED, change(2), NOW)
    assert await stores.changes.last_changes(["c1"]) == {"c1": 2}
    async with mongo_database(uri) as database:
        for name in ("changes", "messages"):
            assert "secret" not in str(await database[name].find({}).to_list(None))


@pytest.mark.parametrize("look", ["last_changes", "of_message", "edit", "react"])
async def test_whoever_comes_upon_a_change_that_broke_off_does_it_first(
    look: str, unlucky: LogStores, proxy: MongoProxy, stores: LogStores
) -> None:
    await stores.messages.insert([row(1), row(2)])
    proxy.accidents.append(Accident(How.CUT_BEFORE, "update", "messages"))
    with pytest.raises(StoreDown):
        await unlucky.changes.edit("c1", 1, EMPTIED, change(1), NOW)
    match look:
        case "last_changes":
            assert await stores.changes.last_changes(["c1"]) == {"c1": 1}
        case "of_message":
            assert await stores.changes.of_message("c1", 1, "recalled") is not None
        case "edit":
            assert await stores.changes.edit("c1", 2, EMPTIED, change(2), NOW)
        case _:
            assert await stores.changes.react("c1", 2, Reaction("bob", "+"), change(2), NOW, remove=False)
    found = await stores.messages.get("c1", 1)
    assert found is not None
    assert found.recalled


async def test_a_reaction_that_broke_off_is_there_once(
    unlucky: LogStores, proxy: MongoProxy, stores: LogStores
) -> None:
    await stores.messages.insert([row(1)])
    proxy.accidents.append(Accident(How.CUT_BEFORE, "update", "reactions"))
    with pytest.raises(StoreDown):
        await unlucky.changes.react("c1", 1, Reaction("ann", "+"), change(1), NOW, remove=False)
    assert not await stores.changes.react("c1", 1, Reaction("ann", "+"), change(2), NOW, remove=False)
    assert await stores.changes.reactions([Span("c1", 1, 1)]) == {("c1", 1): [Reaction("ann", "+")]}
    assert await stores.changes.last_changes(["c1"]) == {"c1": 1}


async def test_a_deed_that_comes_late_undoes_nothing(unlucky: LogStores, proxy: MongoProxy, stores: LogStores) -> None:
    await stores.messages.insert([row(1)])
    proxy.accidents.append(Accident(How.HOLD, "update", "messages"))
    async with asyncio.TaskGroup() as tasks:
        late = tasks.create_task(unlucky.changes.edit("c1", 1, RowEdit("1", None), change(1, "edited"), NOW))
        await proxy.is_holding.wait()
        assert await stores.changes.edit("c1", 1, RowEdit("2", None), change(2, "edited"), NOW)
        proxy.release.set()
    assert late.result()
    found = await stores.messages.get("c1", 1)
    assert found is not None
    assert found.payload == "2"


async def test_what_a_stream_said_so_far_does_not_come_back_after_its_end(
    unlucky: LogStores, proxy: MongoProxy, stores: LogStores
) -> None:
    await stores.messages.insert([row(1)])
    proxy.accidents.append(Accident(How.HOLD, "update", "messages"))
    async with asyncio.TaskGroup() as tasks:
        late = tasks.create_task(unlucky.messages.overwrite("c1", 1, RowEdit("once", None)))
        await proxy.is_holding.wait()
        assert await stores.changes.edit("c1", 1, RowEdit("once upon a time", None), change(1, "stream_end"), NOW)
        proxy.release.set()
    assert not late.result()
    found = await stores.messages.get("c1", 1)
    assert found is not None
    assert found.payload == "once upon a time"
    assert await stores.messages.overwrite("c1", 1, EMPTIED), "it expires for all that"


async def test_a_reaction_that_comes_late_does_not_come_back(
    unlucky: LogStores, proxy: MongoProxy, stores: LogStores
) -> None:
    await stores.messages.insert([row(1)])
    heart = Reaction("ann", "<3")
    proxy.accidents.append(Accident(How.HOLD, "update", "reactions"))
    async with asyncio.TaskGroup() as tasks:
        late = tasks.create_task(unlucky.changes.react("c1", 1, heart, change(1), NOW, remove=False))
        await proxy.is_holding.wait()
        assert await stores.changes.react("c1", 1, heart, change(2), NOW, remove=True)
        proxy.release.set()
    assert late.result()
    assert await stores.changes.reactions([Span("c1", 1, 1)]) == {}


async def test_of_two_who_delete_a_conversation_at_once_the_later_place_stays(
    unlucky: LogStores, proxy: MongoProxy, stores: LogStores
) -> None:
    proxy.accidents.append(Accident(How.TAKEN, "update", "conv_deletes"))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(unlucky.deletes.put("ann", "c1", 20, NOW))
        await proxy.is_holding.wait()
        await stores.deletes.put("ann", "c1", 10, NOW)
        proxy.release.set()
    assert await stores.deletes.of_user("ann", ["c1"]) == {"c1": 20}


@pytest.mark.parametrize("size", [2, 3, 5])
async def test_changes_that_broke_off_are_found_in_steps_before_everything_moves(
    size: int, stores: LogStores, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    convs = [f"c{number}" for number in range(5)]
    async with mongo_database(uri) as database:
        for conv_id in convs:
            await stores.messages.insert([row(1, conv_id)])
            await database["changes"].insert_one(_note(conv_id, 1, change(1), NOW, {"edit": EMPTIED._asdict()}))
        monkeypatch.setattr(mongo, "STEP", size)
        told: list[tuple[int, int]] = []
        await MongoChanges(database).settle_all(lambda done, total: told.append((done, total)))
        assert await database["changes"].count_documents({"open": {"$exists": True}}) == 0
    assert told[-1] == (5, 5)
    assert len(told) == 5 // size + 1
    found = [await stores.messages.get(conv_id, 1) for conv_id in convs]
    assert all(each is not None and each.recalled for each in found)


@pytest.mark.parametrize("size", [2, 7, 100])
@pytest.mark.parametrize("limit", [3, 100])
async def test_a_scan_in_steps_finds_what_one_look_would(
    size: int, limit: int, stores: LogStores, scan: MongoLogScan, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row(seq, conv_id) for conv_id in ("c1", "c2", "c3", "c4") for seq in range(1, 7)]
    rows = [each._replace(from_user_id="bob") if each.seq % 3 else each for each in rows if each.conv_id != "c3"]
    await stores.messages.insert(rows)
    monkeypatch.setattr(mongo, "STEP", size)
    for after in (("", 0), ("c1", 3), ("c1", 6), ("c3", 1), ("c4", 6)):
        ahead = [each for each in rows if (each.conv_id, each.seq) > after]
        mine = [(each.conv_id, each.seq) for each in ahead if each.from_user_id == "ann"]
        assert await stores.messages.sent_by("ann", after, limit) == mine[:limit]
        late = [each for each in ahead if each.timestamp >= rows[3].timestamp]
        assert await scan.since(rows[3].timestamp, after, limit) == late[:limit]


async def test_changes_by_several_at_once_are_dense_and_each_done_once(uri: str, stores: LogStores) -> None:
    await stores.messages.insert([row(seq) for seq in range(1, 7)])

    async def recall(changes: MongoChanges, seq: int) -> bool:
        while True:
            last = (await changes.last_changes(["c1"])).get("c1", 0)
            with contextlib.suppress(Taken):
                return await changes.edit("c1", seq, EMPTIED, change(last + 1), NOW)

    async with mongo_database(uri) as one, mongo_database(uri) as other:
        nodes = [MongoChanges(one), MongoChanges(other)]
        done = await asyncio.gather(*(recall(node, seq) for seq in range(1, 7) for node in nodes))
    assert sum(done) == 6
    assert [each.change for each in await stores.changes.after("c1", 0, 99)] == [1, 2, 3, 4, 5, 6]
