"""Messages over HTTP: for those who have no socket, and for what lies further back."""

from __future__ import annotations

from typing import Annotated

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Struct

from goim.errors import invalid
from goim.model.users import Login
from goim.protocol.replies import SentData
from goim.protocol.requests import EditData, ReadData, RecallData, SendData
from goim.rest.paging import MAX_LIMIT
from goim.services.history import Page
from goim.services.readers import ReadersView
from goim.services.registry import Services
from goim.services.search import MAX_QUESTION, Found

_GREATEST = (1 << 63) - 1
_ConvId = Annotated[str, QueryParameter(name="convId", description="which conversation")]
_AnyConvId = Annotated[
    str | None, QueryParameter(name="convId", required=False, description="only in this conversation")
]
_Question = Annotated[str, QueryParameter(description=f"1 to {MAX_QUESTION} characters, with a word among them")]
_FromSeq = Annotated[
    int | None,
    QueryParameter(name="fromSeq", ge=0, le=_GREATEST, required=False, description="messages after this one"),
]
_BeforeSeq = Annotated[
    int | None,
    QueryParameter(
        name="beforeSeq", ge=0, le=_GREATEST, required=False, description="the newest before this one; 0: the newest"
    ),
]
_Limit = Annotated[
    int, QueryParameter(ge=1, le=_GREATEST, description=f"how many; more than {MAX_LIMIT} is {MAX_LIMIT}")
]


class HttpSender(Struct, frozen=True):
    """A session that sends without a socket: no push is kept from its user's connections."""

    user_id: str
    device_id: str


def _sender(login: Login) -> HttpSender:
    return HttpSender(login.user_id, login.device_id or login.session_id)


class MessageController(Controller):
    """Everything under `/api/messages`."""

    path = "/api/messages"
    tags = ("messages",)

    @post()
    async def send(
        self, data: JSONBody[SendData], login: NamedDependency[Login], services: NamedDependency[Services]
    ) -> SentData:
        """Send a message; the answer comes when it is stored."""
        return await services.messages.send_now(_sender(login), data)

    @post("/recall", status_code=204)
    async def recall(
        self, data: JSONBody[RecallData], login: NamedDependency[Login], services: NamedDependency[Services]
    ) -> None:
        """Take a message back: its sender for some minutes, owner and admins of a group at any time."""
        await services.changes.recall(_sender(login), data.conv_id, data.server_msg_id)

    @post("/edit", status_code=204)
    async def edit(
        self, data: JSONBody[EditData], login: NamedDependency[Login], services: NamedDependency[Services]
    ) -> None:
        """Write a text or custom message anew: its sender, for some minutes."""
        await services.changes.edit(_sender(login), data.conv_id, data.server_msg_id, data.payload)

    @post("/read", status_code=204)
    async def read(
        self, data: JSONBody[ReadData], login: NamedDependency[Login], services: NamedDependency[Services]
    ) -> None:
        """I have read up to there: the watermark only rises, and never past the last message."""
        await services.receipts.mark_read_now(login.user_id, data.conv_id, data.seq)

    @get("/{server_msg_id:str}/readers")
    async def readers(
        self,
        server_msg_id: FromPath[str],
        conv_id: _ConvId,
        login: NamedDependency[Login],
        services: NamedDependency[Services],
    ) -> ReadersView:
        """Who has read a message and who has not, in groups of up to `groups.receipt_limit` members."""
        return await services.readers.of(login.user_id, conv_id, server_msg_id)

    @get("/search")
    async def search(
        self,
        q: _Question,
        login: NamedDependency[Login],
        services: NamedDependency[Services],
        conv_id: _AnyConvId = None,
        limit: _Limit = 50,
    ) -> Found:
        """The latest messages with all of these words, in one of my conversations or in all of them."""
        return await services.search.search(login.user_id, q, conv_id or None, limit)

    @get("/history")
    async def history(
        self,
        conv_id: _ConvId,
        login: NamedDependency[Login],
        services: NamedDependency[Services],
        from_seq: _FromSeq = None,
        before_seq: _BeforeSeq = None,
        limit: _Limit = 50,
    ) -> Page:
        """Messages, ascending: those after `fromSeq`, or the newest before `beforeSeq`, or the newest of all."""
        if before_seq is None and from_seq is not None:
            return await services.history.after(login.user_id, conv_id, from_seq, min(limit, MAX_LIMIT))
        if from_seq:
            raise invalid("say fromSeq or beforeSeq")
        return await services.history.before(login.user_id, conv_id, before_seq, min(limit, MAX_LIMIT))
