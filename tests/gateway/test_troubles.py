"""What a client is told when something goes wrong here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from goim.app.node import Node
from goim.errors import StoreDown
from tests.client import Refused, World
from tests.node import started_node


@pytest.fixture(params=[True, False], ids=["direct", "asgi"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Node, World]]:
    async with started_node(tmp_path, is_direct=request.param) as (node, people):
        yield node, people


async def test_who_connects_while_the_database_is_away_is_told_to_come_again(
    place: tuple[Node, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    node, people = place
    ann = await people.person()  # their session is believed without asking

    async def away(_: str) -> list[str]:
        raise StoreDown("away")

    with monkeypatch.context() as patch:
        patch.setattr(node.services.access, "groups_of", away)
        with pytest.raises(InvalidStatus) as refused:
            await people.device(ann)
    assert refused.value.response.status_code == 503
    assert b'"code":"UNAVAILABLE"' in (refused.value.response.body or b"")
    assert node.services.delivery.users() == []
    assert "timestamp" in await (await people.device(ann)).ask("ping")


async def test_a_defect_is_answered_and_the_connection_goes_on(
    place: tuple[Node, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    node, people = place
    device = await people.device(await people.person())

    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(node.services.receipts, "mark_read", broken)
        with pytest.raises(Refused) as refused:
            await device.ask("read", {"convId": "c1", "seq": 1})
    assert refused.value.code == "INTERNAL"
    assert "ZeroDivisionError" not in str(refused.value.data)
    assert "timestamp" in await device.ask("ping")
