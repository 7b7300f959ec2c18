"""What two nodes change at once is told as it is stored in the end: whoever told otherwise says so a moment later."""

from __future__ import annotations

from typing import Any

import pytest

from goim.bus.memory import MemoryBus
from goim.model.groups import Role
from tests.services.house import House, Phone, open_house

__all__ = ["open_house"]


@pytest.fixture(autouse=True)
def another_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is one, and it writes into the same database."""
    monkeypatch.setattr(MemoryBus, "has_company", True)


async def told(house: House, phone: Phone) -> list[tuple[str, Any]]:
    """What is told a moment later; and then nothing more."""
    phone.pushes.clear()
    house.clock.advance(2)
    await house.second_look.look()
    pushes = [(push["action"], push["data"]) for push in phone.pushes]
    phone.pushes.clear()
    for _ in range(2):
        house.clock.advance(2)
        await house.second_look.look()
    assert phone.pushes == []
    return pushes


async def test_a_line_that_two_nodes_set_is_told_as_it_is_stored(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    conv_id = (await house.say("ann", "bob")).conv_id
    phone = await house.phone("ann")
    await house.list.pin("ann", conv_id, pinned=True)
    await house.list.mute("ann", conv_id, muted=True)
    await house.list.draft("ann", conv_id, "a draft")
    await house.conversations.set_entry("ann", conv_id, {"pinned": False, "draft": "newer"})
    assert await told(house, phone) == [
        ("conversation_updated", {"convId": conv_id, "pinned": False, "draft": "newer"})
    ]
    house.calls.clear()
    await house.list.pin("ann", conv_id, pinned=True)
    assert await told(house, phone) == []
    assert house.calls["Conversations.entry"] == 1


async def test_a_group_that_two_nodes_change_is_told_as_it_is_stored(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    group_id = await house.group("ann", "bob")
    phone = await house.phone("bob")
    await house.group_desk.update("ann", group_id, name="here")
    await house.groups.update(group_id, {"name": "there"})
    assert await told(house, phone) == [("group_updated", {"groupId": group_id, "name": "there"})]


async def test_a_member_whom_two_nodes_change_is_told_as_they_are_stored(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    group_id = await house.group("ann", "bob")
    phone = await house.phone("ann")
    await house.group_desk.set_member("ann", group_id, "bob", role=Role.ADMIN)
    await house.members.set(group_id, "bob", {"role": Role.MEMBER})
    now = {"groupId": group_id, "userId": "bob", "role": "member", "by": "", "muteUntil": 0}
    assert await told(house, phone) == [("member_updated", now)]


async def test_who_is_taken_out_by_another_node_while_they_come_in_here_receives_no_more(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    group_id = await house.group("ann")
    phone = await house.phone("bob")
    await house.group_door.join("bob", group_id)
    await house.members.remove(group_id, "bob")  # its notice came before ours
    assert house.delivery.groups() == [group_id]
    left = {"groupId": group_id, "userId": "bob", "role": "member", "by": ""}
    assert await told(house, phone) == [("member_left", left)]
    assert house.delivery.groups() == []


async def test_who_comes_in_through_another_node_while_they_leave_here_receives_again(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    group_id = await house.group("ann", "bob")
    phone = await house.phone("bob")
    member = await house.members.get(group_id, "bob")
    assert member is not None
    await house.group_desk.leave("bob", group_id)
    await house.members.add(group_id, [member], 0)
    joined = {"groupId": group_id, "userId": "bob", "role": "member", "by": ""}
    assert await told(house, phone) == [("member_joined", joined)]
    assert house.delivery.groups() == [group_id]


async def test_a_node_that_is_alone_looks_at_nothing_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryBus, "has_company", False)
    await house.friends_of_each_other("ann", "bob")
    conv_id = (await house.say("ann", "bob")).conv_id
    await house.list.pin("ann", conv_id, pinned=True)
    house.calls.clear()
    house.clock.advance(2)
    await house.second_look.look()
    assert not house.calls
