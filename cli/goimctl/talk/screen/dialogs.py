"""Questions in the middle of the screen; Esc leaves each without an answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.suggester import Suggester
from textual.widgets import Input, Static

from goimctl.talk.attachments import path_of
from goimctl.talk.words import t

EMOJI = ("👍", "😂", "🎉", "😮", "😢", "🙏", "👀", "✅")
_LEAVE: list[BindingType] = [Binding("escape", "leave", t("Leave"))]


class Ask(ModalScreen[str]):
    """One line of an answer; "" if there is none."""

    BINDINGS: ClassVar[list[BindingType]] = _LEAVE

    def __init__(self, title: str, hint: str, value: str = "", suggester: Suggester | None = None) -> None:
        super().__init__()
        self._title, self._hint, self._value, self._suggester = title, hint, value, suggester

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(self._title, classes="dialog-title", markup=False)
            yield Input(self._value, suggester=self._suggester, select_on_focus=False, compact=True)
            yield Static(self._hint, classes="dialog-hint", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip())

    def action_leave(self) -> None:
        self.dismiss("")


class Paths(Suggester):
    """Completes the path of a file."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        path = path_of(value)
        is_folder = value.endswith("/")
        folder, start = (path, "") if is_folder else (path.parent, path.name)
        try:
            found = sorted(each for each in folder.iterdir() if each.name.startswith(start))
        except OSError:
            return None
        shown = [each for each in found if start or not each.name.startswith(".")]
        if not shown or not value:
            return None
        rest = shown[0].name[len(start) :] + ("/" if shown[0].is_dir() else "")
        return value + rest


class React(ModalScreen[str]):
    """An emoji: one of a few by its number, or any other by typing it."""

    BINDINGS: ClassVar[list[BindingType]] = _LEAVE

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(t("React"), classes="dialog-title")
            yield Static("  ".join(f"{number} {emoji}" for number, emoji in enumerate(EMOJI, start=1)))
            yield Input(placeholder=t("a number, or any emoji"), compact=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip())

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.value.isdecimal() and 0 < int(event.value) <= len(EMOJI):
            self.dismiss(EMOJI[int(event.value) - 1])

    def action_leave(self) -> None:
        self.dismiss("")


class Reading(ModalScreen[None]):
    """Lines to read."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,q,f1", "leave", t("Leave"))]

    def __init__(self, title: str, text: str | Table) -> None:
        super().__init__()
        self._title, self._text = title, text

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog -wide") as dialog:
            dialog.border_title, dialog.border_subtitle = self._title, t("Esc closes")
            yield Static(self._text, markup=False)

    def action_leave(self) -> None:
        self.dismiss(None)


def table_of(rows: Iterable[tuple[str, str]]) -> Table:
    """Two columns; what is too long for the terminal goes on below itself."""
    table = Table.grid("", "", padding=(0, 3, 0, 0))
    for left, right in rows:
        table.add_row(Text(left), Text(right))
    return table
