"""People, their sessions and their devices."""

from __future__ import annotations

from msgspec import Struct


class User(Struct, frozen=True, kw_only=True):
    """An account. `username` is unique whatever its case; times are unix milliseconds."""

    user_id: str
    username: str
    nickname: str
    avatar_url: str = ""
    password_hash: str
    is_admin: bool = False
    is_disabled: bool = False
    created_at: int

    def __repr__(self) -> str:
        return f"User(user_id={self.user_id!r}, username={self.username!r}, …)"


class Session(Struct, frozen=True, kw_only=True):
    """One login. `device_id` is None when the login named no device; the refresh token is kept only as a hash."""

    session_id: str
    user_id: str
    device_id: str | None
    refresh_hash: str
    created_at: int
    expires_at: int

    def __repr__(self) -> str:
        return f"Session(session_id={self.session_id!r}, user_id={self.user_id!r}, …)"


class Device(Struct, frozen=True, kw_only=True):
    """What is remembered of a device that has been connected, kept after it has gone."""

    user_id: str
    device_id: str
    session_id: str
    transport: str
    connected_at: int
    last_seen: int


class Friend(Struct, frozen=True, kw_only=True):
    """A friend, or somebody who would like to be: `since` is when the later of the halves was made."""

    user_id: str
    remark: str
    since: int


class Block(Struct, frozen=True, kw_only=True):
    """Somebody I blocked, and since when."""

    user_id: str
    since: int


class Login(Struct, frozen=True):
    """Whom a valid token speaks for, and until when. `device_id` is None when the login named no device."""

    user_id: str
    session_id: str
    device_id: str | None
    token_ends: int | None = None
