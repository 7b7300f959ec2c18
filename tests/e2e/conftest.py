"""One node for a test, its WebSockets carried directly and by plain ASGI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.client import World
from tests.node import started_node


@pytest.fixture(params=[True, False], ids=["direct", "asgi"])
async def people(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """A running node, seen from outside."""
    async with started_node(tmp_path, is_direct=request.param) as (_, world):
        yield world
