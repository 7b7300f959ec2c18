"""People's names are coloured, and everybody must be able to read them: WCAG 2.2 §1.4.3, 4.5 to 1."""

from __future__ import annotations

import re
from pathlib import Path

import goim

CSS = (Path(goim.__file__).parent / "web/static/css/base.css").read_text()
LEAST = 4.5


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_every_name_can_be_read_on_the_canvas_light_and_dark() -> None:
    pair = r"light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)"
    canvas = re.findall(rf"--canvas: {pair}", CSS)[0]
    names = re.findall(rf"\.name-\d \{{ color: {pair}", CSS)
    assert len(names) == 8
    for name in names:
        assert min(map(contrast, name, canvas)) >= LEAST, name
