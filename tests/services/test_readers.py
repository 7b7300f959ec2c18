"""Who has read one message: measured by watermarks, for those it was for and told to those who were there."""

from __future__ import annotations

from goim.errors import ErrorCode
from goim.model.groups import Member
from goim.model.messages import MessageRow
from tests.services.house import House, Phone, open_house, refused  # noqa: F401


async def readers(house: House, user_id: str, conv_id: str, message_id: str) -> tuple[dict[str, int], list[str]]:
    """Readers with their times, and the rest."""
    view = await house.readers.of(user_id, conv_id, message_id)
    return {reader.user_id: reader.read_at for reader in view.readers}, view.unread


async def test_readers_come_in_the_order_they_read_and_the_sender_is_none(house: House) -> None:
    await house.friends_of_each_other("ann", "bob", "cleo", "dora", "eve")
    conv_id = f"group:{await house.group('ann', 'bob', 'cleo', 'dora', 'eve')}"
    first = await house.say("ann", conv_id)
    second = await house.say("ann", conv_id)
    assert await readers(house, "ann", conv_id, first.server_msg_id) == ({}, ["bob", "cleo", "dora", "eve"])

    house.clock.advance(1)
    await house.book.mark_read_now("dora", conv_id, 1)
    at = house.clock.now_ms()
    house.clock.advance(1)
    await house.book.mark_read_now("bob", conv_id, 2)
    found, unread = await readers(house, "cleo", conv_id, first.server_msg_id)
    assert list(found.items()) == [("dora", at), ("bob", at + 1000)]
    assert unread == ["cleo", "eve"]
    assert await readers(house, "ann", conv_id, second.server_msg_id) == ({"bob": at + 1000}, ["cleo", "dora", "eve"])


async def test_who_answers_has_read(house: House) -> None:
    await house.friends_of_each_other("ann", "bob", "cleo")
    conv_id = f"group:{await house.group('ann', 'bob', 'cleo')}"
    sent = await house.say("ann", conv_id)
    await house.say("bob", conv_id)
    assert await readers(house, "ann", conv_id, sent.server_msg_id) == ({"bob": house.clock.now_ms()}, ["cleo"])


async def test_who_answers_through_another_node_has_read_before_that_node_has_written_it(house: House) -> None:
    await house.friends_of_each_other("ann", "bob", "cleo", "dora")
    conv_id = f"group:{await house.group('ann', 'bob', 'cleo', 'dora')}"
    sent = await house.say("ann", conv_id)
    await house.book.mark_read_now("dora", conv_id, 1)
    at = house.clock.now_ms()
    house.clock.advance(1)
    house.log.is_shared = lambda: True
    answer = MessageRow(conv_id, 2, "bob", "b", "text", "{}", house.clock.now_ms(), 0, None, None)
    await house.table.insert([answer, answer._replace(seq=3, client_msg_id="c")])
    assert await readers(house, "ann", conv_id, sent.server_msg_id) == (
        {"dora": at, "bob": house.clock.now_ms()},
        ["cleo"],
    )


async def test_who_has_left_or_came_only_later_is_not_listed(house: House) -> None:
    await house.friends_of_each_other("ann", "bob", "cleo", "dora")
    group_id = await house.group("ann", "bob", "cleo")
    conv_id = f"group:{group_id}"
    sent = await house.say("ann", conv_id)
    await house.book.mark_read_now("bob", conv_id, 1)
    house.clock.advance(1)
    await house.group_door.join("dora", group_id)  # with a watermark at the last message
    await house.group_desk.leave("bob", group_id)
    assert await readers(house, "dora", conv_id, sent.server_msg_id) == ({}, ["cleo"])


async def test_only_members_are_told_and_only_of_messages_that_they_see(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    await house.people("dora")
    group_id = await house.group("ann", "bob")
    conv_id = f"group:{group_id}"
    sent = await house.say("ann", conv_id)
    other = await house.say("ann", "bob")
    with refused(ErrorCode.NOT_FOUND):
        await house.readers.of("dora", conv_id, sent.server_msg_id)
    for wrong in ("nonsense", other.server_msg_id, sent.server_msg_id[:-1] + "2"):
        with refused(ErrorCode.NOT_FOUND):
            await house.readers.of("bob", conv_id, wrong)
    await house.list.delete("bob", conv_id)
    with refused(ErrorCode.NOT_FOUND):
        await house.readers.of("bob", conv_id, sent.server_msg_id)


async def test_a_recalled_message_still_has_readers(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    conv_id = f"group:{await house.group('ann', 'bob')}"
    sent = await house.say("ann", conv_id)
    await house.desk.recall(Phone("ann", "a"), conv_id, sent.server_msg_id)
    assert await readers(house, "ann", conv_id, sent.server_msg_id) == ({}, ["bob"])


async def test_in_a_pair_the_other_one_is_asked_for(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    sent = await house.say("ann", "bob")
    assert await readers(house, "ann", sent.conv_id, sent.server_msg_id) == ({}, ["bob"])
    await house.book.mark_read_now("bob", sent.conv_id, 1)
    for user_id in ("ann", "bob"):
        assert await readers(house, user_id, sent.conv_id, sent.server_msg_id) == ({"bob": house.clock.now_ms()}, [])


async def test_up_to_the_limit_all_are_told_and_beyond_it_nobody(house: House) -> None:
    await house.people("ann")
    group_id = await house.group("ann")
    conv_id = f"group:{group_id}"
    crowd = [Member(group_id=group_id, user_id=f"user{number:03}", joined_at=0) for number in range(200)]
    await house.members.add(group_id, crowd[:199], 0)
    sent = await house.say("ann", conv_id)
    assert len((await house.readers.of("ann", conv_id, sent.server_msg_id)).unread) == 199
    await house.members.add(group_id, crowd[199:], 0)
    house.access.group_changed(group_id)
    with refused(ErrorCode.UNSUPPORTED):
        await house.readers.of("ann", conv_id, sent.server_msg_id)
