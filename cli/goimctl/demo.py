"""`goimctl demo`: fills a running server with people who talk, so that one sees it live within a minute."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated, Any

import typer

from goimctl.options import Json, server_at, server_url
from goimctl.output import Failed, count, ourselves, progress_bars, say, show_record
from goimctl.passwords import FromStdin, ask_password, ask_password_for

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

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
        password = ask_password_for(address, "Password of the demo", from_stdin=from_stdin)
        return _run(address, _take_down(address, password))
    password = ask_password("", from_stdin=True) if from_stdin else secrets.token_urlsafe(_BYTES)
    _run(address, _show(address, url, password, once=once, as_json=as_json), until_interrupted=not once)


def _run(url: str, doing: Coroutine[Any, Any, None], *, until_interrupted: bool = False) -> None:
    import asyncio

    from goim.client import SessionOver

    try:
        with server_at(url):
            asyncio.run(doing)
    except ExceptionGroup as errors:  # of all who were told at once
        if errors.subgroup(SessionOver) is None:
            raise
        raise Failed("the people of the demo were logged out: it was removed, or begun elsewhere") from None
    except KeyboardInterrupt:
        if not until_interrupted:
            raise
        say("")


async def _show(url: str, given: str | None, password: str, *, once: bool, as_json: bool) -> None:
    from goimctl.showing import cast
    from goimctl.showing.play import play
    from goimctl.showing.stage import set_up, you

    at = f" --url {given}" if given else ""
    with _known_password():
        await you(url, password)
    show_record({"url": url, "username": cast.YOU, "password": password}, as_json=as_json)  # now: it may be cut short
    async with contextlib.AsyncExitStack() as stack:
        with _known_password(), progress_bars() as tell:
            stage = await stack.enter_async_context(set_up(url, password, tell))
        say(f"look at it  open {url}/ in a browser, or: {ourselves()} chat {cast.YOU}{at}")
        say(f"write to    {cast.PEOPLE[cast.BOT]}, and see the answer grow")
        say(f"erase it    {ourselves()} demo --remove{at}   (asks for that password)")
        if not once:
            say("stop it     Ctrl-C (until then people talk on)")
            await play(stage)


@contextlib.contextmanager
def _known_password() -> Iterator[None]:
    """Says what to do where there is a demo already, and this is not its password."""
    from goim.client import ErrorCode, GoimError
    from goimctl.showing import cast

    try:
        yield
    except GoimError as error:
        if error.code is not ErrorCode.BAD_CREDENTIALS:
            raise
        everybody = " ".join(cast.PEOPLE)
        hint = "goimctl demo --password-stdin takes its password; "
        hint += f"if that is lost: for who in {everybody}; do goimctl users erase --yes $who; done"
        raise Failed("there is a demo on this server already, with another password", hint=hint) from None


async def _take_down(url: str, password: str) -> None:
    from goimctl.showing.stage import take_down

    with progress_bars() as tell:
        erased = await take_down(url, password, tell)
    if not erased:
        raise Failed("there is no demo on this server, or it has another password")
    say(f"erased {count(erased, 'account')} of the demo")
