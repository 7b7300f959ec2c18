"""The commands of `goimctl groups` that change who is in a group, and as what."""

from __future__ import annotations

import contextlib
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from goim.errors import ErrorCode, GoimError
from goimctl.office import find_group, find_user, find_users, in_office
from goimctl.output import Failed, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from goim.app.office import Office
    from goim.model.users import User

GroupId = Annotated[str, typer.Argument(help="The group's id.", metavar="GROUP")]
People = Annotated[list[str], typer.Argument(help="Usernames or user ids.", metavar="WHO…")]


class RoleName(StrEnum):
    """`Role` of the model, which costs too much to import for `--help`."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"


def add_to(group: typer.Typer) -> None:
    """Add these commands to `groups`."""
    group.command(epilog="Example: goimctl groups add 0m3k8x5w2v9q4r bob cleo")(add)
    group.command(epilog="Example: goimctl groups remove 0m3k8x5w2v9q4r bob")(remove)
    group.command(epilog="Example: goimctl groups role 0m3k8x5w2v9q4r bob admin")(role)


def add(ctx: typer.Context, group_id: GroupId, people: People) -> None:
    """Let people in."""

    async def work(office: Office) -> list[str]:
        await find_group(office, group_id)
        users = await find_users(office, people)
        return await office.operator.add(group_id, [user.user_id for user in users])

    added = in_office(ctx, work)
    say(f"{len(added)} added, {len(people) - len(added)} in already")


def remove(ctx: typer.Context, group_id: GroupId, people: People) -> None:
    """Put people out, but not the owner."""

    async def work(office: Office) -> None:
        await find_group(office, group_id)
        for user in await find_users(office, people):
            with _among_members(user, group_id):
                await office.operator.remove(group_id, user.user_id)
            say(f"{user.username} is out")

    in_office(ctx, work)


def role(
    ctx: typer.Context,
    group_id: GroupId,
    who: Annotated[str, typer.Argument(help="Username or user id.", metavar="WHO")],
    role: Annotated[RoleName, typer.Argument(help="owner hands the group over.")],
) -> None:
    """Give a member another role."""

    async def work(office: Office) -> None:
        from goim.model.groups import Role

        await find_group(office, group_id)
        user = await find_user(office, who)
        with _among_members(user, group_id):
            await office.operator.set_role(group_id, user.user_id, Role(role.value))
        say(f"{user.username} is {role.value} now")

    in_office(ctx, work)


@contextlib.contextmanager
def _among_members(user: User, group_id: str) -> Iterator[None]:
    """Who is not found in the block is not in the group."""
    try:
        yield
    except GoimError as error:
        if error.code is ErrorCode.NOT_FOUND:
            raise Failed(f"{user.username} is not in this group", hint=f"goimctl groups show {group_id}") from None
        raise
