"""The commands of `goimctl users` that say what somebody may do: be an admin, log in, exist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from goimctl.office import find_user, in_office
from goimctl.output import confirm, say, working

if TYPE_CHECKING:
    from goim.app.office import Office
    from goim.model.users import User

Who = Annotated[str, typer.Argument(help="Username or user id.", metavar="WHO")]


def add_to(group: typer.Typer) -> None:
    """Add these commands to `users`."""
    group.command(epilog="Example: goimctl users disable bob")(disable)
    group.command(epilog="Example: goimctl users enable bob")(enable)
    group.command(epilog="Example: goimctl users admin alice --revoke")(admin)
    group.command(epilog="Example: goimctl users erase bob --yes")(erase)


def disable(ctx: typer.Context, who: Who) -> None:
    """Close an account: all sessions end, nobody can log in. Nothing is erased."""

    async def work(office: Office) -> User:
        user = await find_user(office, who)
        await office.services.accounts.disable(user.user_id)
        return user

    say(f"{in_office(ctx, work).username} is disabled")


def enable(ctx: typer.Context, who: Who) -> None:
    """Open a disabled account again."""

    async def work(office: Office) -> User:
        user = await find_user(office, who)
        await office.services.accounts.enable(user.user_id)
        return user

    say(f"{in_office(ctx, work).username} may log in again")


def admin(
    ctx: typer.Context,
    who: Who,
    *,
    revoke: Annotated[bool, typer.Option("--revoke", help="Take it back.")] = False,
) -> None:
    """Let somebody use /api/admin, or no longer."""

    async def work(office: Office) -> User:
        user = await find_user(office, who)
        await office.services.accounts.make_admin(user.user_id, is_admin=not revoke)
        return user

    say(f"{in_office(ctx, work).username} is {'no longer' if revoke else 'now'} an administrator")


def erase(
    ctx: typer.Context,
    who: Who,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase an account and everything of it, for ever."""
    confirm(f"Erase {who} and everything of theirs, for ever?", yes=yes)

    async def work(office: Office) -> User:
        user = await find_user(office, who)
        await office.services.accounts.erase(user.user_id)
        return user

    with working(f"Erasing {who}"):
        user = in_office(ctx, work)
    say(f"{user.username} is erased")
