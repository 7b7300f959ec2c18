"""A running node with an administrator on it, for the tests of `/api/admin`."""

from __future__ import annotations

from collections.abc import AsyncIterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from goim.app.node import Node
from tests.client import Envelope, Person, World
from tests.node import started_node


@dataclass
class Office:
    """`root` is an administrator; `acts` are what administrators did, as the log has it."""

    node: Node
    world: World
    root: Person
    log: list[MutableMapping[str, Any]]

    async def admin(self, name: str | None = None) -> Person:
        """One more."""
        person = await self.world.person(name)
        await self.node.services.accounts.make_admin(person.user_id)
        return person

    @property
    def acts(self) -> list[Envelope]:
        return [dict(entry) for entry in self.log if entry["event"].startswith("admin_act")]


@pytest.fixture(name="office")
async def open_office(tmp_path: Path) -> AsyncIterator[Office]:
    async with started_node(tmp_path) as (node, world):
        with capture_logs() as log:
            office = Office(node, world, await world.person("root"), log)
            await node.services.accounts.make_admin(office.root.user_id)
            yield office
