"""The open conversation: rows that come, change and grow in place, earlier ones when one scrolls up to them."""

from __future__ import annotations

import contextlib
from itertools import groupby
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.css.query import NoMatches
from textual.events import Click
from textual.message import Message as Posted
from textual.widget import MountError
from textual.widgets import Static

from goim.client.answers import Message
from goimctl.talk.screen.drawing import Row
from goimctl.talk.words import t

NEAR_TOP = 2


def while_it_stands() -> contextlib.AbstractContextManager[None]:
    """The last frame may be due when all is being taken down already."""
    return contextlib.suppress(NoMatches, MountError)


class RowView(Static):
    """One row on the screen."""

    def __init__(self, row: Row) -> None:
        super().__init__(row.content, classes=_classes(row), markup=False)
        self.row = row

    def show(self, row: Row) -> None:
        """Show what has become of it, if anything has."""
        if row is self.row:
            return
        if not row.content.is_same(self.row.content):
            self.update(row.content)
        if _classes(row) != _classes(self.row):
            self.set_class(row.is_head, "-head")
        self.row = row


def _classes(row: Row) -> str:
    return f"-{row.kind} -head" if row.is_head else f"-{row.kind}"


class Thread(VerticalScroll):
    """Stays at its end unless somebody scrolls up. With the focus here, the keys below work on the chosen message."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "choose(-1)", t("Earlier"), show=False),
        Binding("down,j", "choose(1)", t("Later"), show=False),
        Binding("enter,r", "do('reply')", t("Reply")),
        Binding("f", "do('forward')", t("Forward")),
        Binding("e", "do('edit')", t("Edit")),
        Binding("d,delete", "do('recall')", t("Take back")),
        Binding("x", "do('react')", t("React")),
        Binding("s", "do('save')", t("Save file")),
        Binding("c", "do('copy')", t("Copy")),
        Binding("w", "do('readers')", t("Who read it"), show=False),
        Binding("escape,i", "do('leave')", t("Write")),
    ]

    class Wanted(Posted):
        """Something is to be done with the chosen message."""

        def __init__(self, act: str, message: Message | None) -> None:
            super().__init__()
            self.act = act
            self.message = message

    class NearTop(Posted):
        """Somebody has scrolled up to where no more is loaded."""

    class AtEnd(Posted):
        """The latest is on the screen again."""

    def __init__(self) -> None:
        super().__init__(id="thread")
        self.can_focus = True
        self._rows: dict[str, RowView] = {}
        self._chosen: str | None = None
        self._held: float | None = None  # how far above the end one reads while earlier rows come

    # showing

    async def show(self, rows: list[Row]) -> None:
        """Show these in the place of those before; what is visible stays where it is."""
        wanted = {row.key: row for row in rows}
        kept = [key for key in self._rows if key in wanted]
        if kept != [row.key for row in rows if row.key in self._rows]:
            kept = []  # they have changed places, which hardly ever happens
        gone = [self._rows.pop(key) for key in set(self._rows) - set(kept)]
        latest = rows.index(wanted[kept[-1]]) if kept else 0
        is_earlier = any(row.key not in self._rows for row in rows[:latest])
        if is_earlier and not self.is_at_end:
            self._held = self.max_scroll_y - self.scroll_y
        with self.app.batch_update():
            if gone:
                await self.remove_children(gone)
            for key in kept:
                self._rows[key].show(wanted[key])
            await self._mount_new(rows)
        self._rows = {row.key: self._rows[row.key] for row in rows}
        if self._held is not None:
            self.call_after_refresh(self._release)

    async def _mount_new(self, rows: list[Row]) -> None:
        """Each run of new rows behind the one that it follows."""
        last: RowView | None = None
        for is_new, run in groupby(rows, lambda row: row.key not in self._rows):
            views = [RowView(row) if is_new else self._rows[row.key] for row in run]
            if is_new:
                await self.mount_all(views, after=last) if last else await self.mount_all(views, before=0)
                self._rows |= {view.row.key: view for view in views}
            last = views[-1]

    @property
    def is_at_end(self) -> bool:
        return self.max_scroll_y <= 0 or self.scroll_y >= self.max_scroll_y - 1

    def scroll_to(self, x: float | None = None, y: float | None = None, **options: Any) -> None:
        """At once: a little later it would be another place, if earlier rows come above meanwhile."""
        super().scroll_to(x, y, **(options | {"immediate": True}))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if self._held is not None:  # somebody scrolls on meanwhile
            self._held = self.max_scroll_y - new_value
        if new_value <= NEAR_TOP and self._rows and self._held is None:
            self.post_message(self.NearTop())
        if self.is_at_end:
            self.post_message(self.AtEnd())

    def watch_virtual_size(self) -> None:
        """Earlier rows have their place above now: stay with those that were visible."""
        if self._held is not None:
            self.scroll_to(y=self.max_scroll_y - self._held, animate=False)

    def _release(self) -> None:
        self._held = None
        if self.scroll_y <= NEAR_TOP:
            self.post_message(self.NearTop())

    # choosing

    @property
    def chosen(self) -> Message | None:
        view = self._rows.get(self._chosen or "")
        return view.row.message if view else None

    def on_focus(self) -> None:
        if self.chosen is None:
            self.action_choose(-1)

    def on_blur(self) -> None:
        self._choose(None)

    def on_click(self, event: Click) -> None:
        view = event.widget
        if isinstance(view, RowView) and view.row.message is not None:
            self._choose(view.row.key)

    def action_choose(self, step: int) -> None:
        """Go to the message before or after; past the last one back to writing."""
        keys = [key for key, view in self._rows.items() if view.row.message is not None]
        if not keys:
            return
        at = keys.index(self._chosen) + step if self._chosen in keys else len(keys) - 1
        if at >= len(keys):
            self.action_do("leave")
            return
        self._choose(keys[max(at, 0)])
        self._rows[keys[max(at, 0)]].scroll_visible(animate=False)

    def choose_message(self, seq: int) -> None:
        """Choose the message with this number, and see it."""
        for key, view in self._rows.items():
            if view.row.message is not None and view.row.message.seq == seq:
                self.focus()
                self._choose(key)
                self.call_after_refresh(view.scroll_visible, animate=False)

    def _choose(self, key: str | None) -> None:
        for each, chosen in ((self._chosen, False), (key, True)):
            if each in self._rows:
                self._rows[each].set_class(chosen, "-chosen")
        self._chosen = key

    def action_do(self, act: str) -> None:
        self.post_message(self.Wanted(act, self.chosen))
