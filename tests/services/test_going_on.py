"""What a node does again and again goes on, whatever goes wrong once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from goim.app.node import Node
from tests.fake_clock import FakeClock
from tests.node import started_node

Part = Callable[[Node], Any]
PARTS: dict[str, tuple[Part, str]] = {
    "sessions": (lambda node: node.services.sessions, "sweep"),
    "devices": (lambda node: node.services.devices, "flush"),
    "streams": (lambda node: node.services.streams, "save"),
    "what expired": (lambda node: node.services.specials._pending, "due"),
    "files": (lambda node: node.sweeper, "sweep"),
    "written behind": (lambda node: node._assembly.behind, "flush"),
    "search": (lambda node: node._assembly.indexer, "step"),
    "calls": (lambda node: node._assembly._shared.calls, "due"),
}


async def test_a_defect_ends_neither_what_is_done_again_and_again_nor_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, calls = FakeClock(), Counter[str]()

    def breaks_twice(name: str, really: Callable[..., Any]) -> Callable[..., Any]:
        async def broken(*args: Any, **named: Any) -> Any:
            calls[name] += 1
            if calls[name] <= 2:
                raise ZeroDivisionError(name)
            return await really(*args, **named)

        return broken

    async with started_node(tmp_path, clock=clock) as (node, people):
        device = await people.device(await people.person())
        for name, (find, method) in PARTS.items():
            monkeypatch.setattr(find(node), method, breaks_twice(name, getattr(find(node), method)))
        with capture_logs() as logs:
            while min(calls[name] for name in PARTS) < 4:
                clock.advance(3600)
                assert "timestamp" in await device.ask("ping")
        assert len([each for each in logs if each["log_level"] == "error" and each.get("exc_info")]) == 2 * len(PARTS)
