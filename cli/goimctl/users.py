"""`goimctl users`: who has an account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from goimctl import users_rights, users_sessions
from goimctl.office import find_user, in_office
from goimctl.options import Json
from goimctl.output import Failed, moment, plain, say, show_json, show_record, show_table
from goimctl.passwords import FromStdin, Generate, new_password

if TYPE_CHECKING:
    from goim.app.office import Office
    from goim.model.users import User
    from goim.services.admin_views import AdminUser, AdminUserDetails, AdminUserPage

group = typer.Typer(
    name="users",
    help="Accounts: make, look at, close and erase them. A running server follows within a second.",
    epilog="Example: goimctl users create alice",
)


@group.command(epilog="Example: goimctl users create alice --nickname Alice")
def create(
    ctx: typer.Context,
    username: Annotated[str, typer.Argument(help="3 to 32 characters of A-Z a-z 0-9 _ . -", metavar="NAME")],
    *,
    nickname: Annotated[
        str | None, typer.Option(help="What others see; the username if left out.", metavar="TEXT")
    ] = None,
    admin: Annotated[bool, typer.Option("--admin", help="Let them use /api/admin.")] = False,
    generate: Generate = False,
    from_stdin: FromStdin = False,
    as_json: Json = False,
) -> None:
    """Make an account. Asks for its password."""
    password = new_password(username, generate=generate, from_stdin=from_stdin)

    async def work(office: Office) -> User:
        accounts = office.services.accounts
        user = await _created(office, username, password, nickname)
        if admin:
            await accounts.make_admin(user.user_id)
        return user

    user = in_office(ctx, work)
    say(f"{user.username} may log in")
    told = {"password": password} if generate else {}
    show_record({"userId": user.user_id, "username": user.username} | told, as_json=as_json)


@group.command("list", epilog="Example: goimctl users list --find ann --json")
def list_(
    ctx: typer.Context,
    *,
    find: Annotated[str, typer.Option(help="Only with this id, or with this in their names.", metavar="TEXT")] = "",
    admins: Annotated[bool, typer.Option("--admins", help="Only administrators.")] = False,
    disabled: Annotated[bool, typer.Option("--disabled", help="Only disabled accounts.")] = False,
    limit: Annotated[int, typer.Option(help="How many at most.", metavar="N", min=1)] = 100,
    after: Annotated[str, typer.Option(help="Go on after this user id.", metavar="ID")] = "",
    as_json: Json = False,
) -> None:
    """List the accounts, the oldest first."""

    async def work(office: Office) -> AdminUserPage:
        from goim.model.overview import UserFilter

        wanted = UserFilter(query=find, admins=admins, disabled=disabled)
        return await office.services.administration.users.page(wanted, after, limit)

    page = in_office(ctx, work)
    if as_json:
        show_json({"users": plain(page.users), "nextAfter": page.after})
        return
    rows = ((user.username, user.user_id, user.nickname, _state(user), moment(user.created_at)) for user in page.users)
    show_table(("USERNAME", "USER ID", "NICKNAME", "STATE", "SINCE"), rows)
    if page.after:
        say(f"there are more: the same with --after {page.after}")


@group.command(epilog="Example: goimctl users show alice")
def show(
    ctx: typer.Context,
    who: users_rights.Who,
    *,
    as_json: Json = False,
) -> None:
    """Show one account."""

    async def work(office: Office) -> AdminUserDetails:
        user = await find_user(office, who)
        return await office.services.administration.users.show(user.user_id)

    shown = in_office(ctx, work)
    account = plain(shown)
    if not as_json:
        account["createdAt"] = moment(shown.created_at)
        account["lastSeen"] = moment(shown.last_seen) if shown.last_seen else "never"
    show_record(account, as_json=as_json)


@group.command(epilog="Example: goimctl users passwd alice")
def passwd(
    ctx: typer.Context,
    who: users_rights.Who,
    *,
    generate: Generate = False,
    from_stdin: FromStdin = False,
    as_json: Json = False,
) -> None:
    """Give somebody a new password; all their sessions end."""
    password = new_password(who, generate=generate, from_stdin=from_stdin)

    async def work(office: Office) -> User:
        user = await find_user(office, who)
        await office.services.accounts.set_password(user.user_id, password)
        return user

    user = in_office(ctx, work)
    say(f"{user.username} has a new password and must log in again")
    if generate:
        show_record({"userId": user.user_id, "username": user.username, "password": password}, as_json=as_json)


async def _created(office: Office, username: str, password: str, nickname: str | None) -> User:
    from goim.errors import ErrorCode, GoimError

    try:
        return await office.services.accounts.create(username, password, nickname)
    except GoimError as error:
        if error.code is not ErrorCode.USERNAME_TAKEN:
            raise
        hint = f"goimctl users passwd {username} gives that account another password"
        raise Failed(f"there is an account {username} already", hint=hint) from None


def _state(user: AdminUser) -> str:
    return ", ".join(name for name, holds in (("admin", user.is_admin), ("disabled", user.is_disabled)) if holds)


users_rights.add_to(group)  # last: help lists commands in this order
users_sessions.add_to(group)
