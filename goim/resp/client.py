"""Asks Redis questions, pipelined on one connection a server; an answer that does not come in time ends it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import hiredis

from goim.clock import Clock
from goim.resp.link import Link, Login, Part, RedisDown, Server, checked, dial
from goim.resp.places import Layout, Places

ANSWER_SECONDS = 2.0
_PAUSE_SECONDS = 0.5
_MOVES = 3
_AWAY = ("MOVED", "READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN")


def _key_of(question: Sequence[Part]) -> str:
    """The key a command is about, by which its server is found: the second part, that of a script its first key."""
    return str(question[3 if question[0] == "EVAL" else 1])


class RedisClient:
    """Connects when it is asked something. While Redis is away, it says so at once (`RedisDown`) and tries again after
    half a second."""

    def __init__(self, places: Places, login: Login, clock: Clock) -> None:
        self._places = places
        self._login = login
        self._clock = clock
        self._layout: Layout | None = None
        self._links: dict[Server, Link] = {}
        self._dialling = asyncio.Lock()
        self._rest_until = 0.0
        self._reason = ""

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[RedisClient]:
        """Hang up at the end."""
        try:
            yield self
        finally:
            links = list(self._links.values())
            self._hang_up()
            for link in links:
                await link.end()

    async def ask(self, *question: Part) -> Any:
        """One question, one answer."""
        return (await self.ask_all([question]))[0]

    async def ask_all(self, questions: Sequence[Sequence[Part]]) -> list[Any]:
        """The answers to several questions at once, in their order; `RedisDown` if one of them could not be answered.

        It is not known then which of them were heard: ask only what may be asked again.
        """
        for _ in range(_MOVES):
            answers = await self._ask(questions)
            if not any(isinstance(each, hiredis.ReplyError) and str(each).startswith(_AWAY) for each in answers):
                return [checked(each) for each in answers]
            self._hang_up()  # what we know of the servers is old
        raise RedisDown("the servers of Redis change faster than they can be asked")

    async def _ask(self, questions: Sequence[Sequence[Part]]) -> list[Any]:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                links = [await self._link_of(_key_of(question)) for question in questions]
                return list(
                    await asyncio.gather(
                        *(link.ask(*question) for link, question in zip(links, questions, strict=True))
                    )
                )
        except TimeoutError:
            self._hang_up()
            raise RedisDown(f"Redis did not answer within {ANSWER_SECONDS:g} s") from None

    async def _link_of(self, key: str) -> Link:
        layout = self._layout
        link = None if layout is None else self._links.get(layout.master_of(key))
        if link is not None and not link.lost.is_set():
            return link
        async with self._dialling:
            return await self._dial(key)

    async def _dial(self, key: str) -> Link:
        if self._clock.monotonic() < self._rest_until:
            raise RedisDown(self._reason)
        try:
            if self._layout is None:
                self._layout = await self._places.find()
            server = self._layout.master_of(key)
            link = self._links.get(server)
            if link is None or link.lost.is_set():
                link = self._links[server] = await dial(server, self._login)
        except RedisDown as error:
            self._hang_up()
            self._reason = str(error)
            self._rest_until = self._clock.monotonic() + _PAUSE_SECONDS
            raise
        return link

    def _hang_up(self) -> None:
        links, self._links = self._links, {}
        self._layout = None
        for link in links.values():
            link.abort()
