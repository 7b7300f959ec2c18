"""Finds one message as somebody sees it, for what is done with messages one by one."""

from __future__ import annotations

from goim.errors import GoimError, not_found
from goim.model.messages import Message
from goim.services.access import AccessBook
from goim.services.history import History


class OneMessage:
    """Asks the history, so that whatever is hidden there from somebody is not found here either."""

    def __init__(self, access: AccessBook, history: History) -> None:
        self._access = access
        self._history = history

    async def of(self, user_id: str, conv_id: str, server_msg_id: str) -> Message:
        """A message by its id; `NOT_FOUND` if there is none that the user may see. A recalled one is found."""
        seq = (await self._access.of(user_id, conv_id)).conv.seq_of(server_msg_id)
        if seq is None:
            raise not_found("message")
        return await self.at(user_id, conv_id, seq)

    async def at(self, user_id: str, conv_id: str, seq: int) -> Message:
        """The same by its seq."""
        page = await self._history.before(user_id, conv_id, seq + 1, 1)
        if not page.messages or page.messages[-1].seq != seq:
            raise not_found("message")
        return page.messages[-1]

    async def stands(self, user_id: str, conv_id: str, seq: int) -> bool:
        """Whether the user may read it, and nobody has taken it back."""
        try:
            return not (await self.at(user_id, conv_id, seq)).recalled
        except GoimError:
            return False
