"""Lets commands use goim's services at the configured database, whether a server runs there or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import typer

from goim.errors import ErrorCode, GoimError, StoreDown
from goimctl.options import load_settings
from goimctl.output import Failed, say

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from goim.app.office import Office
    from goim.config import Settings
    from goim.model.groups import Group
    from goim.model.users import User

T = TypeVar("T")


def in_office(ctx: typer.Context, work: Callable[[Office], Awaitable[T]]) -> T:
    """Run `work` over the services; a running server learns at the end what it did."""
    import asyncio

    from goim.logs import configure

    settings = load_settings(ctx).settings
    configure("warning", settings.log.format)
    if not settings.server.data_dir.exists():
        say(f"there is no database yet: making one in {settings.server.data_dir.absolute()}")
    return asyncio.run(_run(settings, work))


async def _run(settings: Settings, work: Callable[[Office], Awaitable[T]]) -> T:
    from goim.app.office import open_office

    async with open_office(settings) as office:
        try:
            return await work(office)
        except (GoimError, StoreDown, Failed) as error:
            refusal = error  # raised outside: on its way through the office's task groups it would become a group
    raise refusal


async def find_user(office: Office, who: str) -> User:
    """An account by username or id; says which one there is not."""
    try:
        return await office.services.accounts.find(who)
    except GoimError as error:
        if error.code is ErrorCode.NOT_FOUND:
            raise Failed(f"no such user: {who}", hint="goimctl users list") from None
        raise


async def find_group(office: Office, group_id: str) -> Group:
    """A group by its id; says which one there is not."""
    try:
        return await office.operator.get(group_id)
    except GoimError as error:
        if error.code is ErrorCode.NOT_FOUND:
            raise Failed(f"no such group: {group_id}", hint="goimctl groups list") from None
        raise


async def find_users(office: Office, who: Sequence[str]) -> list[User]:
    return [await find_user(office, one) for one in who]
