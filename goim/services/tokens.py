"""Access tokens: signed statements of who somebody is and until when, made and read without asking a database."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

import jwt
from msgspec import Struct

from goim.errors import ErrorCode, GoimError
from goim.ids import new_id
from goim.lru import Recent
from goim.model.users import Login

_ALGORITHM = "HS256"
_MAX_LENGTH = 4096
_OPTIONS: Any = {
    "require": ["sub", "sid", "iat", "exp", "jti"],
    "verify_exp": False,  # checked here, by the node's own clock
    "verify_iat": False,  # nodes' clocks differ a little
}


def unauthorized(why: str) -> GoimError:
    return GoimError(ErrorCode.UNAUTHORIZED, why)


class Signed(Struct, frozen=True):
    """A token and the unix milliseconds of its end."""

    token: str
    expires_at: int

    def __repr__(self) -> str:
        return "Signed(…)"


class TokenSigner:
    """Signs with the first secret, believes all: put a new one in front, drop the old one when its tokens are over."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._keys = {_key_id(secret): secret.encode() for secret in secrets}
        self._key_id = _key_id(secrets[0])
        self._by_header: Recent[str, bytes] = Recent(16)

    def sign(self, login: Login, now_ms: int, expires_ms: int) -> Signed:
        """A token for a session, good for whole seconds."""
        expires = expires_ms // 1000
        claims = {
            "sub": login.user_id,
            "userId": login.user_id,
            "sid": login.session_id,
            "iat": now_ms // 1000,
            "exp": expires,
            "jti": new_id(),
        }
        if login.device_id is not None:
            claims["did"] = login.device_id
        token = jwt.encode(claims, self._keys[self._key_id], algorithm=_ALGORITHM, headers={"kid": self._key_id})
        return Signed(token, expires * 1000)

    def read(self, token: str, now_ms: int) -> Login:
        """Whom a token speaks for; `UNAUTHORIZED` if it is not ours or over."""
        if len(token) > _MAX_LENGTH:
            raise unauthorized("the token is not valid")
        try:
            claims = jwt.decode(token, self._key_of(token), algorithms=[_ALGORITHM], options=_OPTIONS)
        except (jwt.PyJWTError, KeyError, TypeError, ValueError):
            raise unauthorized("the token is not valid") from None
        if claims["exp"] * 1000 <= now_ms:
            raise unauthorized("the token has expired")
        return Login(claims["sub"], claims["sid"], claims.get("did"))

    def _key_of(self, token: str) -> bytes:
        """The secret that a token's header names. Our headers are all alike: reading one costs a third of a check."""
        header = token.partition(".")[0]
        key = self._by_header.get(header)
        if key is None:
            key = self._keys[jwt.get_unverified_header(token).get("kid", "")]
            self._by_header.put(header, key)
        return key


def _key_id(secret: str) -> str:
    """Tells secrets apart and says nothing about them."""
    return hmac.new(secret.encode(), b"goim key id", hashlib.sha256).hexdigest()[:8]
