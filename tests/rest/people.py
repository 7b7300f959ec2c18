"""A running node for the tests of the HTTP API, its sockets carried directly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.client import World
from tests.node import presence_untold, started_node


@pytest.fixture(name="people")
async def running_node(tmp_path: Path) -> AsyncIterator[World]:
    """A node, seen from outside."""
    with presence_untold():
        async with started_node(tmp_path) as (_, world):
            yield world


@pytest_asyncio.fixture(name="town", scope="module", loop_scope="module")
async def shared_node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A node for all tests of a module: each brings people of its own."""
    with presence_untold():
        async with started_node(tmp_path_factory.mktemp("town")) as (_, world):
            yield world
