"""What administrators look at: everybody and every group, narrowed down and counted."""

from __future__ import annotations

from msgspec import Struct


class UserFilter(Struct, frozen=True, kw_only=True):
    """Which accounts: with `query` as their id or in username or nickname; only administrators; only disabled ones."""

    query: str = ""
    admins: bool = False
    disabled: bool = False


class Counts(Struct, frozen=True, kw_only=True):
    """How many there are. `admins` and `disabled` are among `users`."""

    users: int
    admins: int
    disabled: int
    groups: int
