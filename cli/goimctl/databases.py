"""Opens the configured databases for commands that look at them from below the services."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from goim.app.databases import Database
    from goim.config import Settings


@contextlib.asynccontextmanager
async def databases(settings: Settings, *, only_look: bool) -> AsyncIterator[tuple[Database, ...]]:
    """The databases, nothing migrated. `only_look`: where there are none yet, empty ones that go away again."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from goim.app.storage import open_databases

    async with contextlib.AsyncExitStack() as stack:
        if only_look and not settings.server.data_dir.exists():
            elsewhere = stack.enter_context(TemporaryDirectory(prefix="goimctl-"))
            server = settings.server.model_copy(update={"data_dir": Path(elsewhere)})
            settings = settings.model_copy(update={"server": server})
        yield await stack.enter_async_context(open_databases(settings))
