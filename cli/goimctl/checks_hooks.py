"""Looks whether the servers that goim sends to can be reached, as a hook would reach them; nothing is sent."""

from __future__ import annotations

import asyncio
from time import perf_counter
from urllib.parse import urlsplit

from goim.config import Settings
from goim.config.hooks import parse_endpoint
from goim.outbound.base import Unreachable
from goim.outbound.guard import Guard
from goim.trust import trusting
from goimctl.findings import Finding, State

_PATIENCE = 5.0


async def hooks(settings: Settings) -> list[Finding]:
    """One finding for each server that is configured."""
    guard = Guard(settings.hooks.allow_private)
    endpoints = [parse_endpoint(text) for text in settings.hooks.endpoints]
    urls = [(f"hook {endpoint.name}", endpoint.url) for endpoint in endpoints]
    if settings.hooks.before_send:
        urls.append(("hook before_send", settings.hooks.before_send))
    if settings.push.provider:
        urls.append(("hook push", settings.push.provider))
    return list(await asyncio.gather(*(_reach(guard, name, url) for name, url in urls)))


async def _reach(guard: Guard, name: str, url: str) -> Finding:
    parts = urlsplit(url)
    host, is_tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if is_tls else 80)
    started = perf_counter()
    try:
        async with asyncio.timeout(_PATIENCE):
            address = (await guard.addresses(host, port))[0]
            context = trusting() if is_tls else None
            _, writer = await asyncio.open_connection(
                address, port, ssl=context, server_hostname=host if is_tls else None
            )
    except (Unreachable, OSError) as error:  # a timeout is an OSError, too
        found = f"{host} port {port}: {str(error) or 'no answer in time'}"
        return Finding(name=name, found=found, state=State.WRONG, way_out="look at the URL and at hooks.allow_private")
    writer.transport.abort()
    latency = round((perf_counter() - started) * 1000, 1)
    return Finding(name=name, found=f"answers at {host} port {port}", latency_ms=latency)
