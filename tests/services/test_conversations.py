"""The list of conversations: its order, its numbers, what people keep about each, and what it costs."""

from __future__ import annotations

import asyncio

import pytest

from goim.errors import ErrorCode
from goim.services.conversations import ConversationView
from tests.services.house import Held, House, open_house, refused  # noqa: F401


async def listed(house: House, user_id: str) -> list[ConversationView]:
    return (await house.list.page(user_id, None, 50)).conversations


async def conv_ids(house: House, user_id: str) -> list[str]:
    return [view.conv_id for view in await listed(house, user_id)]


async def chats(house: House, *peers: str) -> list[str]:
    """Everybody writes to ann, a second apart; the conversations' ids."""
    await house.friends_of_each_other("ann", *peers)
    found = []
    for peer in peers:
        house.clock.advance(1)
        found.append((await house.say(peer, "ann")).conv_id)
    return found


async def test_a_line_says_who_what_and_how_much(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    first = await house.say("bob", "ann", "hi")
    last = await house.say("bob", "ann", "there")
    (view,) = await listed(house, "ann")
    assert view.conv_id == last.conv_id
    assert (view.conv_type, view.peer_id, view.title, view.avatar_url) == (
        "c2c",
        "bob",
        "Bob",
        "https://pictures.test/bob",
    )
    assert (view.last_seq, view.read_seq, view.unread, view.last_change) == (2, 0, 2, 0)
    assert (view.pinned, view.muted, view.draft, view.updated_at) == (False, False, "", last.timestamp)
    assert view.last_message is not None
    assert view.last_message.server_msg_id == last.server_msg_id
    assert not view.group_id

    await house.book.mark_read_now("ann", view.conv_id, 1)
    await house.desk.recall(await house.phone("bob"), view.conv_id, first.server_msg_id)
    (view,) = await listed(house, "ann")
    assert (view.read_seq, view.unread, view.last_change) == (1, 1, 1)


async def test_what_was_just_sent_is_in_its_place_and_read_by_its_sender(house: House) -> None:
    from_bob, from_cleo = await chats(house, "bob", "cleo")
    assert await conv_ids(house, "ann") == [from_cleo, from_bob]
    house.clock.advance(1)
    await house.say("ann", "bob")
    views = await listed(house, "ann")
    assert [view.conv_id for view in views] == [from_bob, from_cleo]
    assert [(view.read_seq, view.unread) for view in views] == [(2, 0), (0, 1)]


async def test_my_own_last_message_is_read_even_where_that_was_never_written(house: House) -> None:
    (conv_id,) = await chats(house, "bob")
    await house.say("ann", "bob")
    house.behind._marks.clear()  # the node died before it wrote them
    (view,) = await listed(house, "ann")
    assert (view.conv_id, view.read_seq, view.unread) == (conv_id, 2, 0)


async def test_a_group_has_its_name_and_its_picture(house: House) -> None:
    await house.people("ann")
    group_id = await house.group("ann")
    await house.group_desk.update("ann", group_id, name="Walks", avatar_url="https://pictures.test/walks")
    (view,) = await listed(house, "ann")
    assert (view.conv_id, view.conv_type, view.group_id, view.title, view.avatar_url) == (
        f"group:{group_id}",
        "group",
        group_id,
        "Walks",
        "https://pictures.test/walks",
    )
    assert not view.peer_id
    assert (view.last_seq, view.last_message) == (0, None)


async def test_an_erased_peer_leaves_a_line_without_a_name(house: House) -> None:
    await chats(house, "bob")
    await house.users.erase("bob")
    (view,) = await listed(house, "ann")
    assert (view.peer_id, view.title, view.avatar_url) == ("bob", "", "")


async def test_pinned_ones_come_first_and_pages_hold_together(house: House) -> None:
    ids = await chats(house, "bob", "cleo", "dora", "eve", "fay")
    await house.list.pin("ann", ids[0], pinned=True)
    await house.list.pin("ann", ids[2], pinned=True)
    wanted = [ids[2], ids[0], ids[4], ids[3], ids[1]]
    assert await conv_ids(house, "ann") == wanted
    found: list[str] = []
    before = None
    while True:
        page = await house.list.page("ann", before, 2)
        found += [view.conv_id for view in page.conversations]
        before = page.before
        if before is None:
            break
        assert len(page.conversations) == 2
    assert found == wanted
    await house.list.pin("ann", ids[2], pinned=False)
    assert await conv_ids(house, "ann") == [ids[0], ids[4], ids[3], ids[2], ids[1]]


async def test_a_full_last_page_promises_no_further_one(house: House) -> None:
    await chats(house, "bob", "cleo")
    assert (await house.list.page("ann", None, 2)).before is None


async def test_the_queries_of_a_page_do_not_grow_with_it(house: House) -> None:
    async def cost() -> dict[str, int]:
        house.log._last.clear()  # as a node that has just started
        house.calls.clear()
        await house.list.page("ann", None, 200)
        return dict(house.calls)

    await chats(house, "bob")
    await house.group("ann")
    await house.behind.flush()
    few = await cost()
    await house.people(*(f"user{number}" for number in range(60)))
    await house.befriend("ann", *(f"user{number}" for number in range(60)))
    for number in range(60):
        await house.say(f"user{number}", "ann")
        await house.group("ann")
    await house.behind.flush()
    assert len((await house.list.page("ann", None, 200)).conversations) == 122
    assert await cost() == few
    assert sum(few.values()) <= 8, few


async def test_a_deleted_conversation_comes_back_with_the_next_message_only(house: House) -> None:
    conv_id, other = await chats(house, "bob", "cleo")
    await house.say("bob", "ann")
    await house.list.delete("ann", conv_id)
    assert await conv_ids(house, "ann") == [other]
    assert conv_id in await conv_ids(house, "bob"), "only mine is gone"
    house.clock.advance(1)
    back = await house.say("bob", "ann", "again")
    view = (await listed(house, "ann"))[0]
    assert (view.conv_id, view.last_seq, view.unread) == (conv_id, 3, 1)
    assert view.last_message is not None
    assert view.last_message.server_msg_id == back.server_msg_id


async def test_what_waits_to_be_written_does_not_bring_a_deleted_one_back(house: House) -> None:
    (conv_id,) = await chats(house, "bob")
    assert house.behind._pairs
    await house.list.delete("ann", conv_id)
    await house.behind.flush()
    entry = await house.conversations.entry("ann", conv_id)
    assert entry is not None
    assert entry.updated_at == 0


async def test_a_message_sent_while_the_conversation_is_deleted_is_listed(house: House) -> None:
    (conv_id,) = await chats(house, "bob")
    held = house.held["ConvDeletes.put"] = Held()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(house.list.delete("ann", conv_id))
        await held.reached.wait()  # up to where it is deleted is decided by then
        await house.say("bob", "ann", "wait")
        await house.behind.flush()  # moves the line up, and then it is hidden
        held.set()
    (view,) = await listed(house, "ann")
    assert (view.conv_id, view.unread) == (conv_id, 1)


async def test_lines_with_nothing_after_their_deletion_are_passed_over_to_fill_the_page(house: House) -> None:
    ids = await chats(house, "bob", "cleo", "dora", "eve")
    for conv_id in ids[1:]:
        await house.deletes.put("ann", conv_id, 1, 0)  # hidden, but still in the list: as after a late activity
    page = await house.list.page("ann", None, 1)
    assert ([view.conv_id for view in page.conversations], page.before) == ([ids[0]], None)


async def test_a_group_deleted_while_empty_is_out_of_the_list_until_somebody_speaks(house: House) -> None:
    await house.people("ann")
    conv_id = f"group:{await house.group('ann')}"
    await house.list.delete("ann", conv_id)
    assert await conv_ids(house, "ann") == []
    await house.say("ann", conv_id)
    assert await conv_ids(house, "ann") == [conv_id]


async def test_the_last_message_is_one_that_can_still_be_read(house: House) -> None:
    (conv_id,) = await chats(house, "bob")
    data = (await house.table.after(conv_id, 0, 1, house.clock.now_ms()))[0]
    expiring = data._replace(seq=2, client_msg_id="soon gone", expire_at=house.clock.now_ms() + 1_000)
    await house.table.insert([expiring])
    house.log._last.clear()
    (view,) = await listed(house, "ann")
    assert view.last_message is not None
    assert (view.last_message.seq, view.last_seq) == (2, 2)
    house.clock.advance(1)
    (view,) = await listed(house, "ann")
    assert view.last_message is not None
    assert (view.last_message.seq, view.last_seq) == (1, 2)


async def test_my_other_devices_hear_what_i_keep_about_a_conversation(house: House) -> None:
    (conv_id,) = await chats(house, "bob")
    ann, bob = await house.phone("ann"), await house.phone("bob")
    await house.list.pin("ann", conv_id, pinned=True)
    await house.list.mute("ann", conv_id, muted=True)
    await house.list.draft("ann", conv_id, "dear b")
    (view,) = await listed(house, "ann")
    assert (view.pinned, view.muted, view.draft) == (True, True, "dear b")
    (view,) = await listed(house, "bob")
    assert (view.pinned, view.muted, view.draft) == (False, False, "")
    await house.list.draft("ann", conv_id, "")
    await house.list.pin("ann", conv_id, pinned=False)
    await house.list.delete("ann", conv_id)
    assert set(ann.actions()) == {"conversation_updated"}
    assert ann.take() == [
        {"convId": conv_id, "pinned": True},
        {"convId": conv_id, "muted": True},
        {"convId": conv_id, "draft": "dear b"},
        {"convId": conv_id, "draft": ""},
        {"convId": conv_id, "pinned": False},
        {"convId": conv_id, "deleted": True},
    ]
    assert bob.take() == []


@pytest.mark.parametrize("whose", ["nowhere", "theirs", "left"])
async def test_a_conversation_that_is_not_mine_is_not_there(house: House, whose: str) -> None:
    await house.friends_of_each_other("ann", "bob", "cleo")
    theirs = (await house.say("bob", "cleo")).conv_id
    group_id = await house.group("bob", "ann")
    await house.group_desk.leave("ann", group_id)
    conv_id = {"nowhere": "nowhere", "theirs": theirs, "left": f"group:{group_id}"}[whose]
    phone = await house.phone("ann")
    for change in (
        house.list.pin("ann", conv_id, pinned=True),
        house.list.mute("ann", conv_id, muted=True),
        house.list.draft("ann", conv_id, "x"),
        house.list.delete("ann", conv_id),
    ):
        with refused(ErrorCode.NOT_FOUND):
            await change
    assert phone.take() == []


async def test_a_draft_has_at_most_4096_characters(house: House) -> None:
    (conv_id,) = await chats(house, "bob")
    await house.list.draft("ann", conv_id, "x" * 4096)
    with refused(ErrorCode.INVALID):
        await house.list.draft("ann", conv_id, "x" * 4097)


async def test_a_conversation_with_a_removed_friend_stays_listed(house: House) -> None:
    (conv_id,) = await chats(house, "bob")
    await house.friends.remove("ann", "bob")
    await house.access.relation_changed("ann", "bob")
    assert await conv_ids(house, "ann") == [conv_id]
    await house.list.pin("ann", conv_id, pinned=True)


async def test_of_two_settings_at_once_the_one_told_last_is_the_one_that_stands(house: House) -> None:
    (conv_id,) = await chats(house, "bob")
    phone = await house.phone("ann")
    held = house.held["Conversations.set_entry"] = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(house.list.pin("ann", conv_id, pinned=True))
        for _ in range(5):
            await asyncio.sleep(0)  # noqa: TID251 it is stored, and its answer is on its way
        del house.held["Conversations.set_entry"]
        tasks.create_task(house.list.pin("ann", conv_id, pinned=False))
        for _ in range(5):
            await asyncio.sleep(0)  # noqa: TID251
        held.set()
    (view,) = await listed(house, "ann")
    assert [told["pinned"] for told in phone.take("conversation_updated")] == [True, False]
    assert view.pinned is False
