"""A visit from login to goodbye."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from msgspec import Struct

from goim.client import Timing, Unreachable
from goim.client.answers import User
from goim.client.http import Http, Nothing
from goim.client.link import Link
from goim.client.login import Login
from goim.clock import SystemClock
from goim.errors import ErrorCode, GoimError
from goimctl.output import Failed
from goimctl.talk.commands import Quit, find_place, obey
from goimctl.talk.news import listen
from goimctl.talk.screen import Over, Screen, clean
from goimctl.talk.session import Session

_PATIENCE = 10.0
_TIMING = Timing(longest_pause=8.0)


class Entrance(Struct, frozen=True, kw_only=True):
    """Who comes in where."""

    url: str
    name: str
    password: str
    device_id: str
    may_register: bool

    def __repr__(self) -> str:
        return f"Entrance(url={self.url!r}, name={self.name!r}, …)"


async def converse(entrance: Entrance, with_: str | None, offer: Callable[[Entrance], bool]) -> None:
    """Log in, talk until `/quit` or the end of the input, log out. `Failed` if not all that was said arrived."""
    clock = SystemClock()
    async with contextlib.aclosing(Http(entrance.url, clock, _TIMING.patience)) as api:
        login = Login(
            api,
            username=entrance.name,
            password=entrance.password,
            token="",
            refresh_token="",
            device_id=entrance.device_id,
        )
        me = await _log_in(api, login, entrance, offer)
        link = Link(entrance.url, login, entrance.device_id, clock, _TIMING)
        await _visit(Session(me, api, link, Screen()), with_)


async def _visit(session: Session, with_: str | None) -> None:
    screen, api = session.screen, session.api
    await session.begin()
    await _go_to(session, with_)
    ending: str | None = None
    with screen.open():
        async with _alongside(session):
            try:
                await _talk(session)
            except Over as over:
                ending = str(over)
    if ending is not None:
        raise Failed(ending)
    with contextlib.suppress(GoimError, Unreachable):  # we are going anyway
        await api.tell("/api/logout", {})
    if session.refused and not screen.is_terminal:
        raise Failed(f"not everything was sent: {session.refused} refused")


async def _go_to(session: Session, with_: str | None) -> None:
    """Begin there, if there is such a place; somebody who is expected may not have an account yet."""
    if with_ is None:
        return
    try:
        session.place = await find_place(session, with_)
    except GoimError as error:
        session.screen.note(f"{clean(error.message)}; /with {clean(with_)} when there is")


async def _log_in(api: Http, login: Login, entrance: Entrance, offer: Callable[[Entrance], bool]) -> User:
    try:
        await login.begin()
    except GoimError as error:
        if error.code is not ErrorCode.BAD_CREDENTIALS or not offer(entrance):
            raise
        await _register(api, {"username": entrance.name, "password": entrance.password})
        await login.begin()
    return User(user_id=login.user_id, username=login.username)


async def _register(api: Http, credentials: dict[str, str]) -> None:
    try:
        await api.post("/api/register", Nothing, credentials)
    except GoimError as error:
        if error.code is ErrorCode.USERNAME_TAKEN:
            raise Failed("wrong password") from None
        raise


@contextlib.asynccontextmanager
async def _alongside(session: Session) -> AsyncIterator[None]:
    """The connection, what comes from it and what goes to it, while the context is open."""

    async def stay_connected() -> None:
        await session.link.run()
        session.screen.end(str(session.link.over))

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(work) for work in (stay_connected(), listen(session), session.send_all())]
        try:
            yield
        finally:
            for task in running:
                task.cancel()


async def _talk(session: Session) -> None:
    session.screen.note(f"you are {clean(session.me.username)}; /help lists what you can do")
    with contextlib.suppress(Quit):
        while (line := await session.screen.next_line()) is not None:
            await obey(session, line)
    try:
        async with asyncio.timeout(_PATIENCE):
            await session.unsent.join()
    except TimeoutError:
        session.refused += session.unsent.qsize() + 1
