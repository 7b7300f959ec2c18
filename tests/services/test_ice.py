"""What clients are told of STUN and TURN servers."""

from __future__ import annotations

import msgspec
import pytest

from goim.config.settings import Webrtc
from goim.errors import ErrorCode
from goim.services.ice import IceServers, turn_credentials
from tests.fake_clock import START_MS, FakeClock
from tests.services.house import refused

TURN = ["turn:turn.test:3478?transport=udp", "turns:turn.test:5349"]


def servers_of(**settings: object) -> object:
    ice = IceServers(Webrtc.model_validate({"stun_servers": ["stun:stun.test"]} | settings), FakeClock())
    return msgspec.to_builtins(ice.of("ann"))


def test_without_turn_there_is_stun() -> None:
    assert servers_of() == [{"urls": ["stun:stun.test"]}]
    assert servers_of(stun_servers=[]) == []


def test_turn_has_the_configured_user_and_password() -> None:
    assert servers_of(turn_servers=TURN, turn_user="me", turn_pass="pass") == [
        {"urls": ["stun:stun.test"]},
        {"urls": TURN, "username": "me", "credential": "pass"},
    ]
    assert servers_of(stun_servers=[], turn_servers=TURN) == [{"urls": TURN}]


def test_with_a_secret_everybody_has_a_password_of_their_own_for_an_hour() -> None:
    expires = START_MS // 1000 + 3600
    username, credential = turn_credentials("secret", "ann", expires)
    assert username == f"{expires}:ann"
    assert servers_of(turn_servers=TURN, turn_secret="secret", turn_user="me", turn_pass="pass") == [
        {"urls": ["stun:stun.test"]},
        {"urls": TURN, "username": username, "credential": credential},
    ]


def test_the_password_is_the_one_that_openssl_makes() -> None:
    # printf %s 1433895918:ninefingers | openssl dgst -sha1 -hmac north -binary | base64
    assert turn_credentials("north", "ninefingers", 1433895918) == (
        "1433895918:ninefingers",
        "jy8hTxmOO7UtEKXqSkSlvakPVYA=",
    )


def test_without_webrtc_there_are_no_servers() -> None:
    with refused(ErrorCode.WEBRTC_DISABLED):
        servers_of(enabled=False)


@pytest.mark.parametrize("name", ["turn_pass", "turn_secret"])
def test_secrets_are_not_shown(name: str) -> None:
    assert "hush" not in repr(Webrtc.model_validate({name: "hush"}))
