"""Makes the people of a run through the HTTP API, befriends or groups them, gets each a token, and removes them all."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from msgspec import Struct

from loadtest.api import Api
from loadtest.errors import Refused
from loadtest.plan import Person
from loadtest.target import Target

_AT_ONCE = 4
Tell = Callable[[str, int, int], None]
"""What is done, how much of it, of how much."""
T = TypeVar("T")
R = TypeVar("R")


class Wanted(Struct, frozen=True, kw_only=True):
    """How many people, whether they are friends two by two, and which of them are in which group, its owner first."""

    people: int
    are_pairs: bool = False
    groups: list[list[int]] = []


class Population(Struct, kw_only=True):
    """The people and groups that were made."""

    people: list[Person] = []
    group_ids: list[str] = []


class Settlers:
    """Makes people with names that nobody else has, and knows all that it made."""

    def __init__(self, target: Target, admin_token: str, tell: Tell, say: Callable[[str], None]) -> None:
        self.prefix = f"bench-{secrets.token_hex(3)}-"
        self._password = secrets.token_urlsafe(16)
        self._admin_token = admin_token
        self._tell = tell
        self._say = say
        self._hinted = False
        self._api = Api(target, self._waiting)
        self._usernames: dict[str, str] = {}
        self._there = Population()
        self._owners: list[Person] = []

    def settle(self, wanted: Wanted) -> Population:
        """Do what people would do; an account and a login cost a server some 20 ms each."""
        there = self._there
        there.people = self._each("making people", self._join_goim, range(wanted.people))
        if wanted.are_pairs:
            pairs = list(zip(there.people[::2], there.people[1::2], strict=True))
            self._each("making friends", self._befriend, pairs)
        for members in wanted.groups:
            self._gather([there.people[index] for index in members])
        return there

    def remove(self) -> None:
        """Disband the groups, erase the accounts; what is left is named."""
        if not self._usernames:
            return
        left: list[str] = []
        people = {person.user_id: person for person in self._there.people}

        def erase(user_id: str) -> None:
            try:
                self._erase(user_id, people.get(user_id))
            except Refused as error:
                left.append(str(error))

        for group_id, owner in zip(self._there.group_ids, self._owners, strict=False):
            with contextlib.suppress(Refused):  # its people are told of below
                self._api.delete(f"/api/groups/{group_id}", token=owner.token)
        self._each("removing people", erase, self._usernames)
        if left:
            self._say(f"warning: {len(left)} users named {self.prefix}… are left: {left[0]}")

    def _join_goim(self, number: int) -> Person:
        account = {"username": f"{self.prefix}{number}", "password": self._password}
        path = "/api/admin/users" if self._admin_token else "/api/register"
        self._usernames[self._api.post(path, account, self._admin_token)["userId"]] = account["username"]
        return self._log_in(account["username"])

    def _log_in(self, username: str) -> Person:
        login = self._api.post("/api/login", {"username": username, "password": self._password})
        return Person(login["userId"], login["token"], username, self._password)

    def _befriend(self, pair: tuple[Person, Person]) -> None:
        one, other = pair
        self._api.post("/api/friends", {"friendId": other.user_id}, one.token)
        self._api.post("/api/friends", {"friendId": one.user_id}, other.token)

    def _gather(self, members: list[Person]) -> None:
        """A group that the first makes and the others join."""
        group_id: str = self._api.post("/api/groups", {"name": "bench"}, members[0].token)["groupId"]
        self._there.group_ids.append(group_id)
        self._owners.append(members[0])
        self._each(
            f"filling group {len(self._owners)}",
            lambda person: self._api.post(f"/api/groups/{group_id}/join", {}, person.token),
            members[1:],
        )

    def _erase(self, user_id: str, person: Person | None) -> None:
        if self._admin_token:
            self._api.delete(f"/api/admin/users/{user_id}", token=self._admin_token)
        else:  # an interrupt may have come before the login
            token = (person or self._log_in(self._usernames[user_id])).token
            self._api.delete("/api/users/me", {"password": self._password}, token)

    def _each(self, what: str, do: Callable[[T], R], things: Iterable[T]) -> list[R]:
        """A few at once; an interrupt lets those that have begun end."""
        todo = list(things)
        threads = ThreadPoolExecutor(_AT_ONCE)
        done: list[R] = []
        try:
            for result in threads.map(do, todo):
                done.append(result)
                self._tell(what, len(done), len(todo))
            return done
        finally:
            threads.shutdown(cancel_futures=True)

    def _waiting(self, reason: str) -> None:
        if not self._hinted:
            self._hinted = True
            self._say(f"the server says {reason}; going on as fast as it lets us")
            self._say("hint: start it with IM_AUTH_REGISTER_PER_MINUTE=1000000, or give an administrator's token")


@contextlib.contextmanager
def settled(
    target: Target, wanted: Wanted, admin_token: str, tell: Tell, say: Callable[[str], None]
) -> Iterator[Population]:
    """The people of a run, until it ends, however it ends."""
    settlers = Settlers(target, admin_token, tell, say)
    try:
        yield settlers.settle(wanted)
    finally:
        settlers.remove()
