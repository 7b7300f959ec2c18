"""`goimctl chat`: talk to people at a terminal, to try a server by hand."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from goimctl.options import server_at, server_url
from goimctl.output import Failed, say
from goimctl.passwords import FromStdin, ask_password, ask_password_for

if TYPE_CHECKING:
    from goimctl.talk.conversation import Entrance


def chat(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Your username.", metavar="NAME")],
    *,
    with_: Annotated[str | None, typer.Option("--with", help="Whom or which group to talk to.", metavar="NAME")] = None,
    url: Annotated[
        str | None, typer.Option(help="The server; by default the one configured here.", metavar="URL")
    ] = None,
    device: Annotated[str | None, typer.Option(help="What this device is called.", metavar="ID")] = None,
    register: Annotated[bool, typer.Option("--register", help="Make the account if there is none.")] = False,
    from_stdin: FromStdin = False,
) -> None:
    """Talk to people at the terminal; /help lists what else there is. What is said goes to stdout."""
    import asyncio

    from goimctl.talk.conversation import Entrance, converse

    address = server_url(ctx, url)
    password = ask_password_for(address, f"Password of {name}", from_stdin=from_stdin)
    entrance = Entrance(
        url=address, name=name, password=password, device_id=device or _this_terminal(), may_register=register
    )
    try:
        with server_at(address):
            asyncio.run(converse(entrance, with_, _offer))
    except KeyboardInterrupt:  # as good a way to leave as any
        say("")


def _offer(entrance: Entrance) -> bool:
    """Whether to make an account, since there seems to be none."""
    if entrance.may_register:
        return True
    if not sys.stdin.isatty():
        raise Failed("wrong username or password", hint="--register makes the account if there is none")
    question = f"Wrong password, or there is no account {entrance.name}. Make it, with this password?"
    if not typer.confirm(question, err=True):
        raise Failed("wrong username or password")
    if ask_password("Password again", from_stdin=False) != entrance.password:
        raise Failed("these are two different passwords")
    return True


def _this_terminal() -> str:
    """The same name for the same terminal window, so that people do not collect devices."""
    try:
        return f"terminal{os.ttyname(0).removeprefix('/dev').replace('/', '-')}"
    except (OSError, AttributeError):
        return "terminal"
