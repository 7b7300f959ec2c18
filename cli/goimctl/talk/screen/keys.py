"""What the keys do, as F1 tells it, and what Ctrl+P finds."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from textual.app import SystemCommand

from goimctl.talk.commands import COMMANDS

if TYPE_CHECKING:
    from goimctl.talk.screen.app import ChatApp

KEYS = (
    ("Enter", "send; in the list: open"),
    ("Ctrl+J", "a new line"),
    ("@… Tab", "mention a member of the group"),
    ("Ctrl+K", "go to a conversation, a person, or what was said; answer requests"),
    ("Alt+↑  Alt+↓", "the conversation above or below"),
    ("PgUp  PgDn", "scroll; further up comes what was said earlier"),
    ("↑", "in an empty field: choose a message, then"),
    ("  Enter  E  D", "  reply, edit, take back"),
    ("  X  S  C  W", "  react, save its file, copy, see who read it"),
    ("Ctrl+O", "send a picture or another file"),
    ("Esc", "give up a reply or an edit; otherwise: to the list"),
    ("F2", "light or dark"),
    ("Ctrl+P", "everything else by its name"),
    ("Ctrl+Q", "leave (Ctrl+D in an empty field does, too)"),
)


def commands_of(app: ChatApp) -> Iterable[SystemCommand]:
    """The keys by their names, and the commands, ready to be completed."""
    yield SystemCommand("Light or dark", "Change the colours", app.action_theme)
    yield SystemCommand("Keys", "What the keys do", app.action_help)
    yield SystemCommand("Send a file", "A picture or anything else", app.action_send_file)
    for name, entry in COMMANDS.items():
        yield SystemCommand(entry.usage, entry.meaning, partial(app.write, f"/{name} "))
