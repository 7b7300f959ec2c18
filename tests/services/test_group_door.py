"""The way into groups: policies, requests, invitations, and what who comes later may read."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import Raw

from goim.errors import ErrorCode
from goim.model.conversations import Activity
from goim.model.groups import JoinPolicy, Member, Role
from goim.protocol.requests import SyncConv
from tests.services.house import House, Phone, open_house, refused  # noqa: F401


async def closed(house: House, policy: JoinPolicy, owner: str, *members: str, admins: tuple[str, ...] = ()) -> str:
    """A group of friends with that policy; returns its id."""
    group_id = await house.group(owner, *members, admins=admins)
    await house.group_desk.update(owner, group_id, join_policy=policy)
    return group_id


# approval


async def test_who_asks_waits_for_owner_or_admin_who_alone_are_told(house: House) -> None:
    await house.friends_of_each_other("ann", "bob", "cleo")
    await house.people("dora")
    group_id = await closed(house, JoinPolicy.APPROVAL, "ann", "cleo", admins=("bob",))
    ann, bob, cleo, dora = [await house.phone(name) for name in ("ann", "bob", "cleo", "dora")]

    assert not await house.group_door.join("dora", group_id)

    assert ann.actions() == bob.actions() == ["group_join_request"]
    assert ann.take() == bob.take() == [{"groupId": group_id, "userId": "dora"}]
    assert cleo.take() == dora.take() == []
    assert await house.role(group_id, "dora") is None
    assert not await house.group_door.join("dora", group_id)
    assert ann.take() == [], "asking again tells nobody again"
    [request] = await house.group_door.requests("bob", group_id, 10, 0)
    assert (request.user_id, request.nickname, request.created_at) == ("dora", "Dora", house.clock.now_ms())


async def test_who_is_accepted_is_in_and_everybody_hears_it(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    await house.people("dora")
    group_id = await closed(house, JoinPolicy.APPROVAL, "ann", admins=("bob",))
    await house.say("ann", f"group:{group_id}")
    await house.group_door.join("dora", group_id)
    ann, dora = await house.phone("ann"), await house.phone("dora")

    await house.group_door.decide("bob", group_id, "dora", accept=True)

    joined = [{"groupId": group_id, "userId": "dora", "role": "member", "by": "bob"}]
    assert ann.take("member_joined") == dora.take("member_joined") == joined
    assert await house.receipts.of([(f"group:{group_id}", "dora")]) == {(f"group:{group_id}", "dora"): 1}
    assert await house.group_door.requests("ann", group_id, 10, 0) == []
    assert await house.group_door.join("dora", group_id), "who is in stays in"
    with refused(ErrorCode.NOT_FOUND):
        await house.group_door.decide("ann", group_id, "dora", accept=False)


async def test_who_is_turned_away_hears_nothing_and_may_ask_again(house: House) -> None:
    await house.people("ann", "dora")
    group_id = await closed(house, JoinPolicy.APPROVAL, "ann")
    await house.group_door.join("dora", group_id)
    ann, dora = await house.phone("ann"), await house.phone("dora")
    await house.group_door.decide("ann", group_id, "dora", accept=False)
    assert await house.role(group_id, "dora") is None
    assert dora.take() == []
    with refused(ErrorCode.NOT_FOUND):
        await house.group_door.decide("ann", group_id, "dora", accept=True)
    await house.group_door.join("dora", group_id)
    assert ann.actions() == ["group_join_request"]


async def test_only_owner_and_admins_see_requests_and_decide(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    await house.people("dora")
    group_id = await closed(house, JoinPolicy.APPROVAL, "ann", "bob")
    await house.group_door.join("dora", group_id)
    for user_id, code in (("bob", ErrorCode.FORBIDDEN), ("dora", ErrorCode.NOT_GROUP_MEMBER)):
        with refused(code):
            await house.group_door.requests(user_id, group_id, 10, 0)
        with refused(code):
            await house.group_door.decide(user_id, group_id, "dora", accept=True)
    assert await house.role(group_id, "dora") is None


async def test_requests_come_in_pages_in_few_queries(house: House) -> None:
    names = [f"user{number}" for number in range(5)]
    await house.people("ann", *names)
    group_id = await closed(house, JoinPolicy.APPROVAL, "ann")
    for name in reversed(names):
        await house.group_door.join(name, group_id)
        house.clock.advance(1)
    house.calls.clear()
    first = await house.group_door.requests("ann", group_id, 3, 0)
    assert house.calls["Users.by_ids"] == 1
    rest = await house.group_door.requests("ann", group_id, 3, 3)
    assert [view.user_id for view in first + rest] == names[::-1]


async def test_where_an_admins_consent_is_needed_members_let_nobody_in(house: House) -> None:
    await house.friends_of_each_other("ann", "bob", "cleo", "dora")
    group_id = await closed(house, JoinPolicy.APPROVAL, "ann", "bob", admins=("cleo",))
    with refused(ErrorCode.FORBIDDEN):
        await house.group_desk.add("bob", group_id, ["dora"])
    assert (await house.group_desk.add("cleo", group_id, ["dora"])).added == ["dora"]


async def test_adding_somebody_who_asks_lets_them_in(house: House) -> None:
    await house.people("ann", "dora", "eve")
    group_id = await closed(house, JoinPolicy.APPROVAL, "ann")
    await house.group_door.join("dora", group_id)
    result = await house.group_desk.add("ann", group_id, ["dora", "eve"])
    assert (result.added, result.invited) == (["dora"], ["eve"])
    assert await house.role(group_id, "dora") is Role.MEMBER


async def test_a_request_outlives_a_change_of_the_policy(house: House) -> None:
    await house.people("ann", "dora", "eve")
    group_id = await closed(house, JoinPolicy.APPROVAL, "ann")
    for name in ("dora", "eve"):
        await house.group_door.join(name, group_id)
    await house.group_desk.update("ann", group_id, join_policy=JoinPolicy.OPEN)
    assert await house.group_door.join("dora", group_id)
    assert [view.user_id for view in await house.group_door.requests("ann", group_id, 10, 0)] == ["eve"]
    await house.group_desk.update("ann", group_id, join_policy=JoinPolicy.INVITE)
    await house.group_door.decide("ann", group_id, "eve", accept=True)
    assert await house.role(group_id, "eve") is Role.MEMBER


async def test_of_asking_and_being_accepted_by_two_at_once_one_is_let_in_once(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    await house.people("dora")
    group_id = await closed(house, JoinPolicy.APPROVAL, "ann", admins=("bob",))
    await house.group_door.join("dora", group_id)
    ann = await house.phone("ann")
    results = await asyncio.gather(
        house.group_door.decide("ann", group_id, "dora", accept=True),
        house.group_door.decide("bob", group_id, "dora", accept=True),
        return_exceptions=True,
    )
    assert [result is None for result in results] == [True, False]
    assert ann.actions() == ["member_joined"]


# invitations


@pytest.mark.parametrize("policy", list(JoinPolicy))
async def test_who_is_invited_joins_at_once_whatever_the_policy(house: House, policy: JoinPolicy) -> None:
    await house.people("ann", "dora")
    group_id = await closed(house, policy, "ann")
    dora = await house.phone("dora")
    assert (await house.group_desk.add("ann", group_id, ["dora"])).invited == ["dora"]
    assert dora.take("group_invite") == [{"groupId": group_id, "name": "the group", "by": "ann"}]
    assert (await house.group_desk.get("dora", group_id)).name == "the group"
    assert await house.group_door.join("dora", group_id)
    assert await house.role(group_id, "dora") is Role.MEMBER
    assert await house.group_door.invitations("dora", 10, 0) == []


async def test_a_group_may_begin_closed_with_people_invited(house: House) -> None:
    await house.people("ann", "dora", "eve")
    created = await house.group_desk.create("ann", "Secrets", ["dora"], JoinPolicy.INVITE)
    assert created.invited == ["dora"]
    with refused(ErrorCode.NOT_FOUND):
        await house.group_door.join("eve", created.group_id)
    assert await house.group_door.join("dora", created.group_id)


async def test_nobody_but_members_and_invited_people_sees_an_invite_only_group(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    await house.people("dora", "eve")
    group_id = await closed(house, JoinPolicy.INVITE, "ann", "bob")
    await house.group_desk.add("bob", group_id, ["dora"])
    for look in (house.group_desk.get, house.group_door.join, house.group_desk.leave, house.group_desk.disband):
        with refused(ErrorCode.NOT_FOUND):
            await look("eve", group_id)
    with refused(ErrorCode.NOT_FOUND):
        await house.group_door.requests("eve", group_id, 10, 0)
    with refused(ErrorCode.NOT_FOUND):
        await house.group_notices.page("eve", group_id, 10, 0)
    with refused(ErrorCode.NOT_GROUP_MEMBER):
        await house.group_desk.members("dora", group_id, "", 10)


async def test_an_invitation_is_used_up_and_does_not_bring_back_who_was_put_out(house: House) -> None:
    await house.people("ann", "dora")
    group_id = await closed(house, JoinPolicy.INVITE, "ann")
    await house.group_desk.add("ann", group_id, ["dora"])
    await house.group_door.join("dora", group_id)
    await house.group_desk.kick("ann", group_id, "dora")
    with refused(ErrorCode.NOT_FOUND):
        await house.group_door.join("dora", group_id)


async def test_inviting_again_tells_nobody_again_and_who_declined_may_be_invited_anew(house: House) -> None:
    await house.people("ann", "dora")
    group_id = await closed(house, JoinPolicy.INVITE, "ann")
    dora = await house.phone("dora")
    for _ in range(2):
        assert (await house.group_desk.add("ann", group_id, ["dora"])).invited == ["dora"]
    assert dora.actions() == ["group_invite"]
    dora.take()

    await house.group_door.decline("dora", group_id)
    with refused(ErrorCode.NOT_FOUND):
        await house.group_door.join("dora", group_id)
    with refused(ErrorCode.NOT_FOUND):
        await house.group_door.decline("dora", group_id)
    await house.group_desk.add("ann", group_id, ["dora"])
    assert dora.actions() == ["group_invite"]


async def test_i_find_my_invitations_after_being_away(house: House) -> None:
    await house.people("ann", "dora")
    first = await closed(house, JoinPolicy.INVITE, "ann")
    gone = await closed(house, JoinPolicy.INVITE, "ann")
    for group_id in (first, gone):
        await house.group_desk.add("ann", group_id, ["dora"])
    await house.group_desk.disband("ann", gone)
    [invitation] = await house.group_door.invitations("dora", 10, 0)
    assert (invitation.group_id, invitation.name, invitation.by) == (first, "the group", "ann")
    assert invitation.member_count == 1
    assert await house.group_door.invitations("ann", 10, 0) == []


# what was said before


async def test_by_default_who_joins_reads_what_was_said_before(house: House) -> None:
    await house.people("ann", "dora")
    group_id = await house.group("ann")
    await house.say("ann", f"group:{group_id}")
    await house.group_door.join("dora", group_id)
    assert len((await house.history.after("dora", f"group:{group_id}", 0, 10)).messages) == 1


async def test_where_history_is_not_for_new_members_they_read_on_from_when_they_joined(house: House) -> None:
    house.forget_history()
    await house.friends_of_each_other("ann", "bob")
    await house.people("dora")
    group_id = await house.group("ann", "bob")
    conv_id = f"group:{group_id}"
    for text in ("one", "two"):
        await house.say("ann", conv_id, text)
    await house.group_door.join("dora", group_id)
    await house.group_desk.add("ann", group_id, ["bob"])  # who is in already loses nothing

    assert (await house.history.after("dora", conv_id, 0, 10)).messages == []
    await house.say("ann", conv_id, "three")
    for page in (await house.history.after("dora", conv_id, 0, 10), await house.history.before("dora", conv_id, 0, 10)):
        assert [message.seq for message in page.messages] == [3]
    [synced] = await house.history.sync("dora", [SyncConv(conv_id)], 10)
    assert [message.seq for message in synced.messages] == [3]
    assert len((await house.history.after("bob", conv_id, 0, 10)).messages) == 3


async def test_who_comes_back_does_not_read_what_was_said_while_they_were_away(house: House) -> None:
    house.forget_history()
    await house.people("ann", "dora")
    group_id = await house.group("ann")
    conv_id = f"group:{group_id}"
    await house.group_door.join("dora", group_id)
    await house.say("ann", conv_id, "one")
    await house.group_desk.leave("dora", group_id)
    await house.say("ann", conv_id, "two")
    await house.group_door.join("dora", group_id)
    await house.say("ann", conv_id, "three")
    assert [message.seq for message in (await house.history.after("dora", conv_id, 0, 10)).messages] == [3]


async def test_a_group_whose_history_is_hidden_is_in_the_list_at_once(house: House) -> None:
    house.forget_history()
    await house.people("ann", "dora")
    group_id = await house.group("ann")
    await house.say("ann", f"group:{group_id}")
    await house.behind.flush()
    house.clock.advance(1)
    await house.group_door.join("dora", group_id)
    [line] = (await house.list.page("dora", None, 10)).conversations
    assert (line.group_id, line.unread, line.last_message) == (group_id, 0, None)

    await house.list.delete("dora", line.conv_id)
    late = Activity(conv_id=line.conv_id, user_ids=("dora",), at=house.clock.now_ms() - 1_000)
    await house.conversations.bump([late])  # what another node writes behind does not bring it back
    assert (await house.list.page("dora", None, 10)).conversations == []


async def test_what_is_hidden_is_not_told_by_its_edits_either(house: House) -> None:
    house.forget_history()
    await house.people("ann", "dora")
    group_id = await house.group("ann")
    conv_id = f"group:{group_id}"
    ann = Phone("ann", "a")
    hidden = await house.say("ann", conv_id, "one")
    await house.desk.edit(ann, conv_id, hidden.server_msg_id, Raw(b'{"text":"secret"}'))
    await house.desk.react(ann, conv_id, hidden.server_msg_id, "+")
    await house.group_door.join("dora", group_id)
    seen = await house.say("ann", conv_id, "two")
    await house.desk.edit(ann, conv_id, seen.server_msg_id, Raw(b'{"text":"three"}'))

    [synced] = await house.history.sync("dora", [SyncConv(conv_id)], 10)
    assert [(each.change, each.action) for each in synced.changes] == [(1, "edited"), (2, "reaction"), (3, "edited")]
    assert b"secret" not in bytes(synced.changes[0].data)
    assert synced.last_change == 3
    [synced] = await house.history.sync("ann", [SyncConv(conv_id)], 10)
    assert [change.change for change in synced.changes] == [1, 2, 3]


# large groups


async def test_a_send_asks_as_little_in_a_group_of_ten_thousand_as_in_one_of_two(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    small, large = await house.group("ann", "bob"), await house.group("ann", "bob")
    crowd = [Member(group_id=large, user_id=f"user{number}", joined_at=0) for number in range(10_000)]
    await house.members.add(large, crowd, 0)
    bob = await house.phone("bob")
    costs = []
    for group_id in (small, large):
        house.calls.clear()
        for _ in range(3):
            await house.say("ann", f"group:{group_id}")
        await house.behind.flush()
        costs.append(dict(house.calls))
    assert costs[0] == costs[1]
    assert sum(costs[1].values()) < 15, costs[1]
    assert len(bob.take("message")) == 6
