"""The port of those who look after everybody: lists of all there is, and the one act that must not race."""

from __future__ import annotations

from typing import Protocol

from goim.model.groups import Group
from goim.model.overview import Counts, UserFilter
from goim.model.users import User


class Overview(Protocol):
    """Everybody and every group, whoever's they are. Contract as in `base.py`."""

    async def users(self, wanted: UserFilter, after: str, limit: int) -> list[User]:
        """Accounts that the filter lets through (names in any case), with a user_id after `after`, by user_id."""
        ...

    async def groups(self, query: str, after: str, limit: int) -> list[Group]:
        """Groups with `query` as their id or in their name (A to Z in any case), with a group_id after `after`, by
        group_id."""
        ...

    async def counts(self) -> Counts: ...

    async def disable(self, admin_id: str, user_id: str) -> bool:
        """Disable somebody, if `admin_id` is an enabled administrator when it happens.

        False if not, or if there is no such account. Of two who disable each other at once only one succeeds, so that
        one administrator is always left.
        """
        ...
