"""Writes people, pairs and very large groups straight into a database: hundreds of thousands within seconds.

Rows are put as `goimctl storage copy` does, the same way into every database. Nobody can log in: tokens are signed.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from goim.app.storage import open_databases, open_rows
from goim.config import Settings, load
from goim.ids import new_id
from goim.model.conversations import Conversation, c2c, of_group
from goim.model.users import Login
from goim.services.tokens import TokenSigner
from goim.stores.rows import STRUCTURED_SHAPES, RowStore
from loadtest.plan import Person

_AT_ONCE = 2_000
_DAY_MS = 86_400_000
_SHAPES = {shape.name: shape for shape in STRUCTURED_SHAPES}


class Seeder:
    """Puts rows of the structured tables. Names of people begin with `prefix`: a database may be seeded again."""

    def __init__(self, rows: RowStore, signer: TokenSigner, prefix: str) -> None:
        self._rows = rows
        self._signer = signer
        self.prefix = prefix
        self._count = 0
        self._now = time.time_ns() // 1_000_000

    async def strangers(self, count: int) -> list[str]:
        """Accounts that never come: their user ids."""
        user_ids = [self._new_name() for _ in range(count)]
        await self._put("im_users", (self._user(user_id) for user_id in user_ids))
        return user_ids

    async def people(self, count: int) -> list[Person]:
        """Accounts with a session each, to connect with."""
        people = [self._sign(user_id) for user_id in await self.strangers(count)]
        await self._put("im_sessions", (session for _, session in people))
        return [person for person, _ in people]

    async def befriend(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Make people friends, with a conversation of each pair in both lists."""
        pairs = list(pairs)
        both = [*pairs, *((other, one) for one, other in pairs)]
        await self._put("im_friends", ({"user_id": one, "friend_id": other, "remark": ""} for one, other in both))
        convs = [c2c(one, other, created_at=self._now) for one, other in pairs]
        await self._put("im_conversations", (_conversation(conv) for conv in convs))
        await self._put(
            "user_conversations",
            (self._entry(user, conv.conv_id) for conv in convs for user in (conv.user_a, conv.user_b)),
        )

    async def group(self, user_ids: list[str]) -> str:
        """One group of all these; the first is its owner."""
        group_id = new_id()
        group = {"group_id": group_id, "name": "bench", "avatar_url": "", "owner_id": user_ids[0], "muted": 0}
        await self._put("im_groups", [{**group, "join_policy": "open", "member_count": len(user_ids)}])
        conv = of_group(group_id, created_at=self._now)
        await self._put("im_conversations", [_conversation(conv)])
        roles = {user_ids[0]: "owner"}
        await self._put(
            "im_group_members",
            (
                {"group_id": group_id, "user_id": user_id, "role": roles.get(user_id, "member"), "mute_until": 0}
                for user_id in user_ids
            ),
        )
        await self._put("user_conversations", (self._entry(user_id, conv.conv_id) for user_id in user_ids))
        return group_id

    def _new_name(self) -> str:
        self._count += 1
        return f"{self.prefix}{self._count:07}"

    def _user(self, user_id: str) -> dict[str, Any]:
        names = {"username": user_id, "username_key": user_id, "nickname": "", "nickname_key": "", "avatar_url": ""}
        return {"user_id": user_id, **names, "password_hash": "!", "is_admin": 0, "is_disabled": 0}

    def _sign(self, user_id: str) -> tuple[Person, dict[str, Any]]:
        session_id, expires_at = secrets.token_urlsafe(16), self._now + _DAY_MS
        signed = self._signer.sign(Login(user_id, session_id, None), self._now, expires_at)
        session = {"session_id": session_id, "user_id": user_id, "device_id": None, "refresh_hash": "!"}
        return Person(user_id, signed.token), {**session, "expires_at": expires_at}

    def _entry(self, user_id: str, conv_id: str) -> dict[str, Any]:
        line = {"user_id": user_id, "conv_id": conv_id, "pinned": 0, "muted": 0, "draft": ""}
        return {**line, "updated_at": self._now}

    async def _put(self, table: str, rows: Iterable[dict[str, Any]]) -> None:
        shape = _SHAPES[table]
        times = {"created_at": self._now, "joined_at": self._now}
        for chunk in _chunks(rows):
            whole = ({**times, **row} for row in chunk)
            await self._rows.put(shape, [tuple(row[column] for column in shape.columns) for row in whole])


def _conversation(conv: Conversation) -> dict[str, Any]:
    names = {"conv_id": conv.conv_id, "subject": conv.subject, "conv_type": str(conv.conv_type), "conv_key": conv.key}
    return {**names, "user_a": conv.user_a, "user_b": conv.user_b, "group_id": conv.group_id}


def _chunks(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    left = iter(rows)
    while chunk := list(islice(left, _AT_ONCE)):
        yield chunk


def settings_of(environment: Mapping[str, str]) -> Settings:
    """What a server with these variables runs with."""
    return load(None, environment).settings


async def migrated(settings: Settings) -> None:
    """Give the databases of these settings the schema of this version."""
    async with open_databases(settings) as databases:
        for database in databases:
            await database.migrator.up()


@contextlib.asynccontextmanager
async def seeding(settings: Settings, secret: str) -> AsyncIterator[Seeder]:
    """A seeder of the database that these settings name, brought up to this version's schema."""
    await migrated(settings)
    async with open_rows(settings) as (rows, _):
        yield Seeder(rows, TokenSigner([secret]), f"s{secrets.token_hex(3)}-")
