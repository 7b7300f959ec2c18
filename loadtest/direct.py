"""Writes the people of a run through goim's own stores before the server starts: thousands within seconds."""

from __future__ import annotations

import asyncio
import secrets
import time
from pathlib import Path

from pydantic import SecretStr

from goim.app import Stores, open_stores
from goim.config import Settings
from goim.config.settings import Mysql, Server
from goim.ids import new_id
from goim.model.groups import Group, Member, Role
from goim.model.users import Login, Session, User
from goim.services.tokens import TokenSigner
from loadtest.plan import Person
from loadtest.population import Population, Wanted

_DAY_MS = 86_400_000


def populate_directly(data_dir: Path, secret: str, wanted: Wanted, dsn: str = "") -> Population:
    """Make what is wanted in the embedded database, or in that of the DSN; the tokens are good for a server with this
    secret."""
    settings = Settings(server=Server(data_dir=data_dir), mysql=Mysql(dsn=SecretStr(dsn)))
    return asyncio.run(_populate(settings, TokenSigner([secret]), wanted))


async def _populate(settings: Settings, signer: TokenSigner, wanted: Wanted) -> Population:
    now = time.time_ns() // 1_000_000
    async with open_stores(settings) as stores:
        people = [await _join(stores, signer, number, now) for number in range(wanted.people)]
        if wanted.are_pairs:
            for one, other in zip(people[::2], people[1::2], strict=True):
                await stores.friends.add_half(one.user_id, other.user_id, None, now)
                await stores.friends.add_half(other.user_id, one.user_id, None, now)
        group_id = await _gather(stores, people, now) if wanted.are_group else ""
    return Population(people=people, group_id=group_id)


async def _join(stores: Stores, signer: TokenSigner, number: int, now: int) -> Person:
    """An account that nobody can log in to, and a session of it."""
    user = User(user_id=new_id(), username=f"bench-{number}", nickname="", password_hash="!", created_at=now)  # noqa: S106
    session = Session(
        session_id=secrets.token_urlsafe(16),
        user_id=user.user_id,
        device_id=None,
        refresh_hash="!",
        created_at=now,
        expires_at=now + _DAY_MS,
    )
    await stores.users.add(user)
    await stores.sessions.add(session)
    signed = signer.sign(Login(user.user_id, session.session_id, None), now, session.expires_at)
    return Person(user.user_id, signed.token)


async def _gather(stores: Stores, people: list[Person], now: int) -> str:
    """One group of all; the first is its owner."""
    group = Group(group_id=new_id(), name="bench", owner_id=people[0].user_id, created_at=now)
    roles = [Role.OWNER] + [Role.MEMBER] * (len(people) - 1)
    members = [
        Member(group_id=group.group_id, user_id=person.user_id, role=role, joined_at=now)
        for person, role in zip(people, roles, strict=True)
    ]
    await stores.groups.create(group, members)
    return group.group_id
