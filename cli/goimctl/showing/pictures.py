"""Pictures for the demo, drawn here, so that none has to be shipped."""

from __future__ import annotations

import io
from random import Random


def landscape(seed: str, size: tuple[int, int] = (960, 600)) -> bytes:
    """Hills under a sky as JPEG, the same for the same seed."""
    from PIL import Image, ImageDraw

    chance = Random(seed)  # noqa: S311 a picture, not a secret
    width, height = size
    hue = chance.random()
    picture = Image.new("RGB", size)
    draw = ImageDraw.Draw(picture)
    for row in range(height):
        draw.line((0, row, width, row), fill=_colour(hue + 0.08 * row / height, 0.35, 1 - 0.25 * row / height))
    radius = height // 9
    x, y = chance.randrange(width // 5, width * 4 // 5), height // 4
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_colour(hue + 0.12, 0.12, 1))
    for layer in range(4):
        draw.polygon(_hills(chance, size, 0.45 + 0.14 * layer), fill=_colour(hue + 0.4, 0.45, 0.75 - 0.16 * layer))
    return _saved(picture, "JPEG")


def face(seed: str, size: int = 256) -> bytes:
    """A pattern of mirrored tiles as PNG, the same for the same seed."""
    from PIL import Image, ImageDraw

    chance = Random(seed)  # noqa: S311 a picture, not a secret
    hue = chance.random()
    picture = Image.new("RGB", (size, size), _colour(hue, 0.18, 0.97))
    draw = ImageDraw.Draw(picture)
    tile = size / 7
    for row in range(1, 6):
        for column in range(1, 4):
            if chance.random() < 0.55:
                for place in {column, 6 - column}:
                    box = (place * tile, row * tile, (place + 1) * tile, (row + 1) * tile)
                    draw.rectangle(box, fill=_colour(hue, 0.62, 0.72))
    return _saved(picture, "PNG")


def _hills(chance: Random, size: tuple[int, int], top: float) -> list[tuple[float, float]]:
    width, height = size
    ridge = [(width * step / 8, height * (top + chance.uniform(-0.09, 0.09))) for step in range(9)]
    return [(0, height), *ridge, (width, height)]


def _colour(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    import colorsys

    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return int(red * 255), int(green * 255), int(blue * 255)


def _saved(picture: object, kind: str) -> bytes:
    from PIL import Image

    assert isinstance(picture, Image.Image)
    out = io.BytesIO()
    picture.save(out, kind)
    return out.getvalue()
