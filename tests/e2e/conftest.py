"""Nodes seen from outside: one for a test, or one that the tests of a module share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.client import World
from tests.node import presence_untold, started_node

BOTH_WAYS = pytest.mark.parametrize("town", [True, False], ids=["direct", "asgi"], indirect=True, scope="module")
"""Has the tests of a module run with WebSockets carried directly, and by plain ASGI."""


@pytest.fixture(params=[True, False], ids=["direct", "asgi"])
async def people(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """A running node, its WebSockets carried directly and by plain ASGI."""
    with presence_untold():
        async with started_node(tmp_path, is_direct=request.param) as (_, world):
            yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A running node for all tests of a module: each brings people of its own (`circle`)."""
    is_direct = getattr(request, "param", True)
    with presence_untold():
        async with started_node(tmp_path_factory.mktemp("town"), is_direct=is_direct) as (_, world):
            yield world
