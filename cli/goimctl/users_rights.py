"""The commands of `goimctl users` that say what somebody may do: be an admin, log in, exist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from goimctl.office import find_user, in_office
from goimctl.output import ExitCode, Failed, confirm, say, working

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from goim.app.office import Office
    from goim.model.users import User
    from goim.services.accounts import Accounts

Who = Annotated[str, typer.Argument(help="Username or user id.", metavar="WHO")]


def add_to(group: typer.Typer) -> None:
    """Add these commands to `users`."""
    group.command(epilog="Example: goimctl users disable bob")(disable)
    group.command(epilog="Example: goimctl users enable bob")(enable)
    group.command(epilog="Example: goimctl users admin alice --revoke")(admin)
    group.command(epilog="Example: goimctl users erase bob --yes")(erase)


def disable(ctx: typer.Context, who: Who) -> None:
    """Close an account: all sessions end, nobody can log in. Nothing is erased."""
    say(f"{_to(ctx, who, lambda accounts, user_id: accounts.disable(user_id))} is disabled")


def enable(ctx: typer.Context, who: Who) -> None:
    """Open a disabled account again."""
    say(f"{_to(ctx, who, lambda accounts, user_id: accounts.enable(user_id))} may log in again")


def admin(
    ctx: typer.Context,
    who: Who,
    *,
    revoke: Annotated[bool, typer.Option("--revoke", help="Take it back.")] = False,
) -> None:
    """Let somebody use /api/admin, or no longer."""
    name = _to(ctx, who, lambda accounts, user_id: accounts.make_admin(user_id, is_admin=not revoke))
    say(f"{name} is {'no longer' if revoke else 'now'} an administrator")


def erase(
    ctx: typer.Context,
    who: Who,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase an account and everything of it, for ever."""
    confirm(f"Erase {who} and everything of theirs, for ever?", yes=yes)

    from goim.clock import SystemClock
    from goim.services.mailroom import HEARD_SECONDS

    async def close(office: Office) -> tuple[User, bool]:
        user = await find_user(office, who)
        is_open = bool(await office.services.sessions.of_user(user.user_id))
        await office.services.accounts.disable(user.user_id)
        return user, is_open

    async def work(office: Office) -> None:
        if is_open:
            await SystemClock().sleep(HEARD_SECONDS)
        await office.services.accounts.erase(user.user_id)

    try:
        with working(f"Erasing {who}"):
            user, is_open = in_office(ctx, close)  # at its end a running server is told: first they are cut off
            in_office(ctx, work)
    except KeyboardInterrupt:
        hint = f"type the same again: goimctl users erase {who} --yes"
        raise Failed("interrupted: what is erased stays so", hint=hint, code=ExitCode.INTERRUPTED) from None
    say(f"{user.username} is erased")


def _to(ctx: typer.Context, who: str, act: Callable[[Accounts, str], Awaitable[None]]) -> str:
    """Do something to an account and say its username."""

    async def work(office: Office) -> str:
        user = await find_user(office, who)
        await act(office.services.accounts, user.user_id)
        return user.username

    return in_office(ctx, work)
