"""Who may look after everybody, and what they did. `goimctl` says who is an administrator, nothing else does."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import structlog

from goim.errors import ErrorCode, GoimError
from goim.stores.base import Users

_log = structlog.get_logger(__name__)


class Administrators:
    """Asks who is one, and writes down what each of them does."""

    def __init__(self, users: Users) -> None:
        self._users = users

    async def check(self, user_id: str) -> None:
        """`FORBIDDEN` for everybody but enabled administrators.

        Asked of the database each time, so what `goimctl` gives and takes away counts from the next request on.
        """
        user = await self._users.get(user_id)
        if user is None or not user.is_admin or user.is_disabled:
            raise not_an_admin()

    @contextlib.contextmanager
    def act(self, admin_id: str, act: str, **whom: object) -> Iterator[None]:
        """Log who did what to whom, when it is done or has failed. Secrets never come in here."""
        try:
            yield
        except BaseException as error:
            why = error.code.value if isinstance(error, GoimError) else type(error).__name__
            _log.warning("admin_act_failed", admin_id=admin_id, act=act, **whom, error=why)
            raise
        _log.info("admin_act", admin_id=admin_id, act=act, **whom)


def not_an_admin() -> GoimError:
    return GoimError(ErrorCode.FORBIDDEN, "only for administrators")
