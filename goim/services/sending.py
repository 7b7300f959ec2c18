"""A message on its way: what was asked, who wants to know, and what becomes of it for the log and for the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import UNSET, Struct

from goim.clock import LATEST_MS
from goim.errors import ErrorCode, GoimError, invalid
from goim.ids import new_id
from goim.model.conversations import Conversation, ConvType
from goim.model.messages import Draft, Extras, Message, Sent, encode_extras, with_extras
from goim.protocol.replies import SentData
from goim.protocol.requests import SendData
from goim.ratelimit.base import RateLimiter
from goim.services.access import Access

_PLAIN = frozenset({"text", "card", "location", "custom"})  # the others may refer to files
NOWHERE = Conversation(conv_id="", conv_type=ConvType.C2C, key="", created_at=0)
Done = Callable[[SentData | GoimError], None]


class Sender(Protocol):
    """Who sends or acts: a connection, or a session over HTTP. It is not pushed its own message or act."""

    @property
    def user_id(self) -> str: ...
    @property
    def device_id(self) -> str: ...


def check_pace(limiter: RateLimiter, actor: Sender, what: str) -> None:
    """Take one of what a device may do now; `RATE_LIMIT` with how long to wait if there is none."""
    wait_ms = limiter.take((actor.user_id, actor.device_id))
    if wait_ms:
        raise GoimError(ErrorCode.RATE_LIMIT, f"too many {what}; wait a moment", retry_after_ms=wait_ms)


class System(Struct, frozen=True):
    """goim itself, writing in somebody's name: no connection, so all of theirs are pushed the message."""

    user_id: str
    device_id: str = ""


class Sending(Draft, kw_only=True):
    """What the log is given, what was asked, and who wants to know what becomes of it.

    `conv` is `NOWHERE` until it is known where it may go; what was looked up for it is its `access`. `arrived`: seconds
    of `perf_counter`. `is_ready`: nothing has to be asked or noted before it is stored.
    `is_replaced`: something else is stored than was asked for.
    """

    sender: Sender
    data: SendData
    done: Done
    arrived: float
    wanted: Extras | None = None
    is_ready: bool = True
    access: Access | None = None
    is_system: bool = False
    is_replaced: bool = False

    @property
    def ends_at(self) -> int | None:
        """Until when it gives a right to its files. What burns once read is not to last either, so that ends, too: at
        the end of all times, if nobody reads it."""
        burns = self.wanted is not None and self.wanted.burn_after_read is True
        return LATEST_MS if burns and self.expire_at is None else self.expire_at


def is_plain(data: SendData) -> bool:
    """Whether a message asks for nothing but to be stored and told."""
    return data.type in _PLAIN and not (
        data.reply_to or data.mentions or data.burn_after_read or data.expire_at_ms is not None
    )


def client_msg_id_of(data: SendData) -> str:
    """The name that the client gave the message, or a new one."""
    client_msg_id = data.client_msg_id
    if not client_msg_id:
        return new_id()
    if len(client_msg_id) > 128:
        raise invalid("clientMsgId has at most 128 characters")
    return client_msg_id


def ask_for_extras(sending: Sending) -> None:
    """Note the rarer properties that the sender asked for."""
    data = sending.data
    if not (data.reply_to or data.mentions or data.burn_after_read or data.type == "stream"):
        return
    sending.wanted = Extras(
        reply_to=data.reply_to or UNSET,
        mentions=list(dict.fromkeys(data.mentions)) if data.mentions else UNSET,
        burn_after_read=data.burn_after_read or UNSET,
        stream_status="streaming" if data.type == "stream" else UNSET,
        stream_index=0 if data.type == "stream" else UNSET,
    )
    sending.extras = encode_extras(sending.wanted)


def message_sent(sending: Sending, place: Sent, server_msg_id: str) -> Message:
    """What the others are shown; the payload leaves as it came."""
    conv, sender = sending.conv, sending.from_user_id
    is_c2c = conv.group_id == ""
    message = Message(
        server_msg_id=server_msg_id,
        client_msg_id=sending.client_msg_id,
        conv_id=conv.conv_id,
        conv_type=conv.conv_type,
        from_=sender,
        to=(conv.user_b if sender == conv.user_a else conv.user_a) if is_c2c else UNSET,
        group_id=UNSET if is_c2c else conv.group_id,
        seq=place.seq,
        timestamp=place.timestamp,
        type=sending.type,
        payload=sending.data.payload,
        recalled=False,
        expire_at=UNSET if sending.expire_at is None else sending.expire_at,
    )
    return message if sending.wanted is None else with_extras(message, sending.wanted)
