"""send, recall, edit, react."""

from __future__ import annotations

from functools import partial

from goim.actions.caller import Caller
from goim.errors import GoimError
from goim.protocol.replies import Ack, Reply, SentData
from goim.protocol.requests import Edit, React, Recall, Send
from goim.services.registry import Services


def send(services: Services, caller: Caller, request: Send) -> None:
    """Queue the message; the ack leaves when it is stored."""
    services.messages.send(caller, request.data, partial(_answer, caller, request))


def _answer(caller: Caller, request: Send, result: SentData | GoimError) -> None:
    if isinstance(result, GoimError):
        caller.refuse(request, result)
    else:
        caller.reply(Ack(id=request.id, data=result))


async def recall(services: Services, caller: Caller, request: Recall) -> Reply:
    """Take a message back."""
    changed = await services.changes.recall(caller, request.data.conv_id, request.data.server_msg_id)
    return Ack(id=request.id, data=changed)


async def edit(services: Services, caller: Caller, request: Edit) -> Reply:
    """Write a message anew."""
    data = request.data
    changed = await services.changes.edit(caller, data.conv_id, data.server_msg_id, data.payload)
    return Ack(id=request.id, data=changed)


async def react(services: Services, caller: Caller, request: React) -> Reply:
    """Put an emoji on a message, or take it away."""
    data = request.data
    changed = await services.changes.react(
        caller, data.conv_id, data.server_msg_id, data.emoji, remove=bool(data.remove)
    )
    return Ack(id=request.id, data=changed)
