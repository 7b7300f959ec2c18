"""A visit from login to goodbye."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from goim.client import Client, Timing, Unreachable
from goim.client.http import Http, Nothing
from goim.clock import SystemClock
from goim.errors import ErrorCode, GoimError
from goimctl.output import Failed, count
from goimctl.talk.session import Face, Session
from goimctl.talk.texts import clean
from goimctl.talk.words import reason, t

_TIMING = Timing(longest_pause=8.0, heartbeat=10.0)


class Entrance(Struct, frozen=True, kw_only=True):
    """Who comes in where."""

    url: str
    name: str
    password: str
    device_id: str
    may_register: bool

    def __repr__(self) -> str:
        return f"Entrance(url={self.url!r}, name={self.name!r}, …)"


class _Talking(Face, Protocol):
    unsent: int
    """How much of what was said did not arrive."""

    async def talk(self) -> None:
        """Let the person talk until they have had enough."""
        ...

    def over(self) -> None:
        """Let `talk` end: the server has ended the session."""
        ...


async def converse(entrance: Entrance, with_: str | None, offer: Callable[[Entrance], bool]) -> None:
    """Log in, talk, log out. `Failed` if not all that was said arrived."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            client = await stack.enter_async_context(_client(entrance))
        except GoimError as error:
            if error.code is not ErrorCode.BAD_CREDENTIALS or not offer(entrance):
                raise
            await _register(entrance)
            client = await stack.enter_async_context(_client(entrance))
        session = Session(client, SystemClock())
        await session.refresh()
        await _visit(session, await _go_to(session, with_))


def _client(entrance: Entrance) -> Client:
    return Client(
        entrance.url,
        username=entrance.name,
        password=entrance.password,
        device_id=entrance.device_id,
        timing=_TIMING,
    )


async def _register(entrance: Entrance) -> None:
    async with contextlib.aclosing(Http(entrance.url, SystemClock(), _TIMING.patience)) as http:
        try:
            await http.post("/api/register", Nothing, {"username": entrance.name, "password": entrance.password})
        except GoimError as error:
            if error.code is ErrorCode.USERNAME_TAKEN:
                raise Failed("wrong password") from None
            raise


async def _go_to(session: Session, with_: str | None) -> str:
    """Begin there, if there is such a place; somebody who is expected may not have an account yet: then what to say."""
    if with_ is None:
        return ""
    try:
        session.here = await session.find_room(with_)
    except GoimError as error:
        return t("{why}; /with {name} when there is", why=clean(reason(error)), name=clean(with_))
    return ""


async def _visit(session: Session, greeting: str) -> None:
    face = _face(session)
    if greeting:
        face.note(greeting)
    async with asyncio.TaskGroup() as tasks:
        listening = tasks.create_task(session.run(face))
        talking = tasks.create_task(face.talk())
        await asyncio.wait([listening, talking], return_when=asyncio.FIRST_COMPLETED)
        face.over()
        await talking
        listening.cancel()
    if session.ended is not None:
        raise Failed(session.ended)
    with contextlib.suppress(GoimError, Unreachable):  # we are going anyway
        await session.api.log_out()
    if face.unsent:
        raise Failed(f"not everything was sent: {count(face.unsent, 'message')} did not arrive")


def _face(session: Session) -> _Talking:
    """A screen on a terminal, lines in a pipe."""
    if all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):  # it draws by way of the last one
        from goimctl.talk.screen.app import ChatApp
        from goimctl.talk.screen.theme import likely

        return ChatApp(session, likely(os.environ.get("COLORFGBG", "")))
    from goimctl.talk.lines import Lines

    return Lines(session)
