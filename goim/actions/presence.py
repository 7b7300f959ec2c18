"""typing, ping."""

from __future__ import annotations

from goim.actions.caller import Caller
from goim.protocol.replies import Ack, NothingData, Pong, PongData, Reply
from goim.protocol.requests import Ping, Typing
from goim.services.registry import Services


async def typing(services: Services, caller: Caller, request: Typing) -> Reply:
    """Tell the others that the caller is typing."""
    await services.presence.typing(caller, request.data.conv_id, is_typing=request.data.typing)
    return Ack(id=request.id, data=NothingData())


def ping(services: Services, caller: Caller, request: Ping) -> None:
    """Still here."""
    caller.reply(Pong(id=request.id, data=PongData(services.clock.now_ms())))
