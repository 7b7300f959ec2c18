"""`goimctl groups`: which groups there are and who is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from goimctl import groups_members
from goimctl.office import find_users, in_office
from goimctl.options import Json
from goimctl.output import confirm, count, moment, say, show_json, show_record, show_table

if TYPE_CHECKING:
    from goim.app import Node
    from goim.model.groups import Group, Member
    from goim.model.users import User

group = typer.Typer(
    name="groups",
    help="Groups: make, look at, change and end them. A running server follows within a second.",
    epilog="Example: goimctl groups create Team alice bob",
)
groups_members.add_to(group)

Limit = Annotated[int, typer.Option(help="How many at most.", min=1)]


@group.command(epilog="Example: goimctl groups create Team alice bob")
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What it is called.", metavar="NAME")],
    people: Annotated[list[str], typer.Argument(help="Its owner, then who else is in it.", metavar="OWNER WHO…")],
    *,
    as_json: Json = False,
) -> None:
    """Make a group. The first of its people owns it."""

    async def work(office: Node) -> Group:
        owner, *others = await find_users(office, people)
        return await office.operator.create(name, owner.user_id, [user.user_id for user in others])

    made = in_office(ctx, work)
    say(f"{made.name} has {count(made.member_count, 'member')}")
    show_record({"groupId": made.group_id, "convId": made.conv_id}, as_json=as_json)


@group.command("list", epilog="Example: goimctl groups list --json")
def list_(
    ctx: typer.Context,
    *,
    limit: Limit = 100,
    after: Annotated[str, typer.Option(help="Go on after this group id.", metavar="ID")] = "",
    as_json: Json = False,
) -> None:
    """List the groups, the oldest first."""

    async def work(office: Node) -> list[Group]:
        return await office.operator.page(after, limit + 1)

    found = in_office(ctx, work)
    page = found[:limit]
    next_after = page[-1].group_id if len(found) > limit else None
    if as_json:
        show_json({"groups": [_group(each) for each in page], "nextAfter": next_after})
        return
    rows = ((each.group_id, each.name, str(each.member_count), moment(each.created_at)) for each in page)
    show_table(("GROUP", "NAME", "MEMBERS", "SINCE"), rows)
    if next_after:
        say(f"there are more: goimctl groups list --after {next_after}")


@group.command(epilog="Example: goimctl groups show 0m3k8x5w2v9q4r")
def show(ctx: typer.Context, group_id: groups_members.GroupId, *, limit: Limit = 1000, as_json: Json = False) -> None:
    """Show a group and who is in it."""

    async def work(office: Node) -> tuple[Group, list[tuple[Member, User]]]:
        accounts = office.services.accounts
        members = await office.operator.members(group_id, "", limit)
        return await office.operator.get(group_id), [(each, await accounts.get(each.user_id)) for each in members]

    shown, members = in_office(ctx, work)
    if as_json:
        show_json(_group(shown) | {"members": [_member(*each) for each in members]})
        return
    show_record(_group(shown) | {"createdAt": moment(shown.created_at)}, as_json=False)
    rows = ((user.username, user.user_id, each.role, moment(each.joined_at)) for each, user in members)
    show_table(("MEMBER", "USER ID", "ROLE", "SINCE"), rows)


@group.command(epilog="Example: goimctl groups disband 0m3k8x5w2v9q4r --yes")
def disband(
    ctx: typer.Context,
    group_id: groups_members.GroupId,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """End a group for everybody."""
    confirm(f"End the group {group_id} for everybody?", yes=yes)

    async def work(office: Node) -> None:
        await office.operator.disband(group_id)

    in_office(ctx, work)
    say("the group is no more")


def _group(group: Group) -> dict[str, object]:
    return {
        "groupId": group.group_id,
        "convId": group.conv_id,
        "name": group.name,
        "ownerId": group.owner_id,
        "memberCount": group.member_count,
        "joinPolicy": group.join_policy,
        "muted": group.muted,
        "createdAt": group.created_at,
    }


def _member(member: Member, user: User) -> dict[str, object]:
    return {
        "userId": user.user_id,
        "username": user.username,
        "nickname": user.nickname,
        "role": member.role,
        "muteUntil": member.mute_until,
        "joinedAt": member.joined_at,
    }
