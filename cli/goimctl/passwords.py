"""How commands get a password: asked for at the terminal, read from a pipe, or made up. Never as an argument."""

from __future__ import annotations

import contextlib
import sys
from typing import Annotated

import typer

from goimctl.options import server_at
from goimctl.output import ExitCode, Failed

FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from the first line of stdin.")]
Generate = Annotated[bool, typer.Option("--generate", help="Make a password up and print it, once.")]

_BYTES = 15


def new_password(username: str, *, generate: bool, from_stdin: bool) -> str:
    """The password somebody shall have from now on."""
    if generate and from_stdin:
        raise Failed("--generate and --password-stdin exclude each other", code=ExitCode.WRONG_USE)
    if generate:
        import secrets

        return secrets.token_urlsafe(_BYTES)
    return ask_password(f"New password of {username}", from_stdin=from_stdin, is_new=True)


def ask_password(prompt: str, *, from_stdin: bool, is_new: bool = False) -> str:
    """A password from a person or a pipe; a new one is asked for twice."""
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
        if not password:
            raise Failed("there is no password in the first line of stdin", code=ExitCode.WRONG_USE)
        if any("\udc80" <= char <= "\udcff" for char in password):
            raise Failed("the password in the first line of stdin is not UTF-8", code=ExitCode.WRONG_USE)
        return password
    if not sys.stdin.isatty():
        raise Failed(
            "there is no terminal to ask for the password at",
            hint="--password-stdin reads it from a pipe" + (", --generate makes one up" if is_new else ""),
            code=ExitCode.WRONG_USE,
        )
    typed: str = typer.prompt(prompt, hide_input=True, confirmation_prompt=is_new, err=True)
    return typed


def ask_password_for(url: str, prompt: str, *, from_stdin: bool) -> str:
    """The password of an account on a server; nobody is asked for it where nothing answers."""
    import asyncio

    if not from_stdin and sys.stdin.isatty():
        with server_at(url):
            asyncio.run(_knock(url))
    return ask_password(prompt, from_stdin=from_stdin)


async def _knock(url: str) -> None:
    from goim.client import GoimError, Timing
    from goim.client.http import Http, Nothing
    from goim.clock import SystemClock

    async with contextlib.aclosing(Http(url, SystemClock(), Timing().patience)) as http:
        with contextlib.suppress(GoimError):  # it wants a token: it is there
            await http.get("/api/users/me", Nothing)
