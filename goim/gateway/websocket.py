"""`/ws`: who is it? — live from before the 101, so that nothing sent after it is missed — and one connection until
its end."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

import structlog
from litestar.handlers import ASGIRouteHandler
from litestar.types import Guard, Receive, Scope, Send

from goim.errors import HTTP_STATUS, ErrorCode, GoimError, StoreDown
from goim.gateway.connection import Connection
from goim.gateway.device import device_of
from goim.gateway.transport import EXTENSION, PATH, AsgiTransport, Transport
from goim.model.users import Login
from goim.protocol.close_codes import CloseCode
from goim.protocol.frames import encode_json
from goim.rest.errors import MEDIA_TYPE, Problem
from goim.services.registry import Services
from goim.tasks import Tasks

_BEARER = "bearer."
_HEADERS = {401: [(b"www-authenticate", b'Bearer realm="goim"')], 426: [(b"upgrade", b"websocket")]}
_AWAY = GoimError(ErrorCode.UNAVAILABLE, "the database cannot be reached; try again")
_log = structlog.get_logger(__name__)


class _Unguarded(ASGIRouteHandler):
    """A route that finds out itself who it is: the app's guards would let it through, each at the price of a copy."""

    def resolve_guards(self) -> list[Guard]:
        return []


class WebSocketGateway:
    """Accepts WebSockets and carries them until they end."""

    def __init__(self, services: Services, tasks: Tasks) -> None:
        self._services = services
        self._tasks = tasks
        self._origins = frozenset(services.settings.server.allowed_origins)
        self.is_draining = False

    def route(self) -> ASGIRouteHandler:
        """The handler for Litestar."""

        @_Unguarded(PATH, copy_scope=False, public=True)
        async def ws(scope: Scope, receive: Receive, send: Send) -> None:
            await self._serve(scope, receive, send)

        return ws

    async def _serve(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            return await _refuse_http(send)
        await receive()  # websocket.connect
        try:
            self._check_origin(scope)
            token, subprotocol, device_id = _credentials(scope)
            login = await self._services.sessions.verify(token)
            device_id = device_of(login, device_id)
            if self.is_draining:
                raise GoimError(ErrorCode.UNAVAILABLE, "this node is going away; connect again")
        except GoimError as error:
            return await _refuse(send, error)
        except StoreDown:
            return await _refuse(send, _AWAY)
        await self._carry(scope, receive, send, login, device_id, subprotocol)

    async def _carry(
        self, scope: Any, receive: Receive, send: Send, login: Login, device_id: str, subprotocol: str | None
    ) -> None:
        direct: Transport | None = scope.get("extensions", {}).get(EXTENSION)
        plain = None
        if direct is None:
            services = self._services
            plain = AsgiTransport(receive, send, services.settings.gateway.send_queue_bytes, services.metrics.closes)
        transport = direct or plain
        assert transport is not None
        connection = Connection(login, device_id, transport, "websocket", self._services, self._tasks)
        delivery = self._services.delivery
        delivery.attach(connection)
        lives_on = False
        try:
            try:
                delivery.enter_groups(connection, await self._services.access.groups_of(login.user_id))
            except StoreDown:
                return await _refuse(send, _AWAY)
            await delivery.settled()
            transport.start(connection)
            if self._services.messages.is_overloaded:
                connection.close(CloseCode.OVERLOADED)  # browsers do not see the status of a refused handshake
            await send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": []})
            lives_on = plain is None  # the direct way: without us
            if plain is not None:
                await plain.run()
        finally:
            if not lives_on:
                connection.ended()

    def _check_origin(self, scope: Any) -> None:
        """Browsers say where a page comes from; CORS does not cover WebSockets."""
        headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"").decode("latin-1")
        if not origin or "*" in self._origins or origin in self._origins:
            return
        host = headers.get(b"host", b"").decode("latin-1")
        if origin.partition("://")[2] != host:
            raise GoimError(ErrorCode.FORBIDDEN, "pages of this origin may not connect")


def _credentials(scope: Any) -> tuple[str, str | None, str | None]:
    """(token, the subprotocol to echo, deviceId): the token from the header, the subprotocol or the query."""
    query = parse_qs(scope["query_string"].decode("latin-1"))
    device_id = query.get("deviceId", [None])[0]
    for name, value in scope["headers"]:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return value[7:].decode("latin-1"), None, device_id
    for protocol in scope.get("subprotocols", ()):
        if protocol.startswith(_BEARER):
            return protocol.removeprefix(_BEARER), protocol, device_id
    return query.get("token", [""])[0], None, device_id


async def _refuse(send: Send, error: GoimError) -> None:
    """Answer the handshake with an HTTP error instead of the upgrade."""
    await _answer(send, error, HTTP_STATUS[error.code], "websocket.http.response")


async def _refuse_http(send: Send) -> None:
    """Somebody who does not ask for an upgrade."""
    error = GoimError(ErrorCode.UNSUPPORTED, "this is a WebSocket: connect with an upgrade")
    await _answer(send, error, 426, "http.response")


async def _answer(send: Any, error: GoimError, status: int, kind: str) -> None:
    title = HTTPStatus(status).phrase
    problem = Problem(type="about:blank", title=title, status=status, detail=error.message, code=error.code)
    body = encode_json(problem)
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    headers += _HEADERS.get(status, [])
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body, "more_body": False})
