"""What ids are called: people by their usernames, groups by their names; asked once and remembered."""

from __future__ import annotations

from msgspec import Struct

from goim.client.answers import Conversation, Group, Groups, User, Users
from goim.client.http import Http, part
from goim.errors import ErrorCode, GoimError
from goim.model.conversations import ConvType
from goimctl.talk.screen import clean


class Place(Struct, frozen=True, kw_only=True):
    """Where one talks: with a person, or in a group. `conv_id` is None until something was said there."""

    title: str
    conv_type: ConvType
    other_id: str
    conv_id: str | None = None

    def target(self) -> dict[str, str]:
        """How a message to there is addressed."""
        key = "to" if self.conv_type is ConvType.C2C else "groupId"
        return {"convType": self.conv_type, key: self.other_id}


class People:
    """Everybody and every group that was met so far."""

    def __init__(self, api: Http, me: User) -> None:
        self._api = api
        self.me = me
        self._names = {me.user_id: me.username}
        self._groups: dict[str, str] = {}

    async def name(self, user_id: str) -> str:
        """The username, or the id of somebody who is gone."""
        if user_id not in self._names:
            try:
                person = await self._api.get(f"/api/users/{part(user_id)}", User)
            except GoimError as error:
                if error.code is not ErrorCode.NOT_FOUND:
                    raise
                return clean(user_id)
            self._names[user_id] = clean(person.username)
        return self._names[user_id]

    async def find(self, username: str) -> User:
        """Somebody by username, whatever its case; `NOT_FOUND` if there is nobody."""
        found = await self._api.get("/api/users/search", Users, q=username, limit=200)
        for person in found.users:
            if person.username.lower() == username.lower():
                self._names[person.user_id] = clean(person.username)
                return person
        raise GoimError(ErrorCode.NOT_FOUND, f"there is nobody called {username}")

    async def find_group(self, name: str) -> Group | None:
        """One of my groups by name or id."""
        mine = await self._api.get("/api/groups", Groups, limit=200)
        self._groups |= {group.group_id: clean(group.name) for group in mine.groups}
        return next((g for g in mine.groups if name.lower() == g.name.lower() or name == g.group_id), None)

    async def group_name(self, group_id: str) -> str:
        """The name of a group of mine, or the id of one that is gone."""
        if group_id not in self._groups:
            await self.find_group(group_id)
        return self._groups.get(group_id, clean(group_id))

    def forget_group(self, group_id: str) -> None:
        """It may have another name by now."""
        self._groups.pop(group_id, None)

    async def place_of(self, line: Conversation) -> Place:
        """Where a line of the list leads."""
        other_id = line.peer_id or line.group_id or ""
        is_pair = line.conv_type is ConvType.C2C
        title = await (self.name(other_id) if is_pair else self.group_name(other_id))
        return Place(title=title, conv_type=line.conv_type, other_id=other_id, conv_id=line.conv_id)
