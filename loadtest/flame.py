"""Draws a profile of the node as a flame graph: each box is a function as wide as its time, below it those it called.

Colours are the steps of a message. A picture without a program in it: the functions' names and shares are its titles.
"""

from __future__ import annotations

import re
from html import escape

from loadtest.steps import step_of

_WIDTH, _ROW, _HEAD, _NARROWEST, _PER_LETTER = 1200.0, 17, 48, 1.5, 6.4
_START, _ROOT = "Runner.run ", "event loop"
_LINE = re.compile(r":\d+\)$")
_COLOURS = {
    "loop and read": "#c9c9c9",
    "parse": "#8ecae6",
    "decode": "#6fb1fc",
    "check": "#9bc53d",
    "authorise": "#5fad56",
    "append": "#e9724c",
    "ack": "#f2c14e",
    "push": "#f7b267",
    "write": "#c98bdb",
    "lists and watermarks": "#b8b08d",
    "other": "#e3e3e3",
}


class Box:
    """A function as it was called from the one above it; how often it was met, and for which steps."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.count = 0
        self.steps: dict[str, int] = {}
        self.calls: dict[str, Box] = {}

    def add(self, names: list[str], step: str, count: int) -> None:
        """Book a stack from here down."""
        self.count += count
        self.steps[step] = self.steps.get(step, 0) + count
        if names:
            self.calls.setdefault(names[0], Box(names[0])).add(names[1:], step, count)

    @property
    def step(self) -> str:
        """What most of its time went into, that of the event loop itself aside."""
        if self.name == _ROOT:
            return "loop and read"
        return max(self.steps, key=lambda step: self.steps[step])

    @property
    def depth(self) -> int:
        return 1 + max((each.depth for each in self.calls.values()), default=0)


def flame_graph(stacks: list[tuple[str, int]], title: str) -> str:
    """An SVG of stacks and how often they were met, from the event loop on."""
    root = Box(_ROOT)
    for stack, count in stacks:
        _, _, below = stack.partition(_START)
        names = [_LINE.sub(")", name) for name in below.split(";")[1:]]
        root.add(names, step_of(stack), count)
    height = _HEAD + root.depth * _ROW + 6
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:.0f} {height}" font-family="sans-serif" '
    body = [f'{head}font-size="11">', f'<rect width="{_WIDTH:.0f}" height="{height}" fill="#fff"/>']
    body += [f'<text x="4" y="15" font-size="13">{escape(title)}</text>', *_legend()]
    _draw(root, root.count or 1, 0.0, 0, body)
    return "\n".join([*body, "</svg>"]) + "\n"


def _legend() -> list[str]:
    drawn, x = [], 4.0
    for step, colour in _COLOURS.items():
        drawn.append(f'<rect x="{x:.0f}" y="24" width="10" height="10" fill="{colour}"/>')
        drawn.append(f'<text x="{x + 14:.0f}" y="33">{step}</text>')
        x += 30 + _PER_LETTER * len(step)
    return drawn


def _draw(box: Box, total: int, x: float, row: int, body: list[str]) -> None:
    """A box, and below it what it called, the dearest first; what would be too narrow to be seen is left out."""
    width = box.count / total * _WIDTH
    y = _HEAD + row * _ROW
    letters = int((width - 6) / _PER_LETTER)
    short = box.name.partition(" (")[0]
    label = short if len(short) <= letters else f"{short[: letters - 1]}…" if letters > 3 else ""
    body.append(
        f'<g><title>{escape(box.name)}: {box.count / total:.1%}</title><rect x="{x:.1f}" y="{y}" '
        f'width="{width:.1f}" height="{_ROW - 1}" fill="{_COLOURS[box.step]}" stroke="#fff" stroke-width=".5"/>'
        + (f'<text x="{x + 3:.1f}" y="{y + 12}">{escape(label)}</text>' if label else "")
        + "</g>"
    )
    for each in sorted(box.calls.values(), key=lambda one: -one.count):
        if each.count / total * _WIDTH >= _NARROWEST:
            _draw(each, total, x, row + 1, body)
        x += each.count / total * _WIDTH
