"""What an access token says, and what it takes to be believed."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest

from goim.errors import ErrorCode
from goim.model.users import Login
from goim.services.tokens import TokenSigner
from tests.services.reception import SECRET, refused

NOW = 1_766_000_000_000
LATER = NOW + 3_600_000
OTHER = "another secret of 32 characters!"
LOGIN = Login("alice", "session-1", "phone", LATER)


def test_a_token_says_whose_it_is_until_it_ends() -> None:
    signer = TokenSigner([SECRET])
    signed = signer.sign(LOGIN, NOW, LATER)
    assert signer.read(signed.token, LATER - 1) == LOGIN
    with refused(ErrorCode.UNAUTHORIZED) as error:
        signer.read(signed.token, LATER)
    assert "expired" in error[0].message


def test_a_session_of_no_device_has_a_token_of_no_device() -> None:
    signer = TokenSigner([SECRET])
    login = Login("alice", "session-1", None, LATER)
    signed = signer.sign(login, NOW, LATER)
    assert signer.read(signed.token, NOW) == login
    assert "did" not in jwt.decode(signed.token, options={"verify_signature": False})


def test_the_claims_are_those_of_the_contract() -> None:
    token = TokenSigner([SECRET]).sign(LOGIN, NOW, LATER).token
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_exp": False, "verify_iat": False})
    assert len(claims.pop("jti")) > 8
    assert claims == {
        "sub": "alice",
        "userId": "alice",
        "sid": "session-1",
        "did": "phone",
        "iat": NOW // 1000,
        "exp": LATER // 1000,
    }


def test_the_end_is_told_as_the_token_has_it() -> None:
    signed = TokenSigner([SECRET]).sign(LOGIN, NOW, LATER + 999)
    assert signed.expires_at == LATER


def test_a_new_secret_signs_while_the_old_one_is_still_believed() -> None:
    old = TokenSigner([OTHER]).sign(LOGIN, NOW, LATER).token
    rotated = TokenSigner([SECRET, OTHER])
    assert rotated.read(old, NOW) == LOGIN
    new = rotated.sign(LOGIN, NOW, LATER).token
    with refused(ErrorCode.UNAUTHORIZED):
        TokenSigner([OTHER]).read(new, NOW)
    with refused(ErrorCode.UNAUTHORIZED):
        TokenSigner([SECRET]).read(old, NOW)


def test_the_key_id_is_no_way_to_choose_a_secret() -> None:
    """A token that claims the first secret's key but was signed with the second is nobody's."""
    signer = TokenSigner([SECRET, OTHER])
    key_id = jwt.get_unverified_header(signer.sign(LOGIN, NOW, LATER).token)["kid"]
    claims = {"sub": "alice", "sid": "session-1", "iat": 1, "exp": LATER, "jti": "x"}
    forged = jwt.encode(claims, OTHER, algorithm="HS256", headers={"kid": key_id})
    with refused(ErrorCode.UNAUTHORIZED):
        signer.read(forged, NOW)


def _with_header(changes: dict[str, Any]) -> str:
    head, body, signature = TokenSigner([SECRET]).sign(LOGIN, NOW, LATER).token.split(".")
    header: dict[str, Any] = json.loads(base64.urlsafe_b64decode(head + "=="))
    weak = base64.urlsafe_b64encode(json.dumps(header | changes).encode()).decode().rstrip("=")
    return f"{weak}.{body}.{'' if 'alg' in changes else signature}"


def _with_another_body() -> str:
    one = TokenSigner([SECRET]).sign(LOGIN, NOW, LATER).token.split(".")
    other = TokenSigner([SECRET]).sign(Login("mallory", "s", None), NOW, LATER).token.split(".")
    return ".".join([one[0], other[1], one[2]])


def _without(claim: str) -> str:
    signer = TokenSigner([SECRET])
    key_id = jwt.get_unverified_header(signer.sign(LOGIN, NOW, LATER).token)["kid"]
    claims = {"sub": "alice", "sid": "session-1", "iat": 1, "exp": LATER, "jti": "x"}
    del claims[claim]
    return jwt.encode(claims, SECRET, algorithm="HS256", headers={"kid": key_id})


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        "....",
        "\u00e9\u00e8.\udcff.x",
        "Bearer",
        "e30.e30.e30",
        "x" * 5000,
        _with_header({"kid": ["x"]}),
        _with_header({"alg": "none"}),
        jwt.encode({"sub": "alice", "sid": "s", "iat": 1, "exp": LATER, "jti": "x"}, SECRET),
        _with_another_body(),
        _without("sid"),
        _without("exp"),
        _without("sub"),
    ],
)
def test_what_is_not_ours_is_refused(token: str) -> None:
    with refused(ErrorCode.UNAUTHORIZED) as error:
        TokenSigner([SECRET]).read(token, NOW)
    assert error[0].message == "the token is not valid"


def test_the_control_of_the_refusals_above_is_accepted() -> None:
    signer = TokenSigner([SECRET])
    key_id = jwt.get_unverified_header(signer.sign(LOGIN, NOW, LATER).token)["kid"]
    claims = {"sub": "alice", "sid": "session-1", "iat": 1, "exp": LATER, "jti": "x"}
    assert signer.read(jwt.encode(claims, SECRET, headers={"kid": key_id}), NOW).user_id == "alice"


@pytest.mark.parametrize(
    "more", [{"nbf": LATER}, {"aud": "somebody else"}, {"exp": "tomorrow"}, {"jti": 7}, {"sid": 7}]
)
def test_a_token_of_the_usual_header_that_says_more_or_otherwise_is_not_waved_through(more: dict[str, Any]) -> None:
    signer = TokenSigner([SECRET])
    usual = jwt.decode(signer.sign(LOGIN, NOW, LATER).token, options={"verify_signature": False})
    key_id = jwt.get_unverified_header(signer.sign(LOGIN, NOW, LATER).token)["kid"]
    with refused(ErrorCode.UNAUTHORIZED) as error:
        signer.read(jwt.encode(usual | more, SECRET, headers={"kid": key_id}), NOW)
    assert error[0].message == "the token is not valid"
    assert signer.read(jwt.encode(usual | {"iss": "us"}, SECRET, headers={"kid": key_id}), NOW) == LOGIN


def test_no_token_shows_in_what_is_printed() -> None:
    signed = TokenSigner([SECRET]).sign(LOGIN, NOW, LATER)
    assert signed.token not in repr(signed)
    assert signed.token.split(".")[2] not in f"{signed!s} {signed!r}"
