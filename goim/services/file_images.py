"""Looks at uploaded pictures, one at a time and in a thread: how large they are, and what they look like small."""

from __future__ import annotations

import asyncio
import warnings
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Self

import structlog
from msgspec import Struct
from PIL import Image, ImageOps

from goim.blobs.base import Blobs
from goim.model.files import IMAGES

MAX_PIXELS = 32_000_000  # 128 MB while it is unpacked
MAX_BYTES = 64 * 1024 * 1024
THUMBNAIL_PIXELS = 320
_TURNED = {5, 6, 7, 8}  # EXIF orientations that lie on their side
_ORIENTATION = 0x0112
_QUALITY = 80
_log = structlog.get_logger(__name__)

# A small file may unpack to gigabytes: Pillow warns above this and refuses above twice as much; here both refuse.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


class Picture(Struct, frozen=True):
    """How large it is shown, and a small copy (WebP, at most 320 pixels a side, without what the camera wrote)."""

    width: int
    height: int
    thumbnail: bytes


class Images:
    """Unpacks pictures, which needs much memory and is where decoders have their holes: bounded in every direction."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="images")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._thread.shutdown)

    async def look_at(self, path: str, size: int, mime_type: str) -> Picture | None:
        """What a blob of this type shows, or None if it is no whole picture or too large to unpack."""
        if size > MAX_BYTES:
            return None
        async with self._turn:  # before reading: only one picture is in the memory
            chunks = await self._blobs.get(path)
            if chunks is None:
                return None
            data = b"".join([chunk async for chunk in chunks])
            return await asyncio.get_running_loop().run_in_executor(self._thread, _unpacked, data, IMAGES[mime_type])


def _unpacked(data: bytes, kind: str) -> Picture | None:
    try:
        with Image.open(BytesIO(data), formats=[kind]) as image:
            return _picture_of(image)
    except Exception as error:  # noqa: BLE001 a broken picture makes decoders fail in any way
        _log.info("picture_refused", kind=kind, size=len(data), error=type(error).__name__)
        return None


def _picture_of(image: Image.Image) -> Picture:
    width, height = image.size
    if image.getexif().get(_ORIENTATION) in _TURNED:
        width, height = height, width
    small = _small(image)
    out = BytesIO()
    small.save(out, "WEBP", quality=_QUALITY)
    return Picture(width, height, out.getvalue())


def _small(image: Image.Image) -> Image.Image:
    """At most 320 pixels a side, the right way up, nothing in it but pixels."""
    image.draft("RGB", (2 * THUMBNAIL_PIXELS, 2 * THUMBNAIL_PIXELS))  # JPEG can be unpacked small at once
    kind = "RGBA" if image.has_transparency_data else "RGB"
    small = image if image.mode == kind else image.convert(kind)
    small.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    clean = Image.new(kind, small.size)
    clean.paste(small)
    clean.getexif()[_ORIENTATION] = image.getexif().get(_ORIENTATION, 1)
    return ImageOps.exif_transpose(clean)
