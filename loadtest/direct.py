"""Writes the people of a run through goim's own stores before its server starts: thousands within seconds."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping

from goim.app.storage import Stores, open_stores
from goim.config import Settings, load
from goim.ids import new_id
from goim.model.groups import Group, Member, Role
from goim.model.users import Login, Session, User
from goim.services.passwords import Passwords
from goim.services.tokens import TokenSigner
from loadtest.plan import Person
from loadtest.population import Population, Wanted

_DAY_MS = 86_400_000


def populate_directly(environ: Mapping[str, str], wanted: Wanted) -> Population:
    """Make what is wanted in the databases of a server with these settings, and tokens that it takes."""
    return asyncio.run(_populate(load(None, environ).settings, wanted))


async def _populate(settings: Settings, wanted: Wanted) -> Population:
    now = time.time_ns() // 1_000_000
    password = secrets.token_urlsafe(16)
    async with Passwords() as passwords:
        password_hash = await passwords.hash(password)  # one for all: hashing thousands would take minutes
    signer = TokenSigner([settings.auth.jwt_secret.get_secret_value()])
    prefix = f"bench-{secrets.token_hex(3)}-"
    async with open_stores(settings) as stores:
        people = [
            await _join(stores, signer, f"{prefix}{number}", password, password_hash, now)
            for number in range(wanted.people)
        ]
        if wanted.are_pairs:
            for one, other in zip(people[::2], people[1::2], strict=True):
                await stores.friends.add_half(one.user_id, other.user_id, None, now)
                await stores.friends.add_half(other.user_id, one.user_id, None, now)
        groups = [await _gather(stores, [people[index] for index in members], now) for members in wanted.groups]
    return Population(people=people, group_ids=groups)


async def _join(
    stores: Stores, signer: TokenSigner, username: str, password: str, password_hash: str, now: int
) -> Person:
    """An account and a session of it."""
    user = User(user_id=new_id(), username=username, nickname=username, password_hash=password_hash, created_at=now)
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
    return Person(user.user_id, signed.token, username, password)


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
