from __future__ import annotations

import json
from typing import Any

from loadtest.talk import Talk
from loadtest.wire import masked


def _talk(*, hearers: int = 1, window: int = 1, until_heard: bool = False) -> Talk:
    talk = Talk(
        {"convType": "c2c", "to": "bob"}, "x-", "hello", hearers=hearers, window=window, until_heard=until_heard
    )
    talk.is_open = True
    return talk


def _requests(data: bytes) -> list[dict[str, Any]]:
    """The envelopes in masked frames of 126 bytes or more."""
    requests: list[dict[str, Any]] = []
    while data:
        size = int.from_bytes(data[2:4], "big") if data[1] == 0xFE else data[1] & 0x7F
        head = 8 if data[1] == 0xFE else 6
        requests.append(json.loads(masked(data[head : head + size])))
        data = data[head + size :]
    return requests


def _ack(number: int) -> bytes:
    data = {"clientMsgId": f"x-{number:09}", "convId": "c2c:a:b", "seq": number}
    return json.dumps({"action": "ack", "id": f"x-{number:09}", "data": data}, separators=(",", ":")).encode()


def test_the_first_message_goes_alone_and_names_the_person() -> None:
    talk = _talk(window=4)
    (request,) = _requests(talk.next(1.0))
    assert request == {
        "action": "send",
        "id": "x-000000001",
        "data": {
            "convType": "c2c",
            "to": "bob",
            "type": "text",
            "clientMsgId": "x-000000001",
            "payload": {"text": "hello"},
        },
    }
    assert talk.conv_id == ""


def test_after_the_first_ack_the_window_is_filled_with_messages_to_the_conversation() -> None:
    talk = _talk(window=3)
    talk.next(1.0)
    talk.answered(_ack(1))
    requests = _requests(talk.due(2.0))
    assert [request["id"] for request in requests] == ["x-000000002", "x-000000003", "x-000000004"]
    assert requests[0]["data"] == {
        "convId": "c2c:a:b",
        "type": "text",
        "clientMsgId": "x-000000002",
        "payload": {"text": "hello"},
    }
    assert talk.due(2.0) == b""
    talk.answered(_ack(2))
    assert len(_requests(talk.due(3.0))) == 1
    assert list(talk.sent_at) == [1.0, 2.0, 2.0, 2.0, 3.0]


def test_a_refusal_makes_room_too() -> None:
    talk = _talk()
    talk.next(1.0)
    talk.answered(b'{"action":"error","id":"000000001","data":{"code":"UNAVAILABLE","message":"no","action":"send"}}')
    assert len(_requests(talk.due(2.0))) == 1


def test_a_push_makes_no_room() -> None:
    talk = _talk()
    talk.next(1.0)
    talk.answered(b'{"action":"presence","data":{"userId":"bob","online":true,"lastSeen":1}}')
    assert talk.due(2.0) == b""


def test_a_message_to_many_is_under_way_until_all_have_it() -> None:
    talk = _talk(hearers=3, until_heard=True)
    talk.next(1.0)
    talk.answered(_ack(1))
    assert talk.due(2.0) == b""
    assert not talk.heard(2)
    assert talk.due(2.0) == b""
    assert talk.heard(1)
    assert len(_requests(talk.due(2.0))) == 1


def test_a_window_to_many_goes_out_whole_when_all_have_the_last_one() -> None:
    talk = _talk(hearers=2, window=3, until_heard=True)
    talk.next(1.0)
    talk.answered(_ack(1))
    talk.heard(2)
    assert len(_requests(talk.due(2.0))) == 3
    assert not talk.heard(5)
    assert talk.due(3.0) == b""
    assert talk.heard(1)
    assert len(_requests(talk.due(3.0))) == 3


def test_nothing_is_due_once_it_is_closed() -> None:
    talk = _talk()
    talk.is_open = False
    assert talk.due(1.0) == b""
