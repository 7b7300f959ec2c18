"""The TCP gateway: the same envelopes, one a line; the first line says who it is."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import Protocol, cast

import msgspec
from msgspec import UNSET

from goim.clock import Clock
from goim.config import Address
from goim.errors import ConfigError, ErrorCode, GoimError, StoreDown, invalid
from goim.gateway.connection import Connection
from goim.gateway.cork import Cork
from goim.gateway.device import device_of
from goim.gateway.transport import Listener
from goim.protocol.close_codes import CloseCode
from goim.protocol.envelope import RequestId
from goim.protocol.frames import Frame, frame_of, line_of
from goim.protocol.lines import Lines, LineTooLong
from goim.protocol.pushes import Close, CloseData
from goim.protocol.replies import AuthOk, AuthOkData, Error, error_data
from goim.protocol.requests import Auth, AuthData, decode_auth
from goim.services.registry import Services
from goim.tasks import Tasks

_AUTH_SECONDS = 10.0
_LINGER_SECONDS = 5.0
_LAST_ANSWERS_SECONDS = 2.0
"""So long a client that has ended its half of the connection is still answered what it asked before."""
_SWEEP_SECONDS = 5.0


class TcpProtocol(asyncio.Protocol):
    """One TCP client: the transport of its connection once it has said who it is."""

    def __init__(self, gateway: TcpGateway) -> None:
        self.loop = asyncio.get_running_loop()
        self.heard_at = self.loop.time()
        self._gateway = gateway
        self._lines = Lines(gateway.max_line)
        self._waiting: list[bytes] = []
        self._listener: Listener | None = None
        self._out: list[bytes] | None = None
        self.is_open = False
        self._is_asked = False
        self.is_done_asking = False
        self._transport: asyncio.Transport
        self._deadline: asyncio.TimerHandle | None = None
        self.connection: Connection | None = None

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True
        self._gateway.clients.add(self)
        self._deadline = self.loop.call_later(_AUTH_SECONDS, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 an end is an end
        self.is_open = False
        self._listener = None
        self._gateway.gone(self)
        if self._deadline is not None:
            self._deadline.cancel()

    def data_received(self, data: bytes) -> None:
        self.heard_at = self.loop.time()
        try:
            lines = self._lines.feed(data)
        except LineTooLong:
            return self.close(CloseCode.TOO_LARGE)
        for line in lines:
            self._take(line)
        return None

    def eof_received(self) -> bool:
        """The client asks no more: it is away, but what it has asked is answered. TLS ends both ways at once."""
        if self._transport.get_extra_info("ssl_object") is not None:
            return False
        self.is_done_asking = True
        self._gateway.away(self)
        self.loop.call_later(_LAST_ANSWERS_SECONDS, self._transport.close)
        return self._is_asked

    def _take(self, line: bytes) -> None:
        if not self.is_open:
            return
        if self._listener is not None:
            self._listener.receive(line, is_text=True)
        elif self._is_asked:
            self._waiting.append(line)  # said before we knew who it is
            if len(self._waiting) > 64:
                self.pause()
        else:
            self._is_asked = True
            self._gateway.tasks.start(self._gateway.admit(self, line))

    def _too_slow(self) -> None:
        if self._listener is None:
            self.refuse(GoimError(ErrorCode.UNAUTHORIZED, "say who you are within 10 seconds"))

    # what the gateway and a connection ask of it

    def refuse(self, error: GoimError, request_id: RequestId = UNSET) -> None:
        """Say why not, and end."""
        self.send_frame(frame_of(Error(id=request_id, data=error_data(error, "auth"))))
        self._end()

    def start(self, listener: Listener) -> None:
        """Tell `listener` of every line, those that came early first."""
        if self._deadline is not None:
            self._deadline.cancel()
        if not self.is_open:
            return
        self._listener = listener
        waiting, self._waiting = self._waiting, []
        for line in waiting:
            self._take(line)
        self.resume()

    def send_frame(self, frame: Frame) -> None:
        out = self._out
        if out is None:
            self._out = [line_of(frame)]
            self._gateway.cork.add(self)
        else:
            out.append(line_of(frame))

    def flush(self) -> None:
        """Write what is queued; a reader that leaves too much lying is closed."""
        out, self._out = self._out, None
        if not out or not self.is_open or self._transport.is_closing():
            return
        if self.queued_bytes > self._gateway.cork.queue_bytes:
            return self.close(CloseCode.SLOW_CONSUMER)
        self._transport.write(b"".join(out))
        return None

    def close(self, code: CloseCode) -> None:
        """Say what is queued and the close code, then end."""
        if self.is_open:
            self.flush()
        if self.is_open:
            self._gateway.cork.closes[int(code)] += 1
            self._transport.write(line_of(frame_of(Close(CloseData(int(code))))))
            self._end()

    def _end(self) -> None:
        self.flush()
        self.is_open = False
        self._listener = None
        self._transport.close()
        self.loop.call_later(_LINGER_SECONDS, self._transport.abort)

    def pause(self) -> None:
        self._transport.pause_reading()

    def resume(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    @property
    def queued_bytes(self) -> int:
        return self._transport.get_write_buffer_size()


class TcpGateway:
    """Listens, finds out who connects, and ends those that fall silent."""

    def __init__(self, services: Services, tasks: Tasks, clock: Clock) -> None:
        settings = services.settings.gateway
        self.tasks = tasks
        self.clients: set[TcpProtocol] = set()
        self.cork = Cork(settings.send_queue_bytes, services.metrics.closes)
        self.max_line = settings.max_frame_bytes
        self._services = services
        self._clock = clock
        self._silence = settings.ping_interval + settings.ping_timeout
        self._server: asyncio.Server | None = None
        self._is_draining = False

    @contextlib.asynccontextmanager
    async def listening(
        self, address: Address, tls: ssl.SSLContext | None, *, is_shared: bool = False
    ) -> AsyncIterator[int]:
        """Accept clients while the context is open; says the port, which other processes have too if it `is_shared`."""
        loop = asyncio.get_running_loop()
        self._server = server = await loop.create_server(
            lambda: TcpProtocol(self), address.host or None, address.port, ssl=tls, backlog=4096, reuse_port=is_shared
        )
        sweeper = self.tasks.start(self._sweep())
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            sweeper.cancel()
            server.close()
            for client in list(self.clients):
                client.close(CloseCode.GOING_AWAY)
            await server.wait_closed()

    def drain(self) -> None:
        """Let nobody in any more: the port is closed, and who has not said yet who they are is refused."""
        self._is_draining = True
        if self._server is not None:
            self._server.close()

    async def admit(self, client: TcpProtocol, line: bytes) -> None:
        """The first line: who is it? Live before `auth_ok`, so that nothing sent after it is missed."""
        request_id: RequestId = UNSET
        try:
            request = _first(line)
            request_id = request.id
            login = await self._services.sessions.verify(request.data.token)
            device_id = device_of(login, request.data.device_id)
            if not client.is_open:
                return  # gone meanwhile: nobody would ever say that its connection is over
            if self._is_draining:
                raise GoimError(ErrorCode.UNAVAILABLE, "this node is going away; connect again")
            connection = Connection(login, device_id, client, "tcp", self._services, self.tasks)
            if not client.is_done_asking:  # else it is away already, and takes no device's place
                await self._make_live(client, connection)
            connection.reply(AuthOk(id=request.id, data=AuthOkData(login.user_id, device_id)))
            client.start(connection)
        except GoimError as error:
            client.refuse(error, request_id)
        except StoreDown:
            away = GoimError(ErrorCode.UNAVAILABLE, "the database cannot be reached; try again")
            client.refuse(away, request_id)

    async def _make_live(self, client: TcpProtocol, connection: Connection) -> None:
        client.connection = connection
        self._services.delivery.attach(connection)
        self._services.delivery.enter_groups(connection, await self._services.access.groups_of(connection.user_id))
        await self._services.delivery.settled()

    def gone(self, client: TcpProtocol) -> None:
        """A client's socket is closed."""
        self.clients.discard(client)
        self.away(client)

    def away(self, client: TcpProtocol) -> None:
        """A client is there no longer, to be sent what others say."""
        if client.connection is not None:
            self._services.delivery.detach(client.connection)

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._clock.sleep(_SWEEP_SECONDS)
            silent_since = loop.time() - self._silence
            for client in [client for client in self.clients if client.heard_at < silent_since]:
                client.close(CloseCode.GOING_AWAY)


def _first(line: bytes) -> Auth:
    """An `auth` envelope, or the bare token."""
    try:
        if line.startswith(b"{"):
            return decode_auth(line.decode())
        return Auth(data=AuthData(token=line.decode("ascii").strip()))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise invalid('the first line is {"action":"auth","data":{"token":…}}, or a token') from None


class Certificate(Protocol):
    """Where the certificate of the TCP gateway is; empty paths: none."""

    @property
    def tcp_certificate(self) -> str: ...
    @property
    def tcp_key(self) -> str: ...


def tls_context(paths: Certificate) -> ssl.SSLContext | None:
    """TLS for the TCP gateway when a certificate is configured; `ConfigError` when it cannot be read."""
    if not paths.tcp_certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(paths.tcp_certificate, paths.tcp_key or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"server.tcp_certificate {paths.tcp_certificate}: cannot be used: {error}") from error
    return context
