"""Files: in by upload, out under `/files/` to those who may have them, in a way that makes no browser run them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

from litestar import Controller, HttpMethod, MediaType, Response, delete, get, post, route
from litestar.di import NamedDependency
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream
from litestar.types import ControllerRouterHandler
from msgspec import Struct

from goim.errors import ErrorCode, GoimError
from goim.model.files import PREFIX
from goim.model.users import Login
from goim.rest.errors import problem_answer
from goim.rest.ranges import NotThere, Span, is_same, may_go_on, span_of
from goim.rest.uploads import AnyRequest, file_part
from goim.services.file_links import Signature
from goim.services.files import MAX_LIMIT, FileView, Link, Opened
from goim.services.registry import Services

_MOST = 1 << 31
_Limit = Annotated[int, QueryParameter(ge=1, le=_MOST, description=f"how many; more than {MAX_LIMIT} is {MAX_LIMIT}")]
_Offset = Annotated[int, QueryParameter(ge=0, le=_MOST, description="how many to leave out")]

# Whatever it is, and whatever a browser takes it for: it runs nothing, it fetches nothing, it is of no origin.
_HARMLESS = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox; default-src 'none'",
    # Nobody but the client keeps it, and it asks each time whether it may still show it: rights end, and who is logged
    # in changes. Nobody packs it: parts of it are asked for by number.
    "cache-control": "private, no-cache, no-transform",
}


class FileList(Struct, frozen=True):
    files: list[FileView]


@dataclass
class UploadOperation(Operation):
    """What the body is that the handler reads by itself."""

    def __post_init__(self) -> None:
        file = Schema(type=OpenAPIType.STRING, format="binary")  # type: ignore[arg-type] # it lists no "binary"
        form = Schema(type=OpenAPIType.OBJECT, properties={"file": file}, required=["file"])
        self.request_body = RequestBody(content={"multipart/form-data": OpenAPIMediaType(schema=form)}, required=True)


class FileController(Controller):
    """One's own files."""

    path = "/api/files"
    tags = ("files",)

    @post("/upload", operation_class=UploadOperation)
    async def upload(
        self, request: AnyRequest, login: NamedDependency[Login], services: NamedDependency[Services]
    ) -> FileView:
        """Upload the part `file` of a form."""
        part = await file_part(request, services.files.max_bytes)
        return await services.files.upload(login.user_id, part.name, part.chunks)

    @get("/")
    async def files(
        self,
        login: NamedDependency[Login],
        services: NamedDependency[Services],
        limit: _Limit = 20,
        offset: _Offset = 0,
    ) -> FileList:
        """My files, latest first."""
        return FileList(await services.files.page(login.user_id, limit, offset))

    @get("/{file_id:str}")
    async def file(
        self, file_id: FromPath[str], login: NamedDependency[Login], services: NamedDependency[Services]
    ) -> FileView:
        """One of my files."""
        return await services.files.own(login.user_id, file_id)

    @delete("/{file_id:str}")
    async def remove(
        self, file_id: FromPath[str], login: NamedDependency[Login], services: NamedDependency[Services]
    ) -> None:
        """Delete one of my files, for everybody."""
        await services.files.delete(login.user_id, file_id)

    @get("/{file_id:str}/link")
    async def link(
        self, file_id: FromPath[str], login: NamedDependency[Login], services: NamedDependency[Services]
    ) -> Link:
        """A link to a file I may read, for whoever gets it, good for a while."""
        return await services.files.link(login.user_id, file_id)


@route("/files/{path:path}", http_method=[HttpMethod.GET, HttpMethod.HEAD], public=True, tags=["files"])
async def file_bytes(request: AnyRequest, services: NamedDependency[Services]) -> Response[Any]:
    """The bytes: to the owner, to members of conversations where the file was sent, or with a link's signature."""
    address = request.scope["path"].removeprefix(PREFIX)
    opened = await services.files.open(address, await _reader(request, services), _signature_in(request))
    if is_same(opened.etag, request.headers.get("if-none-match")):
        return Response(None, status_code=304, headers={**_HARMLESS, "etag": opened.etag})
    is_head = request.method == HttpMethod.HEAD
    redirect_above = services.settings.files.s3_redirect_above
    if redirect_above and opened.size >= redirect_above and not is_head:
        url = await services.files.presigned(opened)
        if url is not None:
            headers = {"location": url, "cache-control": "no-store"}
            return Response(None, status_code=307, headers=headers, media_type=MediaType.TEXT)
    try:
        span = _wanted(request, opened)
    except NotThere:
        headers = {"content-range": f"bytes */{opened.size}"}
        return problem_answer(416, ErrorCode.INVALID, "the file has no such bytes", headers)
    return await _answer(services, opened, span, is_head=is_head)


async def _reader(request: AnyRequest, services: Services) -> str | None:
    """Who asks. A token that is no good is as none: there may be a signature."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    try:
        return (await services.sessions.verify(token.strip())).user_id
    except GoimError:
        return None


def _signature_in(request: AnyRequest) -> Signature | None:
    expires, proof = request.query_params.get("expires", ""), request.query_params.get("signature", "")
    if not (expires.isascii() and expires.isdecimal() and len(expires) < 16):
        return None
    return Signature(int(expires), proof)


def _wanted(request: AnyRequest, opened: Opened) -> Span | None:
    if not may_go_on(opened.etag, request.headers.get("if-range")):
        return None
    return span_of(request.headers.get("range"), opened.size)


async def _answer(services: Services, opened: Opened, span: Span | None, *, is_head: bool) -> Response[Any]:
    start, end = (0, opened.size) if span is None else (span.start, span.end)
    headers = {
        **_HARMLESS,
        "accept-ranges": "bytes",
        "content-disposition": opened.disposition,
        "content-length": str(end - start),
        "etag": opened.etag,
    }
    if span is not None:
        headers["content-range"] = f"bytes {start}-{end - 1}/{opened.size}"
    chunks = _nothing() if is_head else await services.files.read(opened, start, end)
    status = 200 if span is None else 206
    return Stream(chunks, status_code=status, headers=headers, media_type=opened.mime_type)


async def _nothing() -> AsyncIterator[bytes]:
    yield b""


FILES: tuple[ControllerRouterHandler, ...] = (FileController, file_bytes)
