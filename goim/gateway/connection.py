"""One live socket of one device: decodes what it says, has it done, and answers every request exactly once."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable
from typing import TYPE_CHECKING

import msgspec
import structlog
from msgspec import UNSET, UnsetType

from goim.actions.table import ACTIONS
from goim.errors import ErrorCode, GoimError, StoreDown, invalid
from goim.gateway.transport import Transport
from goim.model.users import Login
from goim.nesting import is_too_deep
from goim.protocol.close_codes import CloseCode
from goim.protocol.envelope import RequestId
from goim.protocol.frames import frame_of
from goim.protocol.halves import without_halves
from goim.protocol.replies import Error, Reply, error_data
from goim.protocol.requests import (
    AnyRequest,
    Outline,
    decode_outline,
    decode_outline_data,
    decode_request,
    is_request_id,
)
from goim.services.registry import Services
from goim.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

_BAD_IN_A_ROW = 20
_BACKLOG_PAUSE = 64
_log = structlog.get_logger(__name__)


class Connection:
    """A sender, a reader and a sink: requests come in through `receive`, replies and pushes leave through `send`.

    Requests that must wait for something run one after another; while one runs, later ones queue up behind it.
    """

    __slots__ = (
        "_backlog",
        "_bad",
        "_is_busy",
        "_services",
        "_tasks",
        "_transport",
        "connected_at",
        "device_id",
        "send",
        "session_id",
        "token_ends",
        "transport_name",
        "user_id",
    )

    def __init__(
        self, login: Login, device_id: str, transport: Transport, name: str, services: Services, tasks: Tasks
    ) -> None:
        self.user_id = login.user_id
        self.session_id = login.session_id
        self.token_ends = login.token_ends
        self.device_id = device_id
        self.transport_name = name
        self.connected_at = services.clock.now_ms() + services.delivery.ahead_ms
        self._transport = transport
        self.send = transport.send_frame  # no method of our own: a fan-out calls it for every delivery
        self._services = services
        self._tasks = tasks
        self._bad = 0
        self._is_busy = False
        self._backlog: deque[AnyRequest] | None = None

    # out

    def reply(self, envelope: Reply) -> None:
        """Answer a request."""
        self.send(frame_of(envelope))

    def refuse(self, request: AnyRequest, error: GoimError) -> None:
        """Answer a request with why not."""
        client_msg_id = getattr(request.data, "client_msg_id", None)
        name = ACTIONS[type(request)].name
        self._refuse(request.id, error, name, UNSET if client_msg_id is None else client_msg_id)

    def close(self, code: CloseCode) -> None:
        """End the connection and say why."""
        self._transport.close(code)

    @property
    def queued_bytes(self) -> int:
        """What waits in this process for a slow reader."""
        return self._transport.queued_bytes

    # in

    def ended(self) -> None:
        """The socket is over."""
        self._services.delivery.detach(self)

    def receive(self, data: bytes, *, is_text: bool) -> None:
        """One message of the client."""
        if not is_text:
            return self._refuse_bad(invalid("text frames only"))
        if not (data.isascii() or _is_utf8(data)):  # `Raw` payloads are not checked by the decoder
            if self.transport_name == "websocket":  # RFC 6455 wants it; a line is bad JSON like any other
                return self.close(CloseCode.BAD_UTF8)
            return self._refuse_bad(invalid("not an envelope: not UTF-8"))
        if is_too_deep(data):
            return self._refuse_bad(invalid("not an envelope: nested too deeply"))
        try:
            request = decode_request(data)
        except msgspec.MsgspecError as error:
            return self._refuse_undecodable(data, error)
        if not is_request_id(request.id):
            return self._refuse_bad(invalid("id is a string or a number"))
        self._bad = 0
        if self._is_busy:
            return self._queue_up(request)
        self._act(request)

    def _act(self, request: AnyRequest) -> None:
        action = ACTIONS[type(request)]
        self._services.metrics.actions[action.name] += 1
        try:
            work = action.act(self._services, self, request)
        except GoimError as error:
            return self.refuse(request, error)
        except Exception:  # noqa: BLE001 whatever it is, the client is answered
            return self._refuse_unknown(request)
        if work is not None:
            self._is_busy = True
            self._tasks.start(self._finish(request, work))

    async def _finish(self, request: AnyRequest, work: Coroutine[Any, Any, Reply | None]) -> None:
        """Await what an action could not do at once, then go on with what queued up meanwhile."""
        await self._answer(request, work)
        self._is_busy = False
        while self._backlog and not self._is_busy:
            self._act(self._backlog.popleft())
        if self._backlog is not None and not self._backlog:
            self._backlog = None
            self._transport.resume()

    async def _answer(self, request: AnyRequest, work: Awaitable[Reply | None]) -> None:
        try:
            reply = await work
            if reply is not None:
                self.reply(reply)
        except GoimError as error:
            self.refuse(request, error)
        except StoreDown:
            self.refuse(request, GoimError(ErrorCode.UNAVAILABLE, "the database cannot be reached; try again"))
        except Exception:  # noqa: BLE001 whatever it is, the client is answered
            self._refuse_unknown(request)

    def _refuse_unknown(self, request: AnyRequest) -> None:
        _log.exception("action_failed", action=ACTIONS[type(request)].name)
        self.refuse(request, GoimError(ErrorCode.INTERNAL, "something went wrong here"))

    def _queue_up(self, request: AnyRequest) -> None:
        if self._backlog is None:
            self._backlog = deque()
        self._backlog.append(request)
        if len(self._backlog) == _BACKLOG_PAUSE:
            self._transport.pause()

    # refusing

    def _refuse_undecodable(self, data: bytes, error: msgspec.MsgspecError) -> None:
        """Say what is wrong with an envelope, repeating as much of it as can be read."""
        whole = without_halves(data)
        why = str(error) if whole == data else "half of a surrogate pair is no text"
        try:
            outline = decode_outline(whole)
        except msgspec.MsgspecError:
            return self._refuse_bad(invalid(f"not an envelope: {error}"))
        if not is_request_id(outline.id):
            return self._refuse_bad(invalid("id is a string or a number"))
        if not isinstance(outline.action, str):
            return self._refuse_bad(invalid(f"not an envelope: {why}"), outline.id)
        self._bad = 0
        is_known = outline.action in KNOWN
        refusal = invalid(why) if is_known else GoimError(ErrorCode.UNSUPPORTED, "unknown action")
        self._refuse(outline.id, refusal, outline.action[:64], _client_msg_id(outline))

    def _refuse_bad(self, error: GoimError, id_: RequestId = UNSET) -> None:
        """Answer what is not an envelope; a client that sends nothing else is cut off."""
        self._refuse(id_, error, "", UNSET)
        self._bad += 1
        if self._bad >= _BAD_IN_A_ROW:
            self.close(CloseCode.PROTOCOL_ABUSE)

    def _refuse(self, id_: RequestId, error: GoimError, action: str, client_msg_id: str | UnsetType) -> None:
        self._services.metrics.errors[error.code] += 1
        self.reply(Error(id=id_, data=error_data(error, action, client_msg_id)))


KNOWN = frozenset(action.name for action in ACTIONS.values())


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _client_msg_id(outline: Outline) -> str | UnsetType:
    try:
        return decode_outline_data(outline.data).client_msg_id
    except msgspec.MsgspecError:
        return UNSET
