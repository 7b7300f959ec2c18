"""`goimctl serve`: runs a node in this process until it is told to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from goimctl.options import load_settings
from goimctl.output import say

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


def serve(ctx: typer.Context) -> None:
    """Run a node: HTTP, WebSocket and what goes with them, until Ctrl-C or SIGTERM.

    Example: IM_LISTEN_ADDR=127.0.0.1:8080 goimctl serve
    """
    import asyncio

    from goim.app import serve as serve_node
    from goim.logs import configure

    settings = load_settings(ctx).settings
    configure(settings.log.level, settings.log.format)

    def started(url: str) -> None:
        say(f"goim listens on {url}")
        say(f"  its API    {url}/schema")
        say("  try it     goimctl users create alice && goimctl users create bob")
        say("             goimctl chat alice   (and in another terminal: goimctl chat bob)")
        say("  stop it    Ctrl-C")

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve_node(settings, started))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where there is one (not on Windows)."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
