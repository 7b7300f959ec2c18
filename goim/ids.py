"""Makes the opaque ids of the wire: short, sortable by time of birth, free of characters that mean something."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, lower case: sorts as the numbers sort
_RANDOM_BITS = 28
_EPOCH_MS = 1_577_836_800_000  # 2020-01-01
_LENGTH = 14


def new_id() -> str:
    """14 characters: 42 bits of milliseconds since 2020, then 28 random bits. Not a secret."""
    number = ((time.time_ns() // 1_000_000 - _EPOCH_MS) << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS)
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(5 * (_LENGTH - 1), -1, -5))


def conversation_key(conv_id: str) -> str:
    """16 characters that stand for a conversation in the ids of its messages (80 bits of SHA-256)."""
    return base64.b32encode(hashlib.sha256(conv_id.encode()).digest()[:10]).decode().lower()


def message_id(key: str, seq: int) -> str:
    """The `serverMsgId` of message `seq` of the conversation whose key is `key`."""
    return f"{key}-{seq}"


def seq_of(key: str, server_msg_id: str) -> int | None:
    """The seq inside a `serverMsgId`, or None if it is not a message id of this conversation."""
    prefix, _, number = server_msg_id.partition("-")
    if prefix != key or not number.isascii() or not number.isdigit() or len(number) > 18:
        return None
    seq = int(number)
    return seq if seq > 0 and number == str(seq) else None
