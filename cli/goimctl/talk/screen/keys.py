"""What the keys do, as F1 tells it."""

from __future__ import annotations

from goimctl.talk.commands import COMMANDS
from goimctl.talk.words import t

KEYS = (
    ("Enter", "send; in the list: open"),
    ("Ctrl+J", "a new line"),
    ("@… Tab", "mention a member of the group"),
    ("Ctrl+K", "go to a conversation, a person, or what was said; answer requests"),
    ("Alt+↑  Alt+↓", "the conversation above or below"),
    ("PgUp  PgDn", "scroll; further up comes what was said earlier"),
    ("↑", "in an empty field: choose a message, then"),
    ("  Enter  F  E  D", "  reply, forward, edit, take back"),
    ("  X  S  C  W", "  react, save its file, copy, see who read it"),
    ("Ctrl+O", "send a picture or another file"),
    ("Esc", "give up a reply or an edit; otherwise: to the list"),
    ("F2", "light or dark"),
    ("Ctrl+P", "everything else by its name"),
    ("Ctrl+Q", "leave (Ctrl+D in an empty field does, too)"),
)


def all_of_them() -> list[tuple[str, str]]:
    """The keys, a gap, the commands, each with what it does."""
    keys = [(key, t(does)) for key, does in KEYS]
    return [*keys, ("", ""), *((entry.usage, t(entry.meaning)) for entry in COMMANDS.values())]
