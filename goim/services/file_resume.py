"""Uploads in pieces, which go on where they broke off: on any node, after any crash.

All there is of one lies in the blobs: a note of what it will be, and the pieces that have come, each under the offset
where it begins. Pieces follow each other without a gap, so where they end is where the upload goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from weakref import WeakValueDictionary

import msgspec
from msgspec import Struct

from goim.blobs.base import Blobs
from goim.clock import Clock
from goim.config.settings import Files as Rules
from goim.errors import ErrorCode, GoimError, StoreDown, invalid, not_found
from goim.ids import new_id
from goim.model.files import PARTIAL, safe_name
from goim.services.files import FileDesk, FileView
from goim.stores.base import Taken

_PIECE_BYTES = 4 * 1024 * 1024
_MAX_SMALL_PIECES = 1000
_NOTE = "note"
_MAX_ID = 64


class _Note(Struct, frozen=True):
    """What an upload will be."""

    owner_id: str
    name: str
    length: int
    expires_at: int


class Partial(Struct, frozen=True, kw_only=True):
    """How far an upload has come. `file` is what became of it, when it is complete. Its id becomes the file's."""

    upload_id: str
    offset: int
    length: int
    expires_at: int | None
    file: FileView | None = None


class PartialUploads:
    """Takes files in piece by piece; somebody else's upload is as good as none."""

    def __init__(self, desk: FileDesk, blobs: Blobs, clock: Clock, rules: Rules) -> None:
        self._desk = desk
        self._blobs = blobs
        self._clock = clock
        self._rules = rules
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def create(self, user_id: str, length: int, name: str) -> Partial:
        """Begin an upload of `length` bytes."""
        if length > self._desk.max_bytes:
            raise GoimError(ErrorCode.TOO_LARGE, f"a file has at most {self._desk.max_bytes} bytes")
        upload_id = new_id()
        expires_at = self._clock.now_ms() + int(self._rules.upload_ttl * 1000)
        note = _Note(user_id, safe_name(name), length, expires_at)
        await self._blobs.create(_path(upload_id, _NOTE), msgspec.json.encode(note))
        return await self._standing(user_id, upload_id, note, {})

    async def status(self, user_id: str, upload_id: str) -> Partial:
        """How far it has come. One that is complete is a file then, if it was not before."""
        found = await self._find(user_id, upload_id)
        return found if isinstance(found, Partial) else await self._standing(user_id, upload_id, *found)

    async def append(self, user_id: str, upload_id: str, offset: int, chunks: AsyncIterable[bytes]) -> Partial:
        """Go on at `offset`, which must be where it ends. What has come when `chunks` ends is kept, however little."""
        found = await self._find(user_id, upload_id)
        if isinstance(found, Partial):
            _check_offset(offset, found.offset)
            return found
        note, pieces = found
        _check_offset(offset, _end_of(pieces))
        if len(pieces) >= _MAX_SMALL_PIECES + note.length // _PIECE_BYTES:
            raise invalid("this upload comes in too many pieces")
        async for piece in _in_pieces(chunks):
            if offset + len(piece) > note.length:
                raise GoimError(ErrorCode.TOO_LARGE, f"this upload has {note.length} bytes")
            if not await self._blobs.create(_path(upload_id, f"{offset}"), piece):
                raise GoimError(ErrorCode.ALREADY_EXISTS, "another request has gone on with this upload")
            pieces[offset] = len(piece)
            offset += len(piece)
        return await self._standing(user_id, upload_id, note, pieces)

    async def terminate(self, user_id: str, upload_id: str) -> None:
        """Give an upload up and forget what has come."""
        if await self._note(user_id, upload_id) is None:
            raise not_found("upload")
        await self._forget(upload_id)

    async def _find(self, user_id: str, upload_id: str) -> Partial | tuple[_Note, dict[int, int]]:
        """The note and the pieces of an upload, or what became of it."""
        note = await self._note(user_id, upload_id)
        pieces = {} if note is None else await self._pieces(upload_id)
        finished = await self._finished(user_id, upload_id)  # last: pieces go when the file is there, on any node
        if finished is not None:
            return finished
        if note is None:
            raise not_found("upload")
        return note, pieces

    async def _standing(self, user_id: str, upload_id: str, note: _Note, pieces: dict[int, int]) -> Partial:
        end = _end_of(pieces)
        return Partial(
            upload_id=upload_id,
            offset=end,
            length=note.length,
            expires_at=note.expires_at,
            file=await self._finish(user_id, upload_id, note, pieces) if end == note.length else None,
        )

    async def _finish(self, user_id: str, upload_id: str, note: _Note, pieces: dict[int, int]) -> FileView:
        """Make the file of the pieces. Of several who want to, on whatever node, one does."""
        turn = self._turns.setdefault(upload_id, asyncio.Lock())
        async with turn:
            finished = await self._finished(user_id, upload_id)
            if finished is not None and finished.file is not None:
                return finished.file
            try:
                file = await self._desk.keep(user_id, upload_id, note.name, self._joined(upload_id, pieces))
            except Taken:
                file = await self._desk.own(user_id, upload_id)
            await self._forget(upload_id)
            return file

    async def _joined(self, upload_id: str, pieces: dict[int, int]) -> AsyncIterator[bytes]:
        offset = 0
        while offset in pieces:
            chunks = await self._blobs.get(_path(upload_id, f"{offset}"))
            if chunks is None:
                raise StoreDown("another node is finishing this upload")
            async for chunk in chunks:
                yield chunk
            offset += pieces[offset]

    async def _finished(self, user_id: str, upload_id: str) -> Partial | None:
        try:
            file = await self._desk.own(user_id, upload_id)
        except GoimError:
            return None
        return Partial(upload_id=upload_id, offset=file.size, length=file.size, expires_at=None, file=file)

    async def _note(self, user_id: str, upload_id: str) -> _Note | None:
        """The note of one's own upload, if its time is not over."""
        if not upload_id.isalnum() or not upload_id.isascii() or len(upload_id) > _MAX_ID:
            return None
        chunks = await self._blobs.get(_path(upload_id, _NOTE))
        if chunks is None:
            return None
        note = msgspec.json.decode(b"".join([chunk async for chunk in chunks]), type=_Note)
        return note if note.owner_id == user_id and note.expires_at > self._clock.now_ms() else None

    async def _pieces(self, upload_id: str) -> dict[int, int]:
        """Sizes of the pieces by where they begin."""
        pieces = {}
        async for some in self._blobs.list(_path(upload_id, "").rstrip("/")):
            for blob in some:
                name = blob.path.rpartition("/")[2]
                if name != _NOTE:
                    pieces[int(name)] = blob.size
        return pieces

    async def _forget(self, upload_id: str) -> None:
        pieces = await self._pieces(upload_id)
        # The note last: what is left when this is interrupted is still an upload that can be ended.
        await self._blobs.delete([_path(upload_id, f"{offset}") for offset in pieces])
        await self._blobs.delete([_path(upload_id, _NOTE)])


def _path(upload_id: str, name: str) -> str:
    return f"{PARTIAL}{upload_id}/{name}"


def _end_of(pieces: dict[int, int]) -> int:
    end = 0
    while pieces.get(end):
        end += pieces[end]
    return end


def _check_offset(offset: int, end: int) -> None:
    if offset != end:
        raise GoimError(ErrorCode.ALREADY_EXISTS, f"the upload goes on at {end}")


async def _in_pieces(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of some megabytes, the last one smaller; none of them empty."""
    piece = bytearray()
    async for chunk in chunks:
        piece += chunk
        if len(piece) >= _PIECE_BYTES:
            yield bytes(piece)
            piece = bytearray()
    if piece:
        yield bytes(piece)
