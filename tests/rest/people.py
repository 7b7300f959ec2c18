"""A running node for the tests of the HTTP API, its sockets carried directly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.client import World
from tests.node import started_node


@pytest.fixture(name="people")
async def running_node(tmp_path: Path) -> AsyncIterator[World]:
    """A node, seen from outside."""
    async with started_node(tmp_path) as (_, world):
        yield world
