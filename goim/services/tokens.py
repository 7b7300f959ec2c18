"""Access tokens: signed statements of who somebody is and until when, made and read without asking a database."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

import jwt
import msgspec
from msgspec import Struct

from goim.clock import LATEST_MS
from goim.errors import ErrorCode, GoimError
from goim.ids import new_id
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


def wrong_password() -> GoimError:
    """Whether there is such a user is not told."""
    return GoimError(ErrorCode.BAD_CREDENTIALS, "wrong username or password")


class Signed(Struct, frozen=True):
    """A token and the unix milliseconds of its end."""

    token: str
    expires_at: int

    def __repr__(self) -> str:
        return "Signed(…)"


class _Claims(Struct, kw_only=True):
    """What a node wants to know of a token."""

    sub: str
    sid: str
    exp: float
    did: str | None = None


class _UsualClaims(_Claims, kw_only=True, forbid_unknown_fields=True, rename={"user_id": "userId"}):
    """All that stands in the tokens that `sign` makes, and nothing else."""

    iat: int
    jti: str
    user_id: str


_decode_usual = msgspec.json.Decoder(_UsualClaims).decode


class TokenSigner:
    """Signs with the first secret, believes all: put a new one in front, drop the old one when its tokens are over.

    Tokens of exactly the form that it makes are checked here: a signature and a few claims. What differs in anything
    is left to PyJWT, which takes ten times as long.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        self._keys = {_key_id(secret): secret.encode() for secret in secrets}
        self._key_id = _key_id(secrets[0])
        self._by_header = {
            _encode({}, key_id, key).partition(".")[0]: hmac.new(key, digestmod="sha256")
            for key_id, key in self._keys.items()
        }

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
        token = _encode(claims, self._key_id, self._keys[self._key_id])
        return Signed(token, expires * 1000)

    def read(self, token: str, now_ms: int) -> Login:
        """Whom a token speaks for; `UNAUTHORIZED` if it is not ours or over."""
        if len(token) > _MAX_LENGTH:
            raise unauthorized("the token is not valid")
        try:
            claims = self._read_usual(token) or self._read_any(token)
        except (jwt.PyJWTError, msgspec.MsgspecError, KeyError, TypeError, ValueError):
            raise unauthorized("the token is not valid") from None
        if claims.exp * 1000 <= now_ms:
            raise unauthorized("the token has expired")
        return Login(claims.sub, claims.sid, claims.did, int(min(claims.exp * 1000, LATEST_MS)))

    def _read_usual(self, token: str) -> _Claims | None:
        """What a token says, if it is like those we make and we signed it."""
        said, _, signature = token.rpartition(".")
        header, _, body = said.partition(".")
        keyed = self._by_header.get(header)
        if keyed is None or not token.isascii():
            return None
        sealed = keyed.copy()  # not `hmac.digest`: that lets other threads run, and waits for them
        sealed.update(said.encode())
        wanted = base64.urlsafe_b64encode(sealed.digest()).rstrip(b"=")
        if not hmac.compare_digest(wanted, signature.encode()):
            return None
        try:
            return _decode_usual(base64.urlsafe_b64decode(body + "=="))
        except (binascii.Error, msgspec.MsgspecError):
            return None

    def _read_any(self, token: str) -> _Claims:
        key = self._keys[jwt.get_unverified_header(token).get("kid", "")]
        return msgspec.convert(jwt.decode(token, key, algorithms=[_ALGORITHM], options=_OPTIONS), _Claims)


def _encode(claims: dict[str, Any], key_id: str, key: bytes) -> str:
    return jwt.encode(claims, key, algorithm=_ALGORITHM, headers={"kid": key_id})


def _key_id(secret: str) -> str:
    """Tells secrets apart and says nothing about them."""
    return hmac.new(secret.encode(), b"goim key id", hashlib.sha256).hexdigest()[:8]
