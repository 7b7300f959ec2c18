"""One process of goim: what runs beside its services, how it is served, and how it ends."""

from __future__ import annotations

import contextlib
import gc
import random
from collections.abc import AsyncIterator, Callable

import structlog
from prometheus_client.registry import Collector

from goim.app.ground import Ground
from goim.app.joining import OverRedis, over_redis
from goim.app.kafka import group_events_of
from goim.app.office import Office
from goim.app.storage import open_stores
from goim.app.worker import joined, supervised
from goim.bus.base import Bus
from goim.bus.memory import MemoryBus
from goim.clock import Clock, SystemClock
from goim.config import Settings, signing_secrets
from goim.config.fields import Role
from goim.gateway.server import NodeServer, server_of
from goim.gateway.tcp import TcpGateway, tls_context
from goim.gateway.websocket import WebSocketGateway
from goim.metrics import Metrics
from goim.protocol.close_codes import CloseCode
from goim.protocol.frames import frame_of
from goim.protocol.pushes import Reconnect, ReconnectData
from goim.rest.operations import Readiness
from goim.rest.routes import build_api
from goim.services.mailroom import Mailroom
from goim.web.pages import WEB
from goim.workers import Worker, shared_sockets

_YOUNG_OBJECTS = 50_000
_CLOSE_EVERY = 0.02
_log = structlog.get_logger(__name__)


class Node(Office):
    """An office, and the gateways to it."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        stores = ground.stores
        self.readiness = Readiness(checks={"data": stores.data_answers, "messages": stores.messages_answer})
        self.gateway = WebSocketGateway(self.services, self.tasks)
        self.tcp = TcpGateway(self.services, self.tasks, ground.clock)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """What a node does of its own accord, from the bottom up; it ends from the top down, everything written."""
        services, hooks = self.services, self.hooks
        delivers = self.has_role("updater")
        async with (
            self.working(),
            self._catch_up.running(),
            self._updating(),
            self.ground.second_look.running(),
            services.specials.running(),
            services.streams.running(),
            services.sessions.running(),
            services.devices.running(),
            services.presence.running(),
            services.calls.running(),
            services.administration.statistics.running(),
            hooks.running(delivers=delivers) if hooks is not None else contextlib.nullcontext(),
            self.tasks,
        ):
            yield

    @contextlib.asynccontextmanager
    async def _updating(self) -> AsyncIterator[None]:
        """What one node may do for all, with the role `updater`: empty what expired, sweep files, index for search.
        (Webhooks and pushes are sent by such nodes, too.)

        What hangs on this node's memory (its streams, calls and what it writes behind) it does in whatever role.
        """
        if not self.has_role("updater"):
            yield
            return
        async with self.services.specials.sweeping(), self.sweeper.running(), self._reading.indexer.running():
            yield

    def has_role(self, role: Role) -> bool:
        """Whether this node does that, too."""
        return role in self.settings.server.roles

    @contextlib.asynccontextmanager
    async def listening_tcp(self, *, is_shared: bool = False) -> AsyncIterator[int | None]:
        """The TCP gateway, if there is an address for it; says its port, which other processes have, too, if it
        `is_shared`."""
        server = self.settings.server
        if not server.tcp_addr or not self.has_role("tcp"):
            yield None
            return
        async with self.tcp.listening(server.tcp_listen, tls_context(server), is_shared=is_shared) as port:
            yield port

    async def drain(self) -> None:
        """Send everybody elsewhere, spread over the time there is, then finish what is under way.

        If somebody asks whether this node is ready, they are given half of that time to hear that it is not: until
        then they would send clients back here.
        """
        self.readiness.is_draining = self.gateway.is_draining = True
        self.tcp.drain()
        sinks = list(self.services.delivery.everybody())
        random.shuffle(sinks)
        seconds = self.settings.server.drain_seconds
        wait = seconds / 2 if self.readiness.is_watched() else 0.0
        _log.info("draining", connections=len(sinks), seconds=seconds)
        step = min(_CLOSE_EVERY, (seconds - wait) / (len(sinks) or 1))
        for place, sink in enumerate(sinks):
            sink.send(frame_of(Reconnect(ReconnectData(int((wait + place * step) * 1000)))))
        if wait:
            await self.ground.clock.sleep(wait)
        for sink in sinks:
            sink.close(CloseCode.DRAINING)
            await self.ground.clock.sleep(step)
        await self.services.messages.batches.drain()
        await self.services.messages.contested.batches.drain()
        _log.info("drained", connections=len(sinks))


@contextlib.asynccontextmanager
async def open_node(settings: Settings, *, bus: Bus | None = None, clock: Clock | None = None) -> AsyncIterator[Node]:
    """A node over its stores, everything running."""
    signing_secrets(settings)  # first: nothing is opened with a secret that is no good
    async with open_stores(settings) as stores:
        clock = clock or SystemClock()
        metrics = Metrics()
        async with group_events_of(settings, clock, metrics) as group_events:
            redis = over_redis(settings, metrics, clock) if bus is None else None
            shared = None if redis is None else redis.shared
            bus = bus or (redis.bus if redis is not None else MemoryBus())
            node = Node(Ground(settings, stores, bus, clock, metrics, group_events, shared))
            mailroom = Mailroom(stores.mailbox, node.services.delivery, clock)
            async with mailroom.running(), _carrying(node, redis), node.running():
                yield node


@contextlib.asynccontextmanager
async def _carrying(node: Node, redis: OverRedis | None) -> AsyncIterator[None]:
    """The ways to other nodes, if there are any: without it this node serves those who are here."""
    if redis is None:
        yield
        return
    node.readiness.helpers["redis"] = redis.bus.check
    async with redis.running():
        yield


def server_for(node: Node, *, is_direct: bool = True, figures: Collector | None = None) -> NodeServer:
    """uvicorn with a node's routes and sockets; `is_direct=False` serves WebSockets by plain ASGI."""
    is_whole = node.has_role("api")
    sockets = [node.gateway.route()] if node.has_role("gateway") else []
    pages = WEB if is_whole and node.settings.server.web else ()
    app = build_api(node.services, node.readiness, figures=figures, more=[*sockets, *pages], is_whole=is_whole)
    return server_of(app, node.settings, node.drain, node.services.metrics.closes, is_direct=is_direct)


async def serve(settings: Settings, started: Callable[[str], None]) -> None:
    """Run a node until a signal ends it; `started` is told the URL."""
    async with open_node(settings) as node, node.listening_tcp():
        server = server_for(node)
        server.on_started = started
        _tune_collector()
        await server.serve()


async def serve_as(worker: Worker, settings: Settings, started: Callable[[str], None]) -> None:
    """Run a node that is one of several on one port, until its supervisor ends it. Its port is not one it chooses."""
    async with (
        open_node(settings) as node,
        joined(worker, node.services.metrics, node.readiness, node.services.clock) as figures,
        node.listening_tcp(is_shared=True),
    ):
        server = server_for(node, figures=figures)
        server.on_started = started
        _tune_collector()
        with supervised(server):
            await server.serve(shared_sockets(settings.server.listen))


def _tune_collector() -> None:
    """What a start leaves lives as long as the process; messages come and go without cycles, so look for these
    rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 50)
