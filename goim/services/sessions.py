"""Logins: tokens that are checked in microseconds and yet end at once, on every node, when their session does."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Collection, Sequence

import structlog
from msgspec import Struct
from msgspec.structs import replace

from goim.clock import Clock
from goim.delivery import Delivery
from goim.errors import invalid
from goim.lookups import Lookups
from goim.lru import Recent
from goim.model.users import Login, Session, User
from goim.notices import Interrupted, Notices, SessionsEnded
from goim.protocol.close_codes import CloseCode
from goim.services.tokens import TokenSigner, unauthorized, wrong_password
from goim.stores.base import Sessions, Users
from goim.tasks import beside, repeat

MAX_DEVICE_ID = 64
MAX_SESSIONS = 200
CHECK_SECONDS = 60.0
_REMEMBERED = 100_000
_log = structlog.get_logger(__name__)


class Tokens(Struct, frozen=True, kw_only=True, rename="camel"):
    """What a login gives: an access token until `expiresAt`, and a refresh token that gives the next ones, once."""

    token: str
    user_id: str
    expires_at: int
    refresh_token: str

    def __repr__(self) -> str:
        return f"Tokens(user_id={self.user_id!r}, …)"


class SessionDesk:
    """Opens, checks, renews and ends sessions.

    A session that was found alive is believed for a minute, unless a notice says that it ended: the minute is for what
    no notice tells, another process at the same database.
    """

    def __init__(
        self,
        sessions: Sessions,
        users: Users,
        delivery: Delivery,
        notices: Notices,
        clock: Clock,
        *,
        secrets: Sequence[str],
        token_ttl: float,
        refresh_ttl: float,
    ) -> None:
        self._sessions = sessions
        self._living: Lookups[str, Session] = Lookups(sessions.living)
        self._users = users
        self._delivery = delivery
        self._notices = notices
        self._clock = clock
        self._signer = TokenSigner(secrets)
        self._token_ms = int(token_ttl * 1000)
        self._refresh_ms = int(refresh_ttl * 1000)
        self._checked: Recent[str, float] = Recent(_REMEMBERED)
        self._ended: Recent[str, bool] = Recent(_REMEMBERED)
        notices.on(SessionsEnded, self._forget)
        notices.on(Interrupted, lambda _: self._checked.clear())

    # opening

    async def issue(self, user: User, device_id: str | None) -> Tokens:
        """Open a session. With `device_id` it is that device's, and ends an earlier one of that device."""
        if device_id is not None and not 0 < len(device_id) <= MAX_DEVICE_ID:
            raise invalid(f"deviceId has 1 to {MAX_DEVICE_ID} characters")
        now = self._clock.now_ms()
        session_id = secrets.token_urlsafe(16)
        refresh_token = _new_refresh_token(session_id)
        session = Session(
            session_id=session_id,
            user_id=user.user_id,
            device_id=device_id,
            refresh_hash=_hash(refresh_token),
            created_at=now,
            expires_at=now + self._refresh_ms,
        )
        earlier = await self._sessions.of_user(user.user_id)
        await self._sessions.add(session)
        await self.end(_replaced(earlier, session) | await self._outrun(earlier, session))
        # Asked only now: whoever disables or erases the account, or changes its password, first says so and then ends
        # the sessions there are.
        await self._check_user(session, proven=user.password_hash)
        self._believe(session_id)
        return self._tokens(session, refresh_token)

    async def _outrun(self, earlier: list[Session], new: Session) -> set[str]:
        """Of several logins of one device at once, all but one: every one of them picks the same to live."""
        if new.device_id is None:
            return set()
        known = {session.session_id for session in earlier}
        now_there = await self._sessions.of_user(new.user_id)
        rivals = [s for s in now_there if s.device_id == new.device_id and s.session_id not in known]
        return {session.session_id for session in sorted(rivals, key=_age)[:-1]}

    def _tokens(self, session: Session, refresh_token: str) -> Tokens:
        now = self._clock.now_ms()
        login = Login(session.user_id, session.session_id, session.device_id)
        signed = self._signer.sign(login, now, min(now + self._token_ms, session.expires_at))
        return Tokens(
            token=signed.token, user_id=session.user_id, expires_at=signed.expires_at, refresh_token=refresh_token
        )

    # checking

    async def verify(self, token: str) -> Login:
        """Whom a token speaks for; `UNAUTHORIZED` if it is not ours or over, its session ended or its user may not.

        A session that was checked within the last minute costs no query.
        """
        now = self._clock.now_ms()
        login = self._signer.read(token, now)
        if self._ended.get(login.session_id):
            raise unauthorized("the session has ended")
        checked = self._checked.get(login.session_id)
        if checked is not None and self._clock.monotonic() - checked < CHECK_SECONDS:
            return login
        session = await self._living.of(login.session_id)
        if session is None:
            await self._end_closed(login.session_id)
        elif session.user_id == login.user_id and session.expires_at > now and self._believe(login.session_id):
            return login
        raise unauthorized("the session has ended")

    async def _end_closed(self, session_id: str) -> None:
        """A session that is there all the same, of an account that is closed, is one of a crash's leavings."""
        session = await self._sessions.get(session_id)
        if session is not None:
            await self._check_user(session)

    async def _check_user(self, session: Session, *, proven: str | None = None) -> None:
        """End a session of an account that is closed, or (`proven`: its hash) of a password that it has no more."""
        user = await self._users.get(session.user_id)
        if user is None or user.is_disabled:
            await self.end({session.session_id})
            raise unauthorized("this account is closed")
        if proven not in (None, user.password_hash):
            await self.end({session.session_id})
            raise wrong_password()

    def _believe(self, session_id: str) -> bool:
        """Remember that a session lives, unless it ended while the database was asked."""
        if self._ended.get(session_id):
            return False
        self._checked.put(session_id, self._clock.monotonic())
        return True

    def _forget(self, notice: SessionsEnded) -> None:
        for session_id in notice.session_ids:
            self._checked.drop(session_id)
            self._ended.put(session_id, True)

    # renewing

    async def refresh(self, refresh_token: str) -> Tokens:
        """New tokens for a refresh token, which that spends. A spent one means that somebody has a copy: all ends."""
        session_id = refresh_token.partition(".")[0]
        session = await self._sessions.get(session_id) if len(refresh_token) <= 128 else None
        now = self._clock.now_ms()
        if session is None or session.expires_at <= now:
            raise unauthorized("the refresh token is not valid")
        fresh = _new_refresh_token(session_id)
        expires_at = now + self._refresh_ms
        if not await self._sessions.rotate(session_id, _hash(refresh_token), _hash(fresh), expires_at):
            _log.warning("refresh_token_reused", user_id=session.user_id)
            await self.end({session_id})
            raise unauthorized("the refresh token was spent before; log in again")
        await self._check_user(session)
        self._believe(session_id)
        return self._tokens(replace(session, expires_at=expires_at), fresh)

    # ending

    async def logout(self, login: Login) -> None:
        """End the caller's session: its tokens stop working and its sockets close."""
        await self.end({login.session_id})

    async def of_user(self, user_id: str) -> list[Session]:
        """The user's sessions that are not over, earliest first."""
        now = self._clock.now_ms()
        return [session for session in await self._sessions.of_user(user_id) if session.expires_at > now]

    async def end(self, session_ids: Collection[str], code: CloseCode = CloseCode.SESSION_ENDED) -> None:
        """End these sessions and close their sockets with `code`."""
        if session_ids:
            await self._sessions.end(session_ids)
            self._notices.emit(SessionsEnded(sorted(session_ids), code))

    async def end_others(self, login: Login) -> None:
        """End every session of the caller but this one."""
        mine = await self._sessions.of_user(login.user_id)
        await self.end({session.session_id for session in mine} - {login.session_id})

    async def end_all(self, user_id: str) -> None:
        """End every session of a user."""
        await self.end({session.session_id for session in await self._sessions.of_user(user_id)})

    # what no notice tells

    def running(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Once a minute (and as often as tokens end), look for connections that have outlived what they stand on."""
        period = min(CHECK_SECONDS, self._token_ms / 1000)
        return beside(repeat(self._clock, period, self.sweep, "sessions_not_checked"))

    async def sweep(self) -> None:
        """Close the connections whose token is over, or whose session has ended behind our back."""
        self._close_spent()
        connected = {sink.session_id for sink in self._delivery.everybody()}
        gone = connected - (await self._sessions.living(connected)).keys()
        if gone:
            self._notices.emit(SessionsEnded(sorted(gone), CloseCode.SESSION_ENDED))

    def _close_spent(self) -> None:
        """Their session lives: whoever has refreshed its token connects again with the new one."""
        now = self._clock.now_ms()
        for sink in [sink for sink in self._delivery.everybody() if sink.token_ends and sink.token_ends <= now]:
            self._delivery.detach(sink)
            sink.close(CloseCode.SESSION_ENDED)


def _age(session: Session) -> tuple[int, str]:
    return session.created_at, session.session_id


def _replaced(earlier: list[Session], new: Session) -> set[str]:
    """What a new session takes the place of: its device's, those that have expired, the oldest of too many."""
    over = {
        session.session_id
        for session in earlier
        if session.expires_at <= new.created_at
        or (session.device_id is not None and session.device_id == new.device_id)
    }
    rest = [session.session_id for session in sorted(earlier, key=_age) if session.session_id not in over]
    return over | set(rest[: max(0, len(rest) + 1 - MAX_SESSIONS)])


def _new_refresh_token(session_id: str) -> str:
    return f"{session_id}.{secrets.token_urlsafe(32)}"


def _hash(refresh_token: str) -> str:
    """Kept instead of the token. It is long and random, so one round of SHA-256 is enough."""
    return hashlib.sha256(refresh_token.encode()).hexdigest()
