"""Conversations, people and groups of somebody who talks, as far as they are known here."""

from __future__ import annotations

import asyncio

from goim.client.answers import Conversation, Friend, Group, Message, User
from goim.client.api import Api
from goim.clock import Clock
from goim.errors import GoimError
from goim.model.conversations import ConvType
from goimctl.talk.people import People
from goimctl.talk.rooms import Room
from goimctl.talk.texts import clean

_MOST = 200


class Chats:
    """Asked for with each connection, and kept by what the server tells (`news.py`)."""

    def __init__(self, api: Api, me: User, clock: Clock) -> None:
        self.api = api
        self.me = me
        self.clock = clock
        self.people = People(api, me)
        self.rooms: dict[str, Room] = {}
        self.friends: dict[str, Friend] = {}
        self.requests: dict[str, User] = {}
        self.invitations: dict[str, str] = {}  # groups that asked us in
        self.groups: dict[str, Group] = {}
        self.online: set[str] = set()
        self.here: Room | None = None
        self.is_connected = False

    async def refresh(self) -> None:
        """Ask for everything that no push brings again."""
        api = self.api
        me, lines, friends, requests, groups = await asyncio.gather(
            api.user(self.me.user_id), self._lines(), api.friends(), api.friend_requests(), api.groups()
        )
        self.friends = {friend.user_id: friend for friend in friends}
        self.requests = {person.user_id: person for person in requests}
        self.groups = {group.group_id: group for group in groups}
        self.people.meet(me, *requests, *friends)
        for line in lines:
            self.take_line(line)
        for group in groups:
            self.enter_group(group)
        if friends:
            found = await api.presence([friend.user_id for friend in friends[:_MOST]])
            self.online = {each.user_id for each in found if each.online}

    async def _lines(self) -> list[Conversation]:
        found: list[Conversation] = []
        cursor: str | None = None
        while True:
            page = await self.api.conversations(_MOST, cursor)
            found += page.conversations
            cursor = page.next_cursor
            if not cursor:
                return found

    def take_line(self, line: Conversation) -> None:
        other_id = line.peer_id or line.group_id or ""
        self.room(other_id, line.conv_type, line.title).take_line(line)

    def room(self, other_id: str, conv_type: ConvType, title: str = "") -> Room:
        """The conversation with a person or in a group, be there anything in it yet or not."""
        room = self.rooms.get(other_id)
        if room is None:
            room = self.rooms[other_id] = Room(other_id=other_id, conv_type=conv_type, title="")
        if conv_type is ConvType.GROUP:
            name = self.groups[other_id].name if other_id in self.groups else title
        else:
            name = self.people.name(other_id) if self.people.knows(other_id) else title
        room.title = clean(name or room.title or other_id)
        return room

    def room_of(self, message: Message) -> Room:
        other = message.to if message.from_ == self.me.user_id else message.from_
        return self.room(str(message.group_id or other), message.conv_type)

    def by_conv(self, conv_id: str) -> Room | None:
        return next((room for room in self.rooms.values() if room.conv_id == conv_id), None)

    def ordered(self) -> list[Room]:
        """Those that the server knows or where something is being said: pinned ones first, then the latest."""
        shown = [room for room in self.rooms.values() if room.conv_id or room.pending or room is self.here]
        return sorted(shown, key=lambda room: (not room.is_pinned, -room.updated_at, room.title))

    async def find_room(self, name: str) -> Room:
        """A conversation by its number in the list, a person by username or a group by name; `NOT_FOUND` otherwise."""
        rooms = self.ordered()
        if name.isdecimal() and 0 < int(name) <= len(rooms):
            return rooms[int(name) - 1]
        try:
            person = await self.people.find(name)
        except GoimError as refusal:
            wanted = (g for g in self.groups.values() if name.lower() == g.name.lower() or name == g.group_id)
            group = next(wanted, None)
            if group is None:
                raise refusal from None
            return self.enter_group(group)
        return self.room(person.user_id, ConvType.C2C)

    def enter_group(self, group: Group) -> Room:
        self.groups[group.group_id] = group
        room = self.room(group.group_id, ConvType.GROUP, group.name)
        room.conv_id = group.conv_id
        return room

    async def load_members(self, room: Room) -> None:
        """Learn who may be mentioned here."""
        if room.other_id in self.groups:
            members = (await self.api.members(room.other_id)).members
            await self.people.learn(member.user_id for member in members)
            room.members = [member.user_id for member in members if member.user_id != self.me.user_id]
