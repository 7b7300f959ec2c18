"""Blobs in memory: for tests."""

from __future__ import annotations

from obstore.store import MemoryStore

from goim.blobs.objects import ObjectBlobs


class MemoryBlobs(ObjectBlobs):
    """`Blobs` that are gone with the process."""

    def __init__(self) -> None:
        super().__init__(MemoryStore())
