"""Files: taken in with what they are found to be, listed, linked, given to those who may read them, deleted."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator

import filetype  # type: ignore[import-untyped] # it has no types
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from goim.blobs.base import Blobs
from goim.clock import Clock
from goim.config.settings import Files as Rules
from goim.errors import ErrorCode, GoimError, not_found
from goim.ids import new_id
from goim.model.files import (
    IMAGES,
    INLINE,
    PLAIN,
    TEXT,
    StoredFile,
    blob_path,
    disposition,
    is_text,
    safe_name,
    without_pictures,
)
from goim.services.file_images import Images
from goim.services.file_links import LinkSigner, Signature
from goim.stores.base import Files, Grants, Users

MAX_LIMIT = 100
_SNIFFED_BYTES = 8192
_ERASED_AT_ONCE = 200
_SMALL = "image/webp"
_OTHER_NAMES = {"audio/x-wav": "audio/wav", "image/apng": "image/png"}


class FileView(Struct, frozen=True, kw_only=True, rename="camel"):
    """A file as its owner sees it. `expiresAt` is null when it is kept; the last three only pictures have."""

    file_id: str
    url: str
    file_name: str
    size: int
    mime_type: str
    created_at: int
    expires_at: int | None
    width: int | UnsetType = UNSET
    height: int | UnsetType = UNSET
    thumbnail: str | UnsetType = UNSET


class Link(Struct, frozen=True, kw_only=True, rename="camel"):
    """Addresses that anybody may open until `expiresAt`."""

    url: str
    expires_at: int
    thumbnail: str | UnsetType = UNSET


class Opened(Struct, frozen=True, kw_only=True):
    """Bytes that somebody may read: all about them that their answer needs."""

    path: str
    size: int
    name: str
    mime_type: str
    etag: str

    @property
    def disposition(self) -> str:
        """Whether browsers may show it by themselves, and under which name they save it."""
        return disposition(self.name, is_inline=self.mime_type in INLINE)


class FileDesk:
    """Everything that people do with files but sending them (see `file_grants`)."""

    def __init__(
        self,
        files: Files,
        grants: Grants,
        blobs: Blobs,
        images: Images,
        signer: LinkSigner,
        clock: Clock,
        rules: Rules,
        users: Users,
    ) -> None:
        self._users = users
        self._files = files
        self._grants = grants
        self._blobs = blobs
        self._images = images
        self._signer = signer
        self._clock = clock
        self._rules = rules

    # coming in

    @property
    def max_bytes(self) -> int:
        """The largest file that is taken."""
        return self._rules.max_bytes

    async def upload(self, user_id: str, name: str, chunks: AsyncIterable[bytes]) -> FileView:
        """Take a file in; `TOO_LARGE` as soon as it is. What it is, its bytes say, never the sender."""
        return await self.keep(user_id, new_id(), name, chunks)

    async def keep(self, user_id: str, file_id: str, name: str, chunks: AsyncIterable[bytes]) -> FileView:
        """The same under an id that was given before; `Taken` if that is a file already."""
        begun = await _begin(chunks)
        file = StoredFile(
            file_id=file_id,
            owner_id=user_id,
            path=blob_path(file_id),
            name=safe_name(name),
            size=0,
            mime_type=_type_of(begun.head),
            created_at=self._clock.now_ms(),
            expires_at=self._expiry(self._clock.now_ms()),
        )
        size = await self._blobs.put(file.path, begun.all(), self._rules.max_bytes, _headers(file.mime_type, file.name))
        file = await self._looked_at(replace(file, size=size))
        await self._files.add(file)  # last: what is listed is there; what this leaves behind when it fails is swept
        if await self._users.get(user_id) is None:  # erased while it came; or else it is erased after this
            await self._remove([file])
            raise GoimError(ErrorCode.UNAUTHORIZED, "this account is closed")
        return self.view(file)

    async def _looked_at(self, file: StoredFile) -> StoredFile:
        """With the measures and the thumbnail of a picture; what is called one and is none becomes plain bytes."""
        if file.mime_type not in IMAGES:
            return file
        picture = await self._images.look_at(file.path, file.size, file.mime_type)
        if picture is None:
            return replace(file, mime_type=PLAIN)
        thumbnail = f"{file.path}.thumbnail"
        small = picture.thumbnail
        await self._blobs.put(thumbnail, _once(small), len(small), _headers(_SMALL, f"{file.name}.webp"))
        return replace(file, width=picture.width, height=picture.height, thumbnail=thumbnail)

    def _expiry(self, created_at: int) -> int | None:
        return created_at + int(self._rules.retention * 1000) if self._rules.retention else None

    # one's own

    async def page(self, user_id: str, limit: int, offset: int) -> list[FileView]:
        """One's own files, latest first."""
        found = await self._files.page(user_id, min(limit, MAX_LIMIT), offset)
        return [self.view(file) for file in found if not self._is_over(file)]

    async def own(self, user_id: str, file_id: str) -> FileView:
        """One of one's own files; `NOT_FOUND` for any other."""
        return self.view(await self._own(user_id, file_id))

    async def delete(self, user_id: str, file_id: str) -> None:
        """Delete one of one's own files, for everybody."""
        await self._remove([await self._own(user_id, file_id)])

    async def erase(self, user_id: str) -> None:
        """Delete all files of somebody whose account is erased."""
        while found := await self._files.page(user_id, _ERASED_AT_ONCE, 0):
            await self._remove(found)

    async def _own(self, user_id: str, file_id: str) -> StoredFile:
        file = await self._there(file_id)
        if file.owner_id != user_id:
            raise not_found("file")
        return file

    async def _remove(self, found: list[StoredFile]) -> None:
        await self._files.delete([file.file_id for file in found])  # first: bytes without a row are swept, if need be
        await self._blobs.delete([path for file in found for path in file.blobs])

    def view(self, file: StoredFile) -> FileView:
        """As its owner sees it."""
        return FileView(
            file_id=file.file_id,
            url=file.url,
            file_name=file.name,
            size=file.size,
            mime_type=file.mime_type,
            created_at=file.created_at,
            expires_at=self._over_at(file),
            width=UNSET if file.width is None else file.width,
            height=UNSET if file.height is None else file.height,
            thumbnail=file.thumbnail_url or UNSET,
        )

    # reading

    async def link(self, user_id: str, file_id: str) -> Link:
        """A link to a file that one may read, for whoever gets it. It stays good, whatever becomes of that right."""
        file = await self._there(file_id)
        await self._check_readable(user_id, file)
        expires = self._clock.now_ms() + int(self._rules.link_ttl * 1000)
        signature = self._signer.sign(file.file_id, expires)
        thumbnail = file.thumbnail_url
        return Link(
            url=f"{file.url}?{signature}",
            expires_at=expires,
            thumbnail=f"{thumbnail}?{signature}" if thumbnail else UNSET,
        )

    async def open(self, address: str, user_id: str | None, signature: Signature | None) -> Opened:
        """What is at an address below `/files/`, if a signature or this user may have it; else `NOT_FOUND`."""
        file_id, _, rest = address.partition("/")
        file = await self._there(file_id)
        path = file.blob_at(rest)
        if path is None:
            raise not_found("file")
        if signature is None or not self._signer.is_good(file_id, signature, self._clock.now_ms()):
            await self._check_readable(user_id, file)
        return await self._opened(file, path)

    async def read(self, opened: Opened, start: int, end: int) -> AsyncIterator[bytes]:
        """Some of its bytes."""
        if start == end:
            return _once(b"")
        chunks = await self._blobs.get(opened.path, start, end)
        if chunks is None:
            raise not_found("file")
        return chunks

    async def presigned(self, opened: Opened) -> str | None:
        """Where it can be had without this server, if anywhere."""
        return await self._blobs.presigned(opened.path, self._rules.link_ttl)

    async def _opened(self, file: StoredFile, path: str) -> Opened:
        if path == file.path:
            return Opened(path=path, size=file.size, name=file.name, mime_type=file.mime_type, etag=f'"{file.file_id}"')
        size = await self._blobs.size(path)
        if size is None:
            raise not_found("file")
        name, etag = f"{file.name}.webp", f'"{file.file_id}-thumbnail"'
        return Opened(path=path, size=size, name=name, mime_type=_SMALL, etag=etag)

    async def _there(self, file_id: str) -> StoredFile:
        file = await self._files.get(file_id) if len(file_id) <= 64 else None
        if file is None or self._is_over(file):
            raise not_found("file")
        return file

    async def _check_readable(self, user_id: str | None, file: StoredFile) -> None:
        if user_id == file.owner_id:
            return
        claim = None if user_id is None else (user_id, file.file_id)
        if claim is None or not await self._grants.readable([claim], self._clock.now_ms()):
            raise not_found("file")

    def _over_at(self, file: StoredFile) -> int | None:
        """When it expires: as it was said when it came, or earlier if the settings say so by now."""
        ends = [end for end in (file.expires_at, self._expiry(file.created_at)) if end is not None]
        return min(ends, default=None)

    def _is_over(self, file: StoredFile) -> bool:
        over_at = self._over_at(file)
        return over_at is not None and over_at <= self._clock.now_ms()


class _Begun(Struct):
    """Bytes whose beginning has been read."""

    head: bytes
    rest: AsyncIterator[bytes]

    async def all(self) -> AsyncIterator[bytes]:
        yield self.head
        async for chunk in self.rest:
            yield chunk


async def _begin(chunks: AsyncIterable[bytes]) -> _Begun:
    head = bytearray()
    rest = aiter(chunks)
    while len(head) < _SNIFFED_BYTES:
        try:
            head += await anext(rest)
        except StopAsyncIteration:
            break
    return _Begun(bytes(head), rest)


def _headers(mime_type: str, name: str) -> dict[str, str]:
    """What a bucket answers with where it is asked directly."""
    shown = disposition(name, is_inline=mime_type in INLINE)
    return {"Content-Type": mime_type, "Content-Disposition": shown}


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _type_of(head: bytes) -> str:
    """What the first bytes are the beginning of."""
    found = filetype.guess_mime(head)
    if isinstance(found, str):
        return without_pictures(_OTHER_NAMES.get(found, found), head)
    return TEXT if is_text(head) else PLAIN
