"""Notices of groups: posted by owner and admins, pushed to all, kept for who comes later."""

from __future__ import annotations

import pytest

from goim.errors import ErrorCode
from tests.services.house import House, open_house, refused  # noqa: F401


async def test_a_notice_reaches_every_member_and_is_there_for_later_ones(house: House) -> None:
    await house.friends_of_each_other("ann", "bob", "cleo")
    await house.people("dora")
    group_id = await house.group("ann", "cleo", admins=("bob",))
    ann, cleo, dora = [await house.phone(name) for name in ("ann", "cleo", "dora")]

    notice = await house.group_notices.post("bob", group_id, " 周日 ", "We walk.")

    pushed = {
        "noticeId": notice.notice_id,
        "groupId": group_id,
        "title": "周日",
        "content": "We walk.",
        "createdBy": "bob",
        "createdAt": house.clock.now_ms(),
    }
    assert ann.actions() == cleo.actions() == ["group_notice"]
    assert ann.take() == cleo.take() == [pushed]
    assert dora.take() == []
    await house.group_door.join("dora", group_id)
    assert await house.group_notices.page("dora", group_id, 10, 0) == [notice]


async def test_notices_come_latest_first_in_pages(house: House) -> None:
    await house.people("ann")
    group_id = await house.group("ann")
    for title in ("one", "two", "three"):
        await house.group_notices.post("ann", group_id, title, "")
        house.clock.advance(1)
    first = await house.group_notices.page("ann", group_id, 2, 0)
    rest = await house.group_notices.page("ann", group_id, 2, 2)
    assert [notice.title for notice in first + rest] == ["three", "two", "one"]


async def test_only_owner_and_admins_post_and_only_members_read(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    await house.people("dora")
    group_id = await house.group("ann", "bob")
    with refused(ErrorCode.FORBIDDEN):
        await house.group_notices.post("bob", group_id, "Mine", "")
    with refused(ErrorCode.NOT_GROUP_MEMBER):
        await house.group_notices.post("dora", group_id, "Mine", "")
    with refused(ErrorCode.NOT_GROUP_MEMBER):
        await house.group_notices.page("dora", group_id, 10, 0)
    with refused(ErrorCode.NOT_FOUND):
        await house.group_notices.page("ann", "nowhere", 10, 0)
    assert await house.group_notices.page("bob", group_id, 10, 0) == []


@pytest.mark.parametrize(("title", "content"), [("", "x"), ("  ", "x"), ("x" * 201, ""), ("x", "x" * 10_001)])
async def test_a_notice_keeps_to_its_limits(house: House, title: str, content: str) -> None:
    await house.people("ann")
    group_id = await house.group("ann")
    with refused(ErrorCode.INVALID):
        await house.group_notices.post("ann", group_id, title, content)
    await house.group_notices.post("ann", group_id, "x" * 200, "公" * 10_000)


async def test_notices_take_no_seq(house: House) -> None:
    await house.people("ann")
    group_id = await house.group("ann")
    await house.group_notices.post("ann", group_id, "x", "")
    assert (await house.say("ann", f"group:{group_id}")).seq == 1
