"""A node's files over the stores in memory, with time that stands still."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any, cast

import pytest
from PIL import Image

from goim.blobs.memory import MemoryBlobs
from goim.config.settings import Files as Rules
from goim.model.conversations import c2c
from goim.services.file_grants import FileGrants
from goim.services.file_images import Images
from goim.services.file_links import LinkSigner
from goim.services.file_resume import PartialUploads
from goim.services.file_sweep import FileSweeper
from goim.services.files import FileDesk, FileView
from goim.stores.base import Users
from goim.stores.memory_conversations import MemoryConversations
from goim.stores.memory_data import MemoryData
from goim.stores.memory_files import MemoryFiles, MemoryGrants
from tests.fake_clock import FakeClock


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def picture(kind: str = "PNG", mode: str = "RGB", size: tuple[int, int] = (640, 480), **options: Any) -> bytes:
    """A picture whose upper left quarter is red."""
    image = Image.new(mode, size)
    if mode in ("RGB", "RGBA"):
        image.paste((255, 0, 0), (0, 0, size[0] // 2, size[1] // 2))
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


class Cabinet:
    """Everything about files under one roof. `now` is the machine's time, which the blobs are dated with."""

    def __init__(self, **rules: Any) -> None:
        self.clock = FakeClock(int(time.time_ns() // 1_000_000))
        self.rules = Rules.model_validate(rules)
        data = MemoryData()
        self.files, self.grants = MemoryFiles(data), MemoryGrants(data)
        self.conversations = MemoryConversations(data)
        self.blobs = MemoryBlobs()
        self.images = Images(self.blobs)
        self.signer = LinkSigner(["secret"])
        self.erased: set[str] = set()
        self.desk = FileDesk(
            self.files, self.grants, self.blobs, self.images, self.signer, self.clock, self.rules, cast(Users, self)
        )
        self.sharing = FileGrants(self.grants, self.clock, public_url="https://chat.example/")
        self.partial = PartialUploads(self.desk, self.blobs, self.clock, self.rules)
        self.sweeper = FileSweeper(self.files, self.blobs, self.clock, self.rules)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Cabinet]:
        async with self.images, self.sharing.batches.running():
            yield self

    async def get(self, user_id: str) -> object | None:
        """An account: everybody has one who is not erased."""
        return None if user_id in self.erased else self

    async def upload(self, owner: str = "ann", data: bytes = b"some bytes", name: str = "a.bin") -> FileView:
        return await self.desk.upload(owner, name, pieces(data))

    async def talk(self, one: str, other: str) -> str:
        """The conversation of a pair."""
        return (await self.conversations.create(c2c(one, other, created_at=1))).conv_id

    async def stored(self, folder: str = "") -> set[str]:
        """Where there are bytes."""
        return {blob.path async for some in self.blobs.list(folder) for blob in some}

    async def bytes_at(self, path: str) -> bytes:
        chunks = await self.blobs.get(path)
        assert chunks is not None
        return b"".join([chunk async for chunk in chunks])

    async def read(self, address: str, user_id: str | None = "ann") -> bytes:
        """All the bytes at an address."""
        opened = await self.desk.open(address.removeprefix("/files/"), user_id, None)
        return b"".join([chunk async for chunk in await self.desk.read(opened, 0, opened.size)])


@pytest.fixture(name="cabinet")
async def open_cabinet() -> AsyncIterator[Cabinet]:
    async with Cabinet().open() as cabinet:
        yield cabinet
