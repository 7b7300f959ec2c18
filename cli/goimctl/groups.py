"""`goimctl groups`: which groups there are and who is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from goimctl import groups_members
from goimctl.office import find_group, find_users, in_office
from goimctl.options import Json
from goimctl.output import confirm, count, moment, plain, say, show_json, show_record, show_table

if TYPE_CHECKING:
    from goim.app.office import Office
    from goim.model.groups import Group
    from goim.services.admin_views import AdminGroup, AdminGroupPage, AdminMemberPage

group = typer.Typer(
    name="groups",
    help="Groups: make, look at, change and end them. A running server follows within a second.",
    epilog="Example: goimctl groups create Team alice bob",
)

Limit = Annotated[int, typer.Option(help="How many at most.", metavar="N", min=1)]


@group.command(epilog="Example: goimctl groups create Team alice bob")
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What it is called.", metavar="NAME")],
    people: Annotated[list[str], typer.Argument(help="Its owner, then who else is in it.", metavar="OWNER WHO…")],
    *,
    as_json: Json = False,
) -> None:
    """Make a group. The first of its people owns it."""

    async def work(office: Office) -> Group:
        owner, *others = await find_users(office, people)
        return await office.operator.create(name, owner.user_id, [user.user_id for user in others])

    made = in_office(ctx, work)
    say(f"{made.name} has {count(made.member_count, 'member')}")
    show_record({"groupId": made.group_id, "convId": made.conv_id}, as_json=as_json)


@group.command("list", epilog="Example: goimctl groups list --find team --json")
def list_(
    ctx: typer.Context,
    *,
    find: Annotated[str, typer.Option(help="Only with this id, or with this in their name.", metavar="TEXT")] = "",
    limit: Limit = 100,
    after: Annotated[str, typer.Option(help="Go on after this group id.", metavar="ID")] = "",
    as_json: Json = False,
) -> None:
    """List the groups, the oldest first."""

    async def work(office: Office) -> AdminGroupPage:
        return await office.services.administration.groups.page(find, after, limit)

    page = in_office(ctx, work)
    if as_json:
        show_json({"groups": plain(page.groups), "nextAfter": page.after})
        return
    rows = ((each.group_id, each.name, str(each.member_count), moment(each.created_at)) for each in page.groups)
    show_table(("GROUP", "NAME", "MEMBERS", "SINCE"), rows)
    if page.after:
        say(f"there are more: the same with --after {page.after}")


@group.command(epilog="Example: goimctl groups show 0m3k8x5w2v9q4r")
def show(ctx: typer.Context, group_id: groups_members.GroupId, *, limit: Limit = 1000, as_json: Json = False) -> None:
    """Show a group and who is in it."""

    async def work(office: Office) -> tuple[AdminGroup, AdminMemberPage]:
        groups = office.services.administration.groups
        await find_group(office, group_id)
        return await groups.show(group_id), await groups.members(group_id, "", limit)

    shown, page = in_office(ctx, work)
    if as_json:
        show_json(plain(shown) | {"members": plain(page.members)})
        return
    show_record(plain(shown) | {"createdAt": moment(shown.created_at)}, as_json=False)
    typer.echo()
    rows = ((each.username, each.user_id, each.role, moment(each.joined_at)) for each in page.members)
    show_table(("MEMBER", "USER ID", "ROLE", "SINCE"), rows)
    if page.after:
        say(f"there are more: the same with --limit {shown.member_count}")


@group.command(epilog="Example: goimctl groups disband 0m3k8x5w2v9q4r --yes")
def disband(
    ctx: typer.Context,
    group_id: groups_members.GroupId,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """End a group for everybody."""
    confirm(f"End the group {group_id} for everybody?", yes=yes)

    async def work(office: Office) -> None:
        await find_group(office, group_id)
        await office.operator.disband(group_id)

    in_office(ctx, work)
    say("the group is no more")


groups_members.add_to(group)  # last: help lists commands in this order
