"""What those who run goim ask: is it alive, can it serve, what does it count."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import structlog
from litestar import Litestar, MediaType, Response, get
from litestar.di import NamedDependency, Provide
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from msgspec import Struct
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from goim.errors import not_found
from goim.figures import NodeFigures
from goim.metrics import Metrics
from goim.rest.errors import ERROR_HANDLERS

_PATIENCE = 2.0
_WATCHED_SECONDS = 60.0
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_log = structlog.get_logger(__name__)

Check = Callable[[], Awaitable[None]]
"""Asks a dependency for a sign of life; raises when there is none."""


class Alive(Struct, frozen=True):
    status: str


class Ready(Struct, frozen=True):
    """`status` is ready, degraded, draining or unavailable; every dependency is ok or down."""

    status: str
    dependencies: dict[str, str]


class Asked:
    """When somebody last asked whether this node is ready, by the loop's clock."""

    def __init__(self) -> None:
        self._at: float | None = None

    def note(self, now: float) -> None:
        self._at = now

    def last(self) -> float | None:
        return self._at


class AskedAnyOfUs(Asked):
    """The same of several processes: the time of a file, since whoever asks reaches one of them."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def note(self, now: float) -> None:
        self._file.touch()
        os.utime(self._file, (now, now))  # the loop's clock is that of the machine: the same in all processes

    def last(self) -> float | None:
        try:
            return self._file.stat().st_mtime
        except FileNotFoundError:
            return None


@dataclass(kw_only=True, slots=True)
class Readiness:
    """Whether this node can serve: `app.py` names the dependencies, draining sets `is_draining`.

    Without one of the `helpers` it serves worse, but it serves.
    """

    checks: Mapping[str, Check] = field(default_factory=dict)
    helpers: dict[str, Check] = field(default_factory=dict)
    is_draining: bool = False
    asked: Asked = field(default_factory=Asked)

    async def report(self) -> Ready:
        """Ask every dependency at once; none may take longer than two seconds."""
        self.asked.note(asyncio.get_running_loop().time())
        every = {**self.checks, **self.helpers}
        states = await asyncio.gather(*(_state(name, check) for name, check in every.items()))
        dependencies = dict(zip(every, states, strict=True))
        if self.is_draining:
            return Ready("draining", dependencies)
        if any(dependencies[name] == "down" for name in self.checks):
            return Ready("unavailable", dependencies)
        return Ready("ready" if "down" not in states else "degraded", dependencies)

    def is_watched(self) -> bool:
        """Whether somebody, like a load balancer, has asked in the last minute."""
        asked_at = self.asked.last()
        return asked_at is not None and asyncio.get_running_loop().time() - asked_at < _WATCHED_SECONDS


async def _state(name: str, check: Check) -> str:
    try:
        async with asyncio.timeout(_PATIENCE):
            await check()
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it is not ready
        _log.warning("dependency_down", dependency=name, error=str(error))
        return "down"
    return "ok"


class Scrape:
    """Everything counted, as Prometheus text."""

    def __init__(self, figures: Collector, *, is_enabled: bool) -> None:
        self._is_enabled = is_enabled
        self._registry = CollectorRegistry()
        self._registry.register(figures)

    def text(self) -> bytes:
        """`NOT_FOUND` when metrics are switched off."""
        if not self._is_enabled:
            raise not_found("page")
        return generate_latest(self._registry)


class CountRequests:
    """Counts every answer by route template. The outermost layer: refusals before a handler are answers too."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            return await self._app(scope, receive, send)
        status = 500
        started = perf_counter()

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"  # clients may send any word
            route = scope.get("path_template") or "unmatched"
            self._metrics.http_done(method, route, status, perf_counter() - started)


@get("/healthz", public=True, tags=["operations"])
async def healthz() -> Alive:
    """Whether the process answers at all; asks no dependency."""
    return Alive("ok")


@get("/readyz", public=True, tags=["operations"])
async def readyz(readiness: NamedDependency[Readiness]) -> Response[Ready]:
    """Whether this node can serve; 503 when a dependency is down and while draining."""
    ready = await readiness.report()
    return Response(ready, status_code=200 if ready.status in ("ready", "degraded") else 503)


@get("/metrics", public=True, tags=["operations"], media_type=MediaType.TEXT)
async def metrics(scrape: NamedDependency[Scrape]) -> Response[bytes]:
    """Everything this node counts, in Prometheus' text format; 404 when switched off."""
    return Response(scrape.text(), headers={"content-type": CONTENT_TYPE_LATEST})


OPERATIONS = [healthz, readyz, metrics]


def operations_app(readiness: Readiness, metrics: Metrics, *, is_counting: bool) -> ASGIApp:
    """An app of nothing but these routes, for a process that serves nobody else."""
    scrape = Scrape(NodeFigures(metrics), is_enabled=is_counting)

    async def provide_readiness() -> Readiness:
        return readiness

    async def provide_scrape() -> Scrape:
        return scrape

    dependencies = {"readiness": Provide(provide_readiness), "scrape": Provide(provide_scrape)}
    return Litestar(
        route_handlers=OPERATIONS,
        dependencies=dependencies,
        exception_handlers=ERROR_HANDLERS,
        openapi_config=None,
        logging_config=None,
    )
