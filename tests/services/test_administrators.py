"""Who is an administrator: what the database says at this moment, whatever session they come with."""

from __future__ import annotations

import pytest

from goim.errors import ErrorCode
from goim.model.users import User
from goim.services.administrators import Administrators
from goim.stores.memory_accounts import MemoryUsers
from goim.stores.memory_data import MemoryData
from tests.services.reception import refused


@pytest.mark.parametrize(("is_admin", "is_disabled"), [(False, False), (True, True), (False, True)])
async def test_only_enabled_administrators_are(is_admin: bool, is_disabled: bool) -> None:
    users = MemoryUsers(MemoryData())
    root = User(user_id="root", username="root", nickname="", password_hash="…", is_admin=True, created_at=0)
    await users.add(root)
    admins = Administrators(users)
    await admins.check("root")
    await users.update("root", {"is_admin": is_admin, "is_disabled": is_disabled})
    with refused(ErrorCode.FORBIDDEN):
        await admins.check("root")
    with refused(ErrorCode.FORBIDDEN):
        await admins.check("nobody")
