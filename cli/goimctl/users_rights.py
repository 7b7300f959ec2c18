"""The commands of `goimctl users` that say what somebody may do: be an admin, log in, stay logged in, exist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from goimctl.office import find_user, in_office
from goimctl.options import Json
from goimctl.output import Failed, confirm, moment, say, show_json, show_table, working

if TYPE_CHECKING:
    from goim.app import Node
    from goim.model.users import Session, User

Who = Annotated[str, typer.Argument(help="Username or user id.", metavar="WHO")]


def add_to(group: typer.Typer) -> None:
    """Add these commands to `users`."""
    group.command(epilog="Example: goimctl users disable bob")(disable)
    group.command(epilog="Example: goimctl users enable bob")(enable)
    group.command(epilog="Example: goimctl users admin alice --revoke")(admin)
    group.command(epilog="Example: goimctl users sessions bob --end-all")(sessions)
    group.command(epilog="Example: goimctl users erase bob --yes")(erase)


def disable(ctx: typer.Context, who: Who) -> None:
    """Close an account: all sessions end, nobody can log in. Nothing is erased."""

    async def work(office: Node) -> User:
        user = await find_user(office, who)
        await office.services.accounts.disable(user.user_id)
        return user

    say(f"{in_office(ctx, work).username} is disabled")


def enable(ctx: typer.Context, who: Who) -> None:
    """Open a disabled account again."""

    async def work(office: Node) -> User:
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

    async def work(office: Node) -> User:
        user = await find_user(office, who)
        await office.services.accounts.make_admin(user.user_id, is_admin=not revoke)
        return user

    say(f"{in_office(ctx, work).username} is {'no longer' if revoke else 'now'} an administrator")


def sessions(
    ctx: typer.Context,
    who: Who,
    *,
    end: Annotated[list[str] | None, typer.Option(help="End this one (may be repeated).", metavar="SESSION")] = None,
    end_all: Annotated[bool, typer.Option("--end-all", help="End all of them.")] = False,
    as_json: Json = False,
) -> None:
    """List somebody's sessions, or end some: their tokens stop working and their sockets close."""

    async def work(office: Node) -> list[Session]:
        user = await find_user(office, who)
        desk = office.services.sessions
        living = await desk.of_user(user.user_id)
        ending = {session.session_id for session in living} if end_all else set(end or ())
        unknown = ending - {session.session_id for session in living}
        if unknown:
            raise Failed(f"{user.username} has no session {', '.join(sorted(unknown))}")
        await desk.end(ending)
        if ending:
            say(f"{len(ending)} ended")
        return [session for session in living if session.session_id not in ending]

    left = in_office(ctx, work)
    if as_json:
        show_json({"sessions": [_session(session) for session in left]})
    elif left or not (end or end_all):
        rows = ((s.session_id, s.device_id or "", moment(s.created_at), moment(s.expires_at)) for s in left)
        show_table(("SESSION", "DEVICE", "SINCE", "UNTIL"), rows)


def _session(session: Session) -> dict[str, object]:
    return {
        "sessionId": session.session_id,
        "deviceId": session.device_id,
        "createdAt": session.created_at,
        "expiresAt": session.expires_at,
    }


def erase(
    ctx: typer.Context,
    who: Who,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase an account and everything of it, for ever."""
    confirm(f"Erase {who} and everything of theirs, for ever?", yes=yes)

    async def work(office: Node) -> User:
        user = await find_user(office, who)
        await office.services.accounts.erase(user.user_id)
        return user

    with working(f"Erasing {who}"):
        user = in_office(ctx, work)
    say(f"{user.username} is erased")
