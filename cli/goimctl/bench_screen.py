"""What `goimctl bench` shows while it runs: on a terminal a live table, elsewhere a line for each step."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from goimctl.output import say

if TYPE_CHECKING:
    from rich.live import Live

    from loadtest.live import Live as Figures


class Screen:
    """On stderr: stdout is for the report."""

    def __init__(self) -> None:
        self._live: Live | None = None
        self._said = ""

    def say(self, text: str) -> None:
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False)
        else:
            say(text)

    def step(self, what: str, done: int, total: int) -> None:
        """A preparation goes on."""
        if sys.stderr.isatty():
            self._show(f"{what}: {done} of {total}")
        elif what != self._said:
            say(f"{what} …")
        self._said = what

    def live(self, figures: Figures) -> None:
        """The run itself goes on."""
        if sys.stderr.isatty():
            self._show(figures.table())
        elif figures.phase.partition(",")[0] != self._said:
            self._said = figures.phase.partition(",")[0]
            say(f"{self._said} …")

    def close(self) -> None:
        """What was shown makes room for the report."""
        if self._live is not None:
            self._live.stop()

    def _show(self, what: object) -> None:
        from rich.console import Console
        from rich.live import Live

        if self._live is None:
            self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(what, refresh=True)  # type: ignore[arg-type]  # a table or a line
