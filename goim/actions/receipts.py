"""read."""

from __future__ import annotations

from goim.actions.caller import Caller
from goim.errors import GoimError
from goim.protocol.replies import ReadAck, ReadAckData
from goim.protocol.requests import Read
from goim.services.registry import Services


def read(services: Services, caller: Caller, request: Read) -> None:
    """Raise the caller's watermark; the answer says where it is now."""
    conv_id = request.data.conv_id

    def done(result: int | GoimError) -> None:
        if isinstance(result, GoimError):
            caller.refuse(request, result)
        else:
            caller.reply(ReadAck(id=request.id, data=ReadAckData(conv_id, result)))

    services.receipts.mark_read(caller.user_id, conv_id, request.data.seq, done, but=caller)
