"""`goimctl demo`: fills a running server with people who talk, so that one sees it live within a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from goimctl.options import Json, server_url, way_to
from goimctl.output import ExitCode, Failed, count, ourselves, progress_bars, say, show_record
from goimctl.passwords import FromStdin, ask_password

if TYPE_CHECKING:
    from collections.abc import Coroutine

_BYTES = 9


def demo(
    ctx: typer.Context,
    *,
    url: Annotated[
        str | None, typer.Option(help="The server; by default the one configured here.", metavar="URL")
    ] = None,
    from_stdin: FromStdin = False,
    once: Annotated[bool, typer.Option("--once", help="Fill it and leave; nobody goes on talking.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Erase the people of the demo again.")] = False,
    as_json: Json = False,
) -> None:
    """Fill a running server with people who talk, and a bot.

    They have groups and pictures, and go on until Ctrl-C; the bot streams its answers.

    The account to look at it with is `demo`; its password is made up and printed, or that of --password-stdin. To come
    back to a demo, or to remove it, give its password.
    """
    import secrets

    address = server_url(ctx, url)
    if remove:
        password = ask_password("Password of the demo", from_stdin=from_stdin)
        return _run(address, _take_down(address, password))
    password = ask_password("", from_stdin=True) if from_stdin else secrets.token_urlsafe(_BYTES)
    _run(address, _show(address, url, password, once=once, as_json=as_json))


def _run(url: str, doing: Coroutine[Any, Any, None]) -> None:
    import asyncio

    from goim.client import SessionOver, Unreachable

    try:
        asyncio.run(doing)
    except Unreachable as error:
        raise Failed(str(error), hint=way_to(url), code=ExitCode.DEPENDENCY_DOWN) from None
    except ExceptionGroup as errors:  # of all who were told at once
        if errors.subgroup(SessionOver) is None:
            raise
        raise Failed("the people of the demo were logged out: it was removed, or begun elsewhere") from None
    except KeyboardInterrupt:  # as good a way to leave as any
        say("")


async def _show(url: str, given: str | None, password: str, *, once: bool, as_json: bool) -> None:
    from contextlib import AsyncExitStack

    from goim.client import ErrorCode, GoimError
    from goimctl.showing import cast
    from goimctl.showing.play import play
    from goimctl.showing.stage import set_up

    async with AsyncExitStack() as stack:
        try:
            with progress_bars() as tell:
                stage = await stack.enter_async_context(set_up(url, password, tell))
        except GoimError as error:
            if error.code is not ErrorCode.BAD_CREDENTIALS:
                raise
            hint = "goimctl demo --password-stdin takes its password; goimctl users passwd demo gives it another"
            raise Failed("there is a demo on this server already, with another password", hint=hint) from None
        show_record({"url": url, "username": cast.YOU, "password": password}, as_json=as_json)
        at = f" --url {given}" if given else ""
        say(f"look at it  open {url}/ in a browser, or: {ourselves()} chat {cast.YOU}{at}")
        say(f"write to    {cast.PEOPLE[cast.BOT]}, and see the answer grow")
        say(f"erase it    {ourselves()} demo --remove{at}   (asks for that password)")
        if not once:
            say("stop it     Ctrl-C (until then people talk on)")
            await play(stage)


async def _take_down(url: str, password: str) -> None:
    from goimctl.showing.stage import take_down

    with progress_bars() as tell:
        erased = await take_down(url, password, tell)
    if not erased:
        raise Failed("there is no demo on this server, or it has another password")
    say(f"erased {count(erased, 'account')} of the demo")
