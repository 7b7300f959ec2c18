"""What a node does again and again goes on, whatever goes wrong once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from goim.livecalls.memory import MemoryLiveCalls
from goim.services.behind import Behind
from goim.services.devices import DeviceBook
from goim.services.file_sweep import FileSweeper
from goim.services.search_indexer import SearchIndexer
from goim.services.sessions import SessionDesk
from goim.services.streams import Streams
from goim.stores.sql import SqlPending
from tests.fake_clock import FakeClock
from tests.node import started_node

YEARS = 1e9
PARTS: dict[str, tuple[type, str]] = {
    "sessions": (SessionDesk, "sweep"),
    "devices": (DeviceBook, "flush"),
    "streams": (Streams, "save"),
    "what expired": (SqlPending, "due"),
    "files": (FileSweeper, "sweep"),
    "written behind": (Behind, "flush"),
    "search": (SearchIndexer, "step"),
    "calls": (MemoryLiveCalls, "due"),
}


async def test_a_defect_ends_neither_what_is_done_again_and_again_nor_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, calls, has_begun = FakeClock(), Counter[str](), False

    def breaks_twice(name: str, really: Callable[..., Any]) -> Callable[..., Any]:
        async def broken(*args: Any, **named: Any) -> Any:
            calls[name] += has_begun
            if has_begun and calls[name] <= 2:
                raise ZeroDivisionError(name)
            return await really(*args, **named)

        return broken

    for name, (kind, method) in PARTS.items():
        monkeypatch.setattr(kind, method, breaks_twice(name, getattr(kind, method)))
    async with started_node(tmp_path, clock=clock, auth={"token_ttl": YEARS}) as (_, people):  # time flies here
        ann, bob = await people.friends(None, None)
        device = await people.device(ann)
        with capture_logs() as logs:
            has_begun = True
            while min(calls[name] for name in PARTS) < 4:
                clock.advance(3600)
                assert "seq" in await device.ask("send", ann.text(bob, "on and on"))
        assert len([each for each in logs if each["log_level"] == "error" and each.get("exc_info")]) == 2 * len(PARTS)
