"""As much of MongoDB's wire protocol as tests need: whole messages, and the command in one."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import bson

_HEAD = 16
_OP_MSG = 2013
_BODY = _HEAD + 4 + 1  # after the flags and the kind of the first section


async def read_message(reader: asyncio.StreamReader) -> bytes:
    """The next whole message."""
    head = await reader.readexactly(_HEAD)
    return head + await reader.readexactly(struct.unpack_from("<i", head)[0] - _HEAD)


def command_of(message: bytes) -> dict[str, Any]:
    """The first document of a message; its first key is the name of the command."""
    if struct.unpack_from("<i", message, 12)[0] != _OP_MSG or message[_BODY - 1]:
        return {}
    (size,) = struct.unpack_from("<i", message, _BODY)
    return dict(bson.decode(message[_BODY : _BODY + size]))


def answer_to(message: bytes, said: dict[str, Any]) -> bytes:
    """What a server would answer to a message."""
    (number,) = struct.unpack_from("<i", message, 4)
    body = bson.encode(said)
    return struct.pack("<iiiiiB", _BODY + len(body), 0, number, _OP_MSG, 0, 0) + body


def with_command(message: bytes, command: dict[str, Any]) -> bytes:
    """The message with another first document."""
    (size,) = struct.unpack_from("<i", message, _BODY)
    body = bson.encode(command)
    rest = message[_BODY + size :]
    return struct.pack("<i", _BODY + len(body) + len(rest)) + message[4:_BODY] + body + rest
