"""Who the client is: logs in, and gets a new token when the old one has run out."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from goim.client.errors import SessionOver
from goim.client.http import REFRESH, Http
from goim.errors import ErrorCode, GoimError


class LoggedIn(Struct, frozen=True, rename="camel"):
    """What a login answers. Keep `refresh_token` to go on without a password; it is good for one use."""

    token: str
    user_id: str
    refresh_token: str
    expires_at: int = 0


class Me(Struct, frozen=True, rename="camel"):
    user_id: str
    username: str


class Login:
    """With a password, a refresh token or only a token, whichever is there; a lost answer costs nobody the session
    who has the password."""

    def __init__(
        self, http: Http, *, username: str, password: str, token: str, refresh_token: str, device_id: str
    ) -> None:
        self.user_id = ""
        self.username = username
        self.refresh_token = refresh_token
        self._http = http
        self._password = password
        self._device_id = device_id
        self._renewing = asyncio.Lock()
        http.token = token

    async def begin(self) -> None:
        """Be logged in; `GoimError` if the server does not let us."""
        if self._password:
            await self._log_in()
        elif not self._http.token and not await self.refresh(""):
            raise GoimError(ErrorCode.UNAUTHORIZED, "the session has ended: log in again")
        self._http.renew = self.renew
        me = await self._http.get("/api/users/me", Me)
        self.user_id, self.username = me.user_id, me.username

    async def renew(self, spent: str) -> bool:
        """Whether there is another token than `spent` now."""
        async with self._renewing:
            if self._http.token != spent or await self._refresh():
                return True
            if not self._password:
                return False
            try:
                await self._log_in()
            except GoimError as error:
                if error.code in (ErrorCode.BAD_CREDENTIALS, ErrorCode.FORBIDDEN, ErrorCode.UNAUTHORIZED):
                    return False
                raise
            return True

    async def refresh(self, spent: str) -> bool:
        """As `renew`, by the refresh token alone; False if the session has ended."""
        async with self._renewing:
            return self._http.token != spent or await self._refresh()

    async def _refresh(self) -> bool:
        """Spend the refresh token, if there is one. Without an answer it is kept: it may not have got there."""
        if not self.refresh_token:
            return False
        try:
            self._keep(await self._http.post(REFRESH, LoggedIn, {"refreshToken": self.refresh_token}))
        except GoimError as error:
            if error.code is not ErrorCode.UNAUTHORIZED:
                raise
            self.refresh_token = ""
            return False
        return True

    async def _log_in(self) -> None:
        body = {"username": self.username, "password": self._password}
        device = {"deviceId": self._device_id} if self._device_id else {}
        self._keep(await self._http.post("/api/login", LoggedIn, body | device))

    @property
    def token(self) -> str:
        return self._http.token

    def _keep(self, answer: LoggedIn) -> None:
        self._http.token = answer.token
        self.refresh_token = answer.refresh_token

    async def must_renew(self, spent: str) -> None:
        """As `renew`, for those who cannot go on without."""
        if not await self.renew(spent):
            raise SessionOver("the session has ended: log in again", 401)
