"""Where one writes: Enter sends, and everything else is as in any other text field."""

from __future__ import annotations

import re
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.events import Key
from textual.message import Message as Posted
from textual.widgets import TextArea

from goimctl.talk.words import t

_BEGUN = re.compile(r"@(\w*)$")


class Composer(TextArea):
    """Several lines when they are needed. What an input method commits or the clipboard holds comes in as it is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", t("Send")),
        Binding("ctrl+j,shift+enter,alt+enter", "new_line", t("New line"), key_display="^j"),
        Binding("pageup", "scroll_thread(-1)", t("Scroll"), show=False, priority=True),
        Binding("pagedown", "scroll_thread(1)", t("Scroll"), show=False, priority=True),
        Binding("escape", "give_up", t("Give up"), show=False),
    ]

    class Submitted(Posted):
        """Something is to be sent, or obeyed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Left(Posted):
        """The person looks elsewhere: `up` at what was said, `away` from what was being done, or has `had_enough`."""

        def __init__(self, where: str) -> None:
            super().__init__()
            self.where = where

    class Scrolled(Posted):
        """The conversation is to be scrolled by pages."""

        def __init__(self, pages: int) -> None:
            super().__init__()
            self.pages = pages

    class Completing(Posted):
        """A name is to be completed that begins like this."""

        def __init__(self, start: str) -> None:
            super().__init__()
            self.start = start

    def __init__(self) -> None:
        super().__init__(id="composer", compact=True, highlight_cursor_line=False, soft_wrap=True)

    def action_submit(self) -> None:
        text = self.text
        self.clear()
        self.post_message(self.Submitted(text))

    def action_new_line(self) -> None:
        self.insert("\n")

    def action_scroll_thread(self, pages: int) -> None:
        self.post_message(self.Scrolled(pages))

    def action_give_up(self) -> None:
        self.post_message(self.Left("away"))

    async def on_key(self, event: Key) -> None:
        """Enter takes its turn behind what came before it, be it a paste. In an empty field two keys lead elsewhere."""
        if event.key == "enter":
            event.prevent_default()
            event.stop()
            self.action_submit()
            return
        begun = _BEGUN.search(self.get_text_range((self.cursor_location[0], 0), self.cursor_location))
        if event.key == "tab" and begun:
            event.prevent_default()
            event.stop()
            self.post_message(self.Completing(begun[1]))
            return
        where = {"up": "up", "ctrl+d": "had_enough"}.get(event.key)
        if where is not None and not self.text:
            event.prevent_default()
            event.stop()
            self.post_message(self.Left(where))
