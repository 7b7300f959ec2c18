"""Makes the people of a run, befriends or groups them, and gets each a token: through the HTTP API."""

from __future__ import annotations

import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from msgspec import Struct

from loadtest.plan import Conversation, Person

_AT_ONCE = 4
_PASSWORD = "a password for load tests"  # noqa: S105  # of nobody


class Wanted(Struct, frozen=True, kw_only=True):
    """How many people, and whether they are friends two by two or members of one group."""

    people: int
    are_pairs: bool = False
    are_group: bool = False


class Population(Struct, frozen=True, kw_only=True):
    """The people that were made."""

    people: list[Person]
    group_id: str = ""

    def pairs(self) -> list[Conversation]:
        """Every first of two friends speaks to the second."""
        return [
            Conversation({"convType": "c2c", "to": hearer.user_id}, speaker, [hearer])
            for speaker, hearer in zip(self.people[::2], self.people[1::2], strict=True)
        ]

    def group(self) -> list[Conversation]:
        """The first member speaks to all others."""
        return [Conversation({"convType": "group", "groupId": self.group_id}, self.people[0], self.people[1:])]


def populate_by_api(url: str, wanted: Wanted) -> Population:
    """Do what people would do; a login costs the server some 20 ms."""
    api = _Api(url)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        people = list(threads.map(api.join_goim, range(wanted.people)))
        if wanted.are_pairs:
            list(threads.map(api.befriend, people[::2], people[1::2]))
        group_id = api.create_group(people[0]) if wanted.are_group else ""
        if group_id:
            list(threads.map(lambda person: api.join_group(person, group_id), people[1:]))
    return Population(people=people, group_id=group_id)


class _Api:
    """The few requests that are needed."""

    def __init__(self, url: str) -> None:
        self._url = url

    def join_goim(self, number: int) -> Person:
        account = {"username": f"bench-{number}", "password": _PASSWORD}
        self._post("/api/register", account)
        login = self._post("/api/login", account)
        return Person(login["userId"], login["token"])

    def befriend(self, one: Person, other: Person) -> None:
        self._post("/api/friends", {"friendId": other.user_id}, one)
        self._post("/api/friends", {"friendId": one.user_id}, other)

    def create_group(self, owner: Person) -> str:
        group_id: str = self._post("/api/groups", {"name": "bench"}, owner)["groupId"]
        return group_id

    def join_group(self, person: Person, group_id: str) -> None:
        self._post(f"/api/groups/{group_id}/join", {}, person)

    def _post(self, path: str, body: dict[str, str], person: Person | None = None) -> Any:
        headers = {"Content-Type": "application/json"}
        if person:
            headers["Authorization"] = f"Bearer {person.token}"
        request = urllib.request.Request(self._url + path, json.dumps(body).encode(), headers)  # noqa: S310  # our own
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  # as above
            return json.loads(answer.read() or b"null")
