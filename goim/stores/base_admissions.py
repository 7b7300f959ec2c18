"""The ports of what a group keeps besides its members: who may come in, who wants to, and what it was told."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from goim.model.groups import GroupNotice, Invitation, JoinRequest


class Admissions(Protocol):
    """Invitations into groups and requests to join them. Contract as in `base.py`.

    Who gets into a group or out of it, whichever way, is no longer invited and asks no longer; with a group or an
    account what is here of it goes too.
    """

    async def invite(self, group_id: str, user_ids: Collection[str], by: str, at: int) -> list[str]:
        """Invite people and return who was not invited before; the others keep their first invitation."""
        ...

    async def is_invited(self, group_id: str, user_id: str) -> bool: ...

    async def invitations(self, user_id: str, limit: int, offset: int) -> list[Invitation]:
        """Where somebody is invited, earliest first."""
        ...

    async def ask(self, group_id: str, user_id: str, at: int) -> bool:
        """Ask to be let in; False if that was asked before."""
        ...

    async def asking(self, group_id: str, user_ids: Collection[str]) -> set[str]:
        """Which of these ask to be let in."""
        ...

    async def requests(self, group_id: str, limit: int, offset: int) -> list[JoinRequest]:
        """Who asks to be let in, earliest first."""
        ...

    async def settle(self, group_id: str, user_ids: Collection[str]) -> None:
        """These are invited no longer and ask no longer."""
        ...

    async def deciders(self, group_id: str) -> list[str]:
        """Who decides on requests: owner and admins."""
        ...


class NoticeBoard(Protocol):
    """What the members of groups should know."""

    async def add(self, notice: GroupNotice) -> None: ...

    async def page(self, group_id: str, limit: int, offset: int) -> list[GroupNotice]:
        """The notices of a group, latest first."""
        ...
