"""Light and dark, in the colours of the web client."""

from __future__ import annotations

from zlib import crc32

from textual.theme import Theme

DARK = Theme(
    name="goim-dark",
    primary="#8f8bf2",
    secondary="#aaa7f7",
    accent="#aaa7f7",
    warning="#ffd479",
    error="#ff8591",
    success="#5cd68a",
    foreground="#ebeaf2",
    background="#121118",
    surface="#16151d",
    panel="#24232e",
    dark=True,
    variables={
        "soft": "#a19fae",
        "line": "#3a3848",
        "chosen": "#2b2a4a",
        "on-accent": "#14131f",
        "warn-soft": "#3b2f12",
        "footer-background": "#16151d",
        "footer-key-foreground": "#aaa7f7",
    },
)
LIGHT = Theme(
    name="goim-light",
    primary="#5651cf",
    secondary="#443fb8",
    accent="#443fb8",
    warning="#7a4b00",
    error="#c02b3c",
    success="#15803d",
    foreground="#1d1c26",
    background="#ffffff",
    surface="#f7f6fb",
    panel="#ecebf5",
    dark=False,
    variables={
        "soft": "#65636f",
        "line": "#d6d3e2",
        "chosen": "#e3e1fd",
        "on-accent": "#ffffff",
        "warn-soft": "#fff3d6",
        "footer-background": "#f7f6fb",
        "footer-key-foreground": "#443fb8",
    },
)
THEMES = (DARK, LIGHT)
_DARK_NAMES = ("#8fb8ff", "#7fd6b0", "#f0a6ca", "#f2c078", "#b9a5ff", "#84d0e8", "#ff9e80", "#c5d86d")
_LIGHT_NAMES = ("#1f5fbf", "#0f766e", "#a3286a", "#8a5200", "#5b3cc4", "#0b6b88", "#b3401a", "#55661a")


def colour_of(user_id: str, *, dark: bool) -> str:
    """The same colour for the same person, everywhere and always."""
    colours = _DARK_NAMES if dark else _LIGHT_NAMES
    return colours[crc32(user_id.encode()) % len(colours)]


def likely(colours: str) -> str:
    """The theme for a terminal that tells its colours (`COLORFGBG`), as `0;15` on white; otherwise the dark one."""
    return LIGHT.name if colours.rpartition(";")[2] in {"7", "15"} else DARK.name
