"""What ids are called: people by nickname or username; asked once and remembered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from goim.client.answers import Friend, User
from goim.client.api import Api
from goim.client.errors import Unreachable
from goim.errors import ErrorCode, GoimError
from goimctl.talk.texts import clean
from goimctl.talk.words import t


class People:
    """Everybody who was met so far."""

    def __init__(self, api: Api, me: User) -> None:
        self._api = api
        self.me = me
        self._known: dict[str, User] = {me.user_id: me}

    def meet(self, *people: User) -> None:
        self._known |= {person.user_id: person for person in people}

    def knows(self, user_id: str) -> bool:
        return user_id in self._known

    def name(self, user_id: str) -> str:
        """What somebody is called; the id of somebody who was not met or is gone."""
        person = self._known.get(user_id)
        if person is None:
            return clean(user_id)
        remark = person.remark if isinstance(person, Friend) else ""
        return clean(remark or person.nickname or person.username)

    def username(self, user_id: str) -> str:
        """What to type for somebody."""
        person = self._known.get(user_id)
        return clean(person.username if person else user_id)

    async def learn(self, user_ids: Iterable[str]) -> None:
        """Ask who these are, where that is not known yet."""
        unknown = {user_id for user_id in user_ids if user_id} - self._known.keys()
        if unknown:
            self.meet(*(user for user in await asyncio.gather(*map(self._ask, unknown)) if user is not None))

    async def _ask(self, user_id: str) -> User | None:
        try:
            return await self._api.user(user_id)
        except (GoimError, Unreachable):
            return None  # the account is gone, or asked for again when it is met again: an id is a name, too

    async def find(self, username: str) -> User:
        """Somebody by username, whatever its case; `NOT_FOUND` if there is nobody."""
        for person in await self._api.find_users(username, limit=200):
            if person.username.lower() == username.lower():
                if person.user_id not in self._known:
                    self.meet(person)
                return person
        raise GoimError(ErrorCode.NOT_FOUND, t("there is nobody called {name}", name=username))
