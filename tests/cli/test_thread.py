"""The open conversation of `goimctl chat`, alone on a screen."""

from __future__ import annotations

from goimctl.talk.screen.drawing import Row
from goimctl.talk.screen.thread import Thread
from textual.app import App, ComposeResult
from textual.content import Content


class Alone(App[None]):
    def compose(self) -> ComposeResult:
        yield Thread()


def rows(first: int, last: int) -> list[Row]:
    return [Row(str(number), Content(f"row {number}"), "theirs") for number in range(first, last + 1)]


async def test_scrolling_while_earlier_rows_come_goes_on_from_where_one_was() -> None:
    app = Alone()
    async with app.run_test(size=(40, 20)) as pilot:
        thread = app.query_one(Thread)
        await thread.show(rows(51, 100))
        await pilot.pause()
        thread.scroll_to(y=25, animate=False)
        await pilot.pause()
        thread.scroll_page_up(animate=False)
        await thread.show(rows(1, 100))
        await pilot.pause()
        assert thread.scroll_y == 50 + 25 - 20
