"""The message log, on every database."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from msgspec import Raw

from goim.model.messages import EMPTIED, Change, MessageRow, Reaction, RowEdit, Sent, Span
from goim.stores.base import Taken
from goim.stores.base_log import Stopped
from tests.contract.log_stores import LogStores, log_stores  # noqa: F401

NOW = 1_766_000_000_000


def row(seq: int, conv_id: str = "c1", **more: Any) -> MessageRow:
    return MessageRow(
        **{
            "conv_id": conv_id,
            "seq": seq,
            "from_user_id": "ann",
            "client_msg_id": f"cmid-{seq}",
            "type": "text",
            "payload": '{"text":"你好 👋"}',
            "timestamp": NOW + seq,
            "recalled": 0,
            "expire_at": None,
            "extras": None,
            **more,
        }
    )


def change(number: int, action: str = "recalled", data: bytes = b'{"by":"ann"}') -> Change:
    return Change(change=number, action=action, data=Raw(data))


async def everything(log: LogStores, conv_id: str = "c1") -> list[MessageRow]:
    return await log.messages.after(conv_id, 0, 10_000, 0)


def seqs(rows: list[MessageRow]) -> list[int]:
    return [each.seq for each in rows]


async def refused(log: LogStores, batch: list[MessageRow], taken_in: str) -> list[MessageRow]:
    """Insert rows of which one is taken: those that stand nevertheless, as the store tells."""
    with pytest.raises(Taken) as refusal:
        await log.messages.insert(batch)
    if not isinstance(refusal.value, Stopped):
        return []
    assert refusal.value.conv_id == taken_in
    return list(refusal.value.stored)


# Inserting


async def test_what_is_inserted_is_read_back_as_it_was(log: LogStores) -> None:
    rows = [row(1, extras='{"replyTo":"m1"}', expire_at=NOW * 2), row(2, payload=None, recalled=1, type="file")]
    await log.messages.insert(rows)
    found = await everything(log)
    assert found == rows
    assert all(type(each) is MessageRow for each in found)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 65, 511, 512, 513, 1_300])
async def test_a_batch_of_any_size_is_inserted_whole_and_in_order(log: LogStores, size: int) -> None:
    rows = [row(seq) for seq in range(1, size + 1)]
    await log.messages.insert(rows)
    assert await everything(log) == rows


async def test_an_empty_batch_is_nothing(log: LogStores) -> None:
    await log.messages.insert([])
    assert await everything(log) == []


@pytest.mark.parametrize("size", [1, 8, 100, 700])
@pytest.mark.parametrize("where", ["first", "last"])
async def test_when_a_seq_is_taken_nothing_of_the_batch_stands_but_what_is_told(
    log: LogStores, size: int, where: str
) -> None:
    await log.messages.insert([row(1)])
    batch = [row(seq, "c2") for seq in range(1, size)]
    batch.insert(0 if where == "first" else len(batch), row(1, client_msg_id="another"))
    stored = await refused(log, batch, "c1")
    assert await everything(log) == [row(1)]
    assert await everything(log, "c2") == stored


@pytest.mark.parametrize("size", [1, 8, 700])
async def test_when_a_message_was_sent_before_nothing_of_the_batch_stands_but_what_is_told(
    log: LogStores, size: int
) -> None:
    await log.messages.insert([row(1)])
    batch = [*(row(seq, "c2") for seq in range(1, size)), row(2, client_msg_id="cmid-1")]
    stored = await refused(log, batch, "c1")
    assert await everything(log) == [row(1)]
    assert await everything(log, "c2") == stored


async def test_of_a_conversation_the_first_rows_stand_or_none(log: LogStores) -> None:
    await log.messages.insert([row(3)])
    batch = [row(1, client_msg_id="a"), row(2, client_msg_id="b"), row(3, client_msg_id="c"), row(4)]
    stored = await refused(log, batch, "c1")
    assert stored in ([], batch[:2])
    assert await everything(log) == [*stored, row(3)]


@pytest.mark.parametrize("twice", [{"client_msg_id": "another"}, {"seq": 2}])
async def test_a_batch_that_takes_a_key_twice_itself_is_refused(log: LogStores, twice: dict[str, Any]) -> None:
    batch = [row(1), row(1)._replace(**twice)]
    stored = await refused(log, batch, "c1")
    assert await everything(log) == stored


async def test_the_log_takes_inserts_after_a_refused_one(log: LogStores) -> None:
    await log.messages.insert([row(1)])
    with pytest.raises(Taken):
        await log.messages.insert([row(1)])
    await log.messages.insert([row(2)])
    assert seqs(await everything(log)) == [1, 2]


async def test_the_same_client_msg_id_of_another_sender_or_conversation_is_another_message(log: LogStores) -> None:
    await log.messages.insert([row(1), row(2, client_msg_id="cmid-1", from_user_id="bob"), row(1, "c2")])
    assert len(await everything(log)) == 2
    assert len(await everything(log, "c2")) == 1


async def test_of_two_inserts_of_one_seq_at_once_one_stands(log: LogStores) -> None:
    batches = [[row(1, client_msg_id=f"cmid-{sender}", from_user_id=sender)] for sender in ("ann", "bob", "cy")]
    outcomes = await asyncio.gather(*(log.messages.insert(batch) for batch in batches), return_exceptions=True)
    assert sorted(isinstance(outcome, Taken) for outcome in outcomes) == [False, True, True]
    assert len(await everything(log)) == 1


# Numbers and resends


async def test_last_seqs_are_told_of_many_conversations_at_once(log: LogStores) -> None:
    rows = [row(seq, f"c{conv}") for conv in range(300) for seq in range(1, conv % 3 + 1)]
    await log.messages.insert(rows)
    found = await log.messages.last_seqs([f"c{conv}" for conv in range(301)])
    assert found == {f"c{conv}": conv % 3 for conv in range(300) if conv % 3}
    assert await log.messages.last_seqs([]) == {}


async def test_ids_are_compared_letter_by_letter(log: LogStores) -> None:
    await log.messages.insert([row(1, "Conv"), row(2, "conv"), row(3, "conv ")])
    assert await log.messages.last_seqs(["Conv", "conv", "conv ", "CONV"]) == {"Conv": 1, "conv": 2, "conv ": 3}


async def test_what_was_sent_is_found_by_its_key(log: LogStores) -> None:
    await log.messages.insert([row(1), row(2), row(1, "c2", from_user_id="bob")])
    keys = [("c1", "ann", "cmid-2"), ("c2", "bob", "cmid-1"), ("c2", "ann", "cmid-1"), ("c1", "ann", "CMID-1")]
    assert await log.messages.find_sent(keys) == {
        keys[0]: Sent(2, NOW + 2, is_duplicate=False),
        keys[1]: Sent(1, NOW + 1, is_duplicate=False),
    }


# Reading


async def test_after_pages_forward(log: LogStores) -> None:
    await log.messages.insert([row(seq) for seq in range(1, 11)] + [row(5, "c2")])
    assert seqs(await log.messages.after("c1", 0, 3, NOW)) == [1, 2, 3]
    assert seqs(await log.messages.after("c1", 8, 3, NOW)) == [9, 10]
    assert await log.messages.after("c1", 10, 3, NOW) == []
    assert await log.messages.after("nowhere", 0, 3, NOW) == []


async def test_before_pages_backward_but_answers_ascending(log: LogStores) -> None:
    await log.messages.insert([row(seq) for seq in range(1, 11)] + [row(5, "c2")])
    assert seqs(await log.messages.before("c1", None, 0, 3, NOW)) == [8, 9, 10]
    assert seqs(await log.messages.before("c1", 8, 0, 3, NOW)) == [5, 6, 7]
    assert seqs(await log.messages.before("c1", 3, 0, 5, NOW)) == [1, 2]
    assert await log.messages.before("c1", 1, 0, 5, NOW) == []


async def test_before_stops_at_the_floor(log: LogStores) -> None:
    await log.messages.insert([row(seq) for seq in range(1, 11)])
    assert seqs(await log.messages.before("c1", None, 8, 5, NOW)) == [9, 10]
    assert seqs(await log.messages.before("c1", 9, 7, 5, NOW)) == [8]
    assert await log.messages.before("c1", None, 10, 5, NOW) == []


async def test_the_expired_are_hidden_and_do_not_shorten_a_page(log: LogStores) -> None:
    rows = [row(seq, expire_at=NOW if seq % 2 else None) for seq in range(1, 11)]
    await log.messages.insert(rows)
    assert seqs(await log.messages.after("c1", 0, 3, NOW)) == [2, 4, 6]
    assert seqs(await log.messages.before("c1", None, 0, 3, NOW)) == [6, 8, 10]
    assert seqs(await log.messages.after("c1", 0, 3, NOW - 1)) == [1, 2, 3]
    assert seqs(await log.messages.before("c1", 10, 0, 3, NOW - 1)) == [7, 8, 9]


async def test_one_row_is_got_expired_or_not(log: LogStores) -> None:
    await log.messages.insert([row(1, expire_at=1), row(2)])
    assert await log.messages.get("c1", 1) == row(1, expire_at=1)
    assert await log.messages.get("c1", 3) is None
    assert await log.messages.get("c2", 1) is None


async def test_what_is_recalled_or_expired_is_gone(log: LogStores) -> None:
    await log.messages.insert([row(1), row(2, expire_at=NOW), row(3, expire_at=NOW + 1), row(4), row(4, "c2")])
    assert await log.changes.edit("c1", 4, EMPTIED, change(1), NOW)
    assert await log.messages.gone("c1", {1, 2, 3, 4, 9}, NOW) == {2, 4}
    assert await log.messages.gone("c1", {1, 2, 3}, NOW - 1) == set()
    assert await log.messages.gone("c2", [4], NOW) == set()


async def test_newest_is_the_latest_above_the_floor_that_has_not_expired(log: LogStores) -> None:
    await log.messages.insert([row(1, "plain"), row(2, "plain"), row(1, "floor"), row(2, "floor")])
    await log.messages.insert([row(1, "shrunk"), row(2, "shrunk", expire_at=NOW), row(1, "gone", expire_at=NOW)])
    await log.messages.insert([row(1, "cut"), row(2, "cut", expire_at=NOW)])
    floors = {"plain": 0, "floor": 2, "gone": 0, "shrunk": 0, "cut": 1, "nowhere": 0}
    found = await log.messages.newest(floors, NOW)
    assert found == {"plain": row(2, "plain"), "shrunk": row(1, "shrunk")}
    assert await log.messages.newest({}, NOW) == {}


async def test_what_somebody_sent_and_still_stands_is_listed_for_erasing(log: LogStores) -> None:
    rows = [row(seq, from_user_id="ann" if seq % 2 else "bob") for seq in range(1, 10)]
    await log.messages.insert([*rows, row(1, "c2")])
    assert await log.changes.edit("c1", 3, EMPTIED, change(1), NOW)
    assert await log.messages.sent_by("ann", ("", 0), 2) == [("c1", 1), ("c1", 5)]
    assert await log.messages.sent_by("ann", ("c1", 5), 5) == [("c1", 7), ("c1", 9), ("c2", 1)]
    assert await log.messages.sent_by("nobody", ("", 0), 5) == []


# Changes


async def test_a_recalled_message_is_emptied_and_keeps_its_place(log: LogStores) -> None:
    await log.messages.insert([row(1), row(2, extras='{"replyTo":"m1"}'), row(3)])
    assert await log.changes.edit("c1", 2, EMPTIED, change(1), NOW)
    assert await everything(log) == [row(1), row(2, recalled=1, payload=None), row(3)]
    assert await log.messages.last_seqs(["c1"]) == {"c1": 3}
    assert await log.messages.find_sent([("c1", "ann", "cmid-2")])
    with pytest.raises(Taken):
        await log.messages.insert([row(2, client_msg_id="again")])


async def test_a_second_recall_changes_nothing(log: LogStores) -> None:
    await log.messages.insert([row(1)])
    assert await log.changes.edit("c1", 1, EMPTIED, change(1), NOW)
    assert not await log.changes.edit("c1", 1, EMPTIED, change(2), NOW)
    assert not await log.changes.edit("c1", 1, EMPTIED, change(1), NOW)
    assert await log.changes.last_changes(["c1"]) == {"c1": 1}


async def test_recalling_what_is_not_there_changes_nothing(log: LogStores) -> None:
    await log.messages.insert([row(1)])
    assert not await log.changes.edit("c1", 2, EMPTIED, change(1), NOW)
    assert not await log.changes.edit("c2", 1, EMPTIED, change(1), NOW)
    assert await log.changes.last_changes(["c1", "c2"]) == {}


async def test_when_the_number_of_a_change_is_taken_the_message_stays(log: LogStores) -> None:
    await log.messages.insert([row(1), row(2), row(1, "c2")])
    assert await log.changes.edit("c1", 1, EMPTIED, change(1), NOW)
    with pytest.raises(Taken):
        await log.changes.edit("c1", 2, EMPTIED, change(1), NOW)
    assert await log.messages.get("c1", 2) == row(2)
    assert await log.changes.edit("c1", 2, EMPTIED, change(2), NOW)
    assert await log.changes.edit("c2", 1, EMPTIED, change(1), NOW)


async def test_several_are_recalled_together_each_with_a_change_of_its_own(log: LogStores) -> None:
    await log.messages.insert([row(seq) for seq in range(1, 7)])
    together = [(seq, change(number)) for number, seq in enumerate((1, 2, 4, 5, 6), 1)]
    assert await log.changes.edit("c1", 4, EMPTIED, change(1), NOW)
    with pytest.raises(Taken):
        await log.changes.edit_all("c1", EMPTIED, together[:2], NOW)
    assert [each.recalled for each in await everything(log)] == [0, 0, 0, 1, 0, 0]
    together = [(seq, change(number)) for number, seq in enumerate((1, 2, 4, 5, 6), 2)]
    stand = await log.changes.edit_all("c1", EMPTIED, together, NOW)
    assert stand in (0, 2), "of a message that is recalled there is nothing to do, and nothing after it is done"
    rest = [(seq, change(number)) for number, seq in enumerate([1, 2, 5, 6][stand:], 2 + stand)]
    assert await log.changes.edit_all("c1", EMPTIED, rest, NOW) == len(rest)
    assert [each.recalled for each in await everything(log)] == [1, 1, 0, 1, 1, 1]
    assert [each.change for each in await log.changes.after("c1", 0, 10)] == [1, 2, 3, 4, 5]


async def test_of_many_recalls_at_once_one_is_told_that_it_was_first(log: LogStores) -> None:
    await log.messages.insert([row(1), row(2)])

    async def recall(seq: int) -> bool:
        while True:
            last = (await log.changes.last_changes(["c1"])).get("c1", 0)
            with contextlib.suppress(Taken):
                return await log.changes.edit("c1", seq, EMPTIED, change(last + 1), NOW)

    outcomes = await asyncio.gather(*(recall(seq) for seq in (1, 1, 2, 1, 2)))
    assert sorted(outcomes) == [False, False, False, True, True]
    assert [each.change for each in await log.changes.after("c1", 0, 10)] == [1, 2]
    assert [each.recalled for each in await everything(log)] == [1, 1]


async def test_changes_are_paged_in_order_and_come_back_as_they_were(log: LogStores) -> None:
    await log.messages.insert([row(seq) for seq in range(1, 6)])
    for number in (1, 2, 3, 4):
        data = f'{{"seq":{number}, "by":"안"}}'.encode()
        assert await log.changes.edit("c1", number, EMPTIED, change(number, data=data), NOW)
    page = await log.changes.after("c1", 1, 2)
    assert [(each.change, each.action, bytes(each.data)) for each in page] == [
        (2, "recalled", '{"seq":2, "by":"안"}'.encode()),
        (3, "recalled", '{"seq":3, "by":"안"}'.encode()),
    ]
    assert await log.changes.after("c1", 4, 2) == []
    assert await log.changes.last_changes(["c1", "c2"]) == {"c1": 4}


async def test_what_changes_told_of_a_message_can_be_forgotten(log: LogStores) -> None:
    await log.messages.insert([row(1), row(2)])
    told = [(1, "edited", b'{"seq":1,"payload":{"text":"secret"},"by":"\xec\x95\x88"}')]
    told += [(1, "stream_end", b'{"seq":1,"text":"secret","status":"done"}'), (2, "edited", b'{"seq":2,"payload":{}}')]
    for number, (seq, action, data) in enumerate(told, 1):
        assert await log.changes.edit("c1", seq, RowEdit('{"text":""}', None), change(number, action, data), NOW)
    for _ in range(2):
        await log.changes.forget_words("c1", [1, 7])
        assert [(each.change, each.action, bytes(each.data)) for each in await log.changes.after("c1", 0, 10)] == [
            (1, "edited", b'{"seq":1,"payload":null,"by":"\xec\x95\x88"}'),
            (2, "stream_end", b'{"seq":1,"text":"","status":"done"}'),
            (3, "edited", b'{"seq":2,"payload":{}}'),
        ]


@pytest.mark.parametrize("together", [False, True])
async def test_a_recall_forgets_what_earlier_changes_told_of_the_message(log: LogStores, *, together: bool) -> None:
    await log.messages.insert([row(1), row(2), row(3)])
    for number, seq in enumerate((1, 2, 2), 1):
        said = change(number, "edited", b'{"seq":%d,"payload":{"text":"secret"}}' % seq)
        assert await log.changes.edit("c1", seq, RowEdit('{"text":"secret"}', None), said, NOW + number)
    if together:
        assert await log.changes.edit_all("c1", EMPTIED, [(2, change(4)), (3, change(5))], NOW) == 2
    else:
        assert await log.changes.edit("c1", 2, EMPTIED, change(4), NOW)
    assert [bytes(each.data) for each in (await log.changes.after("c1", 0, 10))[:3]] == [
        b'{"seq":1,"payload":{"text":"secret"}}',
        b'{"seq":2,"payload":null}',
        b'{"seq":2,"payload":null}',
    ]
    with pytest.raises(Taken):  # nor does a recall that is none forget anything
        await log.changes.edit("c1", 1, EMPTIED, change(4), NOW)
    [first, *_] = await log.changes.after("c1", 0, 10)
    assert bytes(first.data) == b'{"seq":1,"payload":{"text":"secret"}}'


async def test_the_change_of_a_message_is_found_by_its_kind(log: LogStores) -> None:
    await log.messages.insert([row(1), row(2), row(1, "c2")])
    for number in (1, 2):
        edit = RowEdit(f'{{"text":"{number}"}}', None)
        assert await log.changes.edit("c1", 2, edit, change(number, "edited", b'{"seq":2}'), NOW)
    assert await log.changes.edit("c1", 2, EMPTIED, change(3, data=b'{"seq":2}'), NOW)
    found = await log.changes.of_message("c1", 2, "recalled")
    assert found is not None
    assert (found.change, bytes(found.data)) == (3, b'{"seq":2}')
    edited = await log.changes.of_message("c1", 2, "edited")
    assert edited is not None
    assert edited.change == 2
    assert await log.changes.of_message("c1", 2, "reaction") is None
    assert await log.changes.of_message("c1", 1, "recalled") is None
    assert await log.changes.of_message("c2", 2, "recalled") is None


# Deleted for oneself


async def test_where_a_conversation_begins_only_rises(log: LogStores) -> None:
    for seq, begins in ((5, 5), (3, 5), (5, 5), (8, 8)):
        await log.deletes.put("ann", "c1", seq, NOW)
        assert await log.deletes.of_user("ann", ["c1"]) == {"c1": begins}


async def test_a_conversation_deleted_while_empty_begins_at_0(log: LogStores) -> None:
    await log.deletes.put("ann", "c1", 0, NOW)
    assert await log.deletes.of_user("ann", ["c1", "c2"]) == {"c1": 0}


async def test_what_one_deletes_stays_with_the_others(log: LogStores) -> None:
    await log.deletes.put("ann", "c1", 4, NOW)
    await log.deletes.put("ann", "c2", 6, NOW)
    await log.deletes.put("bob", "c1", 2, NOW)
    assert await log.deletes.of_user("ann", ["c1", "c2", "c3"]) == {"c1": 4, "c2": 6}
    assert await log.deletes.of_user("bob", ["c1", "c2"]) == {"c1": 2}
    assert await log.deletes.of_user("cy", ["c1"]) == {}


async def test_an_edit_changes_what_may_change_and_is_noted(log: LogStores) -> None:
    await log.messages.insert([row(1)])
    assert await log.changes.edit("c1", 1, RowEdit('{"text":"new"}', '{"editedAt":5}'), change(1), NOW)
    edited = await log.messages.get("c1", 1)
    assert edited == row(1)._replace(payload='{"text":"new"}', extras='{"editedAt":5}')
    assert await log.changes.last_changes(["c1"]) == {"c1": 1}


async def test_a_recalled_message_is_not_edited_or_overwritten(log: LogStores) -> None:
    await log.messages.insert([row(1)])
    assert await log.changes.edit("c1", 1, EMPTIED, change(1), NOW)
    assert not await log.changes.edit("c1", 1, RowEdit("{}", None), change(2), NOW)
    assert not await log.messages.overwrite("c1", 1, RowEdit("{}", None))
    assert await log.changes.last_changes(["c1"]) == {"c1": 1}


async def test_overwriting_is_no_change(log: LogStores) -> None:
    await log.messages.insert([row(1)])
    assert await log.messages.overwrite("c1", 1, RowEdit('{"text":"so far"}', None))
    assert await log.changes.last_changes(["c1"]) == {}
    assert not await log.messages.overwrite("c1", 2, RowEdit("{}", None))


async def test_what_a_stream_said_so_far_does_not_come_back_after_its_end(log: LogStores) -> None:
    """A write whose answer did not come in time may still be done, whenever the database gets to it."""
    await log.messages.insert([row(1), row(2)])
    await log.changes.react("c1", 1, Reaction("bob", "+"), change(1, "reaction"), NOW, remove=False)
    assert await log.messages.overwrite("c1", 1, RowEdit("once", None)), "it goes on, whatever people say to it"
    assert await log.changes.edit("c1", 1, RowEdit("once upon a time", None), change(2, "stream_end"), NOW)
    assert not await log.messages.overwrite("c1", 1, RowEdit("once upon", None))
    ended = await log.messages.get("c1", 1)
    assert ended is not None
    assert ended.payload == "once upon a time"
    assert await log.messages.overwrite("c1", 2, RowEdit("another", None))
    assert await log.messages.overwrite("c1", 1, EMPTIED), "it expires for all that"


async def test_a_reaction_is_there_once_and_goes_once(log: LogStores) -> None:
    await log.messages.insert([row(1)])
    heart = Reaction("ann", "❤️")
    assert await log.changes.react("c1", 1, heart, change(1), NOW, remove=False)
    assert not await log.changes.react("c1", 1, heart, change(2), NOW, remove=False)
    assert await log.changes.react("c1", 1, Reaction("bob", "❤️"), change(2), NOW + 1, remove=False)
    assert await log.changes.reactions([Span("c1", 1, 9)]) == {("c1", 1): [heart, Reaction("bob", "❤️")]}
    assert await log.changes.react("c1", 1, heart, change(3), NOW, remove=True)
    assert not await log.changes.react("c1", 1, heart, change(4), NOW, remove=True)
    assert await log.changes.reactions([Span("c1", 1, 9)]) == {("c1", 1): [Reaction("bob", "❤️")]}
    assert await log.changes.last_changes(["c1"]) == {"c1": 3}


async def test_reactions_to_messages_of_several_conversations_are_read_together(log: LogStores) -> None:
    await log.messages.insert([row(1), row(2), row(1, conv_id="c2"), row(1, conv_id="c3")])
    zoe, ann = Reaction("zoe", "a"), Reaction("ann", "b")
    assert await log.changes.react("c1", 2, zoe, change(1), NOW, remove=False)
    assert await log.changes.react("c1", 2, ann, change(2), NOW + 1, remove=False)
    assert await log.changes.react("c1", 1, ann, change(3), NOW, remove=False)
    assert await log.changes.react("c2", 1, zoe, change(1), NOW, remove=False)
    spans = [Span("c1", 2, 2), Span("c2", 1, 1), Span("c3", 1, 1)]
    assert await log.changes.reactions(spans) == {("c1", 2): [zoe, ann], ("c2", 1): [zoe]}
    assert await log.changes.reactions([]) == {}


async def test_reactions_stand_in_the_order_of_their_changes_whatever_the_clocks_say(log: LogStores) -> None:
    await log.messages.insert([row(1), row(2)])
    made = [Reaction(*pair) for pair in (("zoe", "b"), ("ann", "b"), ("zoe", "a"), ("bob", "c"), ("ann", "a"))]
    times = [NOW, NOW, NOW, NOW - 5_000, NOW + 1]
    for number, (reaction, at) in enumerate(zip(made, times, strict=True), 1):
        assert await log.changes.react("c1", 1, reaction, change(number), at, remove=False)
    assert await log.changes.react("c1", 2, made[1], change(6), NOW, remove=False)
    assert await log.changes.react("c1", 1, made[0], change(7), NOW, remove=True)
    assert await log.changes.react("c1", 1, made[0], change(8), NOW, remove=False)
    assert not await log.changes.react("c1", 1, made[1], change(9), NOW, remove=False)
    assert await log.changes.reactions([Span("c1", 1, 2)]) == {
        ("c1", 1): [*made[1:], made[0]],
        ("c1", 2): [made[1]],
    }


async def test_a_reaction_whose_number_is_taken_is_not_stored(log: LogStores) -> None:
    await log.messages.insert([row(1)])
    assert await log.changes.react("c1", 1, Reaction("ann", "a"), change(1), NOW, remove=False)
    with pytest.raises(Taken):
        await log.changes.react("c1", 1, Reaction("ann", "b"), change(1), NOW, remove=False)
    assert await log.changes.reactions([Span("c1", 1, 1)]) == {("c1", 1): [Reaction("ann", "a")]}


async def test_what_is_pending_is_found_when_it_is_due_until_it_is_done(log: LogStores) -> None:
    first, second, other = ("c1", "ann", "s1"), ("c1", "bob", "s2"), ("c2", "ann", "s1")
    await log.pending.put("stream", second, NOW + 1)
    await log.pending.put("stream", first, NOW)
    await log.pending.put("stream", first, NOW - 9)
    await log.pending.put("stream", other, NOW + 2)
    await log.pending.put("burn", first, NOW)
    assert await log.pending.due("stream", NOW + 1, 9) == [first, second]
    assert await log.pending.due("stream", NOW + 9, 1) == [first]
    assert await log.pending.of_sender("stream", "c1", "ann") == {first: NOW}
    assert await log.pending.of_sender("stream", "c1", "bob") == {second: NOW + 1}
    await log.pending.remove("stream", [first, other])
    await log.pending.remove("stream", [first])
    assert await log.pending.due("stream", NOW + 9, 9) == [second]
    assert await log.pending.of_sender("burn", "c1", "ann") == {first: NOW}
    asked = [("burn", "c1"), ("burn", "c2"), ("expire", "c1")]
    assert [await log.pending.is_any(kind, conv_id) for kind, conv_id in asked] == [True, False, False]


async def test_of_what_is_noted_twice_the_later_time_holds(log: LogStores) -> None:
    again, first = ("c1", "ann", "m1"), ("c1", "ann", "m2")
    await log.pending.put("expire", again, NOW)
    await log.pending.put("expire", first, NOW + 1)
    await log.pending.put("expire", again, NOW + 2)
    assert await log.pending.due("expire", NOW + 1, 9) == [first]
    await log.pending.put("expire", again, NOW)
    assert await log.pending.due("expire", NOW + 2, 9) == [first, again]
