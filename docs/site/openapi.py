"""The HTTP API as OpenAPI, as a node serves it at `/schema/openapi.json`."""

from __future__ import annotations

import asyncio
import tempfile
from typing import Any

import httpx

from goim.app.node import open_node, server_for
from goim.config import Settings


def document() -> dict[str, Any]:
    """The whole description."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_served(Settings.model_validate({"server": {"data_dir": folder}})))


async def _served(settings: Settings) -> dict[str, Any]:
    async with open_node(settings) as node:
        transport = httpx.ASGITransport(server_for(node).config.app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://goim") as http:
            answer = await http.get("/schema/openapi.json")
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found
