"""Accounts: made, proved with a password, changed, found, erased."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

from goim.clock import Clock
from goim.delivery import Delivery
from goim.errors import ErrorCode, GoimError, invalid, not_found
from goim.ids import new_id
from goim.model.profiles import checked_avatar_url, checked_name
from goim.model.users import Login, User
from goim.protocol.pushes import FriendRemoved, UserData
from goim.ratelimit.base import SharedLimiter
from goim.services.access import AccessBook
from goim.services.attempts import Attempts
from goim.services.devices import DeviceBook
from goim.services.event_feed import EventFeed
from goim.services.file_grants import FileGrants
from goim.services.passwords import Passwords
from goim.services.sessions import SessionDesk, Tokens
from goim.services.tokens import wrong_password
from goim.stores.base import Blocks, Friends, Taken, Users

_USERNAME = re.compile(r"[A-Za-z0-9_.\-]{3,32}")
PARTS_AMONG = 10_000
"""So many accounts are read for one search at most, besides those that it finds by the beginning of a name."""
MAX_SEARCH = 64
QUIET_SECONDS = 0.5
"""Much longer than nodes take to hear of the end of a session, and requests to be answered."""

OnErase = Callable[[str], Awaitable[None]]
"""Told the id of an account before it is erased. May be called again for the same one, if something failed later on."""


class PublicUser(Struct, frozen=True, kw_only=True, rename="camel"):
    """What everybody may know of somebody."""

    user_id: str
    username: str
    nickname: str
    avatar_url: str


class Profile(PublicUser, frozen=True, kw_only=True, rename="camel"):
    """What one sees of oneself."""

    created_at: int


class Credentials:
    """Asks for passwords, and not too often in vain: by account and by address."""

    def __init__(self, passwords: Passwords, by_account: SharedLimiter, by_address: SharedLimiter) -> None:
        self._passwords = passwords
        self._by_account = Attempts(by_account)
        self._by_address = Attempts(by_address)

    async def check(self, user: User | None, username: str, password: str, address: str) -> User:
        """The user, if this is their password; else `BAD_CREDENTIALS`, whether there is such a user or not."""
        async with self._by_address.one(address), self._by_account.one(username.lower()):
            is_right = await self._passwords.matches(user.password_hash if user is not None else None, password)
            if user is None or not is_right:
                raise wrong_password()
        return user


class Accounts:
    """Everything about one's own account, and what `goimctl` and administrators may do to others'."""

    def __init__(
        self,
        users: Users,
        friends: Friends,
        blocks: Blocks,
        sessions: SessionDesk,
        devices: DeviceBook,
        access: AccessBook,
        delivery: Delivery,
        passwords: Passwords,
        credentials: Credentials,
        registrations: SharedLimiter,
        clock: Clock,
        grants: FileGrants,
    ) -> None:
        self._users = users
        self._friends = friends
        self._blocks = blocks
        self._sessions = sessions
        self._devices = devices
        self._access = access
        self._delivery = delivery
        self._passwords = passwords
        self._credentials = credentials
        self._registrations = registrations
        self._clock = clock
        self._grants = grants
        self.on_erase: list[OnErase] = []
        self.after_erase: list[OnErase] = []
        """Told once more when it is erased, for what came, or was on its way, while the rest of it was."""
        self.feed: EventFeed | None = None

    # coming in

    async def register(self, username: str, password: str, nickname: str | None, address: str) -> User:
        """Make an account; `USERNAME_TAKEN` whatever its case, `RATE_LIMIT` after too many from one address."""
        wait_ms = await self._registrations.take(address)
        if wait_ms:
            raise GoimError(ErrorCode.RATE_LIMIT, "too many registrations; wait", retry_after_ms=wait_ms)
        return await self.create(username, password, nickname)

    async def create(self, username: str, password: str, nickname: str | None = None) -> User:
        """The same without a limit."""
        if _USERNAME.fullmatch(username) is None:
            raise invalid("a username has 3 to 32 characters of A-Z a-z 0-9 _ . -")
        _check_password(password)
        chosen = username if nickname is None else checked_name("a nickname", nickname)
        if await self._users.by_username(username) is not None:  # the usual case, told without hashing first
            raise _taken()
        user = User(
            user_id=new_id(),
            username=username,
            nickname=chosen,
            password_hash=await self._passwords.hash(password),
            created_at=self._clock.now_ms(),
        )
        try:
            await self._users.add(user)
        except Taken:
            raise _taken() from None
        await self._note("user.created", profile_of(user))
        return user

    async def login(self, username: str, password: str, device_id: str | None, address: str) -> Tokens:
        """Open a session; `BAD_CREDENTIALS`, and after repeated failures `RATE_LIMIT`."""
        user = await self._users.by_username(username) if _USERNAME.fullmatch(username) else None
        user = await self._credentials.check(user, username[:32], password, address)
        if user.is_disabled:
            raise GoimError(ErrorCode.FORBIDDEN, "this account is disabled")
        return await self._sessions.issue(user, device_id)

    # who is who

    async def me(self, user_id: str) -> Profile:
        """One's own profile."""
        return profile_of(await self.get(user_id))

    async def get(self, user_id: str) -> User:
        """An account, or `NOT_FOUND`."""
        user = await self._users.get(user_id) if len(user_id) <= 64 else None
        if user is None:
            raise not_found("user")
        return user

    async def find(self, name_or_id: str) -> User:
        """An account by username or id, or `NOT_FOUND`."""
        return await self._users.by_username(name_or_id) or await self.get(name_or_id)

    async def search(self, query: str, limit: int) -> list[PublicUser]:
        """Enabled accounts whose username or nickname begins with `query`, and those of the latest that contain it."""
        query = query.strip()
        if not 0 < len(query) <= MAX_SEARCH:
            raise invalid(f"q has 1 to {MAX_SEARCH} characters")
        return [public_of(user) for user in await self._users.search(query, limit, PARTS_AMONG)]

    # changing

    async def update_profile(self, user_id: str, nickname: str | None, avatar_url: str | None) -> Profile:
        """Change what is given; None leaves it as it is."""
        changes: dict[str, Any] = {}
        if nickname is not None:
            changes["nickname"] = checked_name("a nickname", nickname)
        if avatar_url is not None:
            changes["avatar_url"] = checked_avatar_url(avatar_url)
            await self._grants.show(user_id, avatar_url)
        profile = profile_of(await self._update(user_id, changes))
        if changes:
            await self._note("user.updated", profile)
        return profile

    async def change_password(self, login: Login, old_password: str, new_password: str, address: str) -> None:
        """Replace the password and end all other sessions."""
        _check_password(new_password)
        proven = (await self._prove(login, old_password, address)).password_hash
        new_hash = await self._passwords.hash(new_password)
        if not await self._users.change_password(login.user_id, proven, new_hash):
            raise wrong_password()  # it was the old one until a moment ago
        await self._sessions.end_others(login)

    async def set_password(self, user_id: str, password: str) -> None:
        """Give somebody a new password; all their sessions end."""
        _check_password(password)
        await self._update(user_id, {"password_hash": await self._passwords.hash(password)})
        await self._sessions.end_all(user_id)

    async def disable(self, user_id: str) -> None:
        """Close an account without erasing it: no login, no session."""
        user = await self._update(user_id, {"is_disabled": True})
        await self._sessions.end_all(user_id)
        await self._note("user.disabled", public_of(user))

    async def enable(self, user_id: str) -> None:
        await self._note("user.enabled", public_of(await self._update(user_id, {"is_disabled": False})))

    async def make_admin(self, user_id: str, *, is_admin: bool = True) -> None:
        await self._update(user_id, {"is_admin": is_admin})

    async def _update(self, user_id: str, changes: dict[str, Any]) -> User:
        user = await self._users.update(user_id, changes) if changes else await self._users.get(user_id)
        if user is None:
            raise not_found("user")
        return user

    async def _prove(self, login: Login, password: str, address: str) -> User:
        user = await self.get(login.user_id)
        return await self._credentials.check(user, user.username, password, address)

    # going

    async def erase_own(self, login: Login, password: str, address: str) -> None:
        """Erase the caller's account, if this is its password. If it fails half-way, they may log in and try again."""
        await self._prove(login, password, address)
        await self._erase(login.user_id)

    async def erase(self, user_id: str) -> None:
        """Erase an account and everything of it. If it fails half-way, it is there to try again, and disabled."""
        await self._update(user_id, {"is_disabled": True})
        await self._erase(user_id)

    async def _erase(self, user_id: str) -> None:
        await self._quiet(user_id)
        friends = await self._friends.friend_ids(user_id)
        related = {*friends, *await self._blocks.ids_around(user_id)}
        for forget in self.on_erase:
            await forget(user_id)
        await self._sessions.end_all(user_id)
        self._devices.forget_user(user_id)
        await self._users.erase(user_id)
        for other_id in sorted(related):
            await self._access.relation_changed(user_id, other_id)
        self._delivery.to_users(friends, FriendRemoved(UserData(user_id)))
        await self._note("user.erased", UserData(user_id))
        for forget in self.after_erase:  # last: there is no account any more to try it again with
            await forget(user_id)

    async def _quiet(self, user_id: str) -> None:
        """End every session. Who is connected, to whatever node, is given the time to be cut off and what they asked
        for to be done: what came after it was looked for would stay."""
        is_online = any(device.online for device in await self._devices.of_user(user_id))
        await self._sessions.end_all(user_id)
        if is_online:
            await self._clock.sleep(QUIET_SECONDS)

    async def _note(self, event_type: str, data: Struct) -> None:
        """Have it in the outbox, where there is one, before it is answered."""
        if self.feed is not None:
            self.feed.note(event_type, data)
            await self.feed.noted()


def public_of(user: User) -> PublicUser:
    """What everybody may know."""
    return PublicUser(user_id=user.user_id, username=user.username, nickname=user.nickname, avatar_url=user.avatar_url)


def profile_of(user: User) -> Profile:
    """What one sees of oneself."""
    return Profile(
        user_id=user.user_id,
        username=user.username,
        nickname=user.nickname,
        avatar_url=user.avatar_url,
        created_at=user.created_at,
    )


def _taken() -> GoimError:
    return GoimError(ErrorCode.USERNAME_TAKEN, "this username is taken")


def _check_password(password: str) -> None:
    if not 8 <= len(password) <= 128:
        raise invalid("a password has 8 to 128 characters")
