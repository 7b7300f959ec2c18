"""`goimctl token`: opens a session for somebody without their password."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from goimctl.office import find_user, in_office
from goimctl.options import Json
from goimctl.output import plain, show_json

if TYPE_CHECKING:
    from goim.app.office import Office
    from goim.services.sessions import Tokens


def token(
    ctx: typer.Context,
    who: Annotated[str, typer.Argument(help="Username or user id.", metavar="WHO")],
    *,
    device: Annotated[str | None, typer.Option(help="Make the session that device's.", metavar="ID")] = None,
    as_json: Json = False,
) -> None:
    """Print an access token for somebody, and nothing else. `users sessions` shows and ends its session."""

    async def work(office: Office) -> Tokens:
        return await office.services.sessions.issue(await find_user(office, who), device)

    issued = in_office(ctx, work)
    if as_json:
        show_json(plain(issued))
    else:
        typer.echo(issued.token)
