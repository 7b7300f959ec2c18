"""Uploads that go on where they broke off: the protocol tus 1.0.0 (tus.io), core, creation, expiration, termination."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator
from email.utils import formatdate
from typing import Annotated, Any

from litestar import Controller, HttpMethod, MediaType, Response, delete, patch, post, route
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter

from goim.errors import ErrorCode, invalid
from goim.model.users import Login
from goim.rest.errors import problem_answer
from goim.rest.uploads import AnyRequest, CutOff, received
from goim.services.file_resume import Partial
from goim.services.registry import Services

_VERSION = "1.0.0"
_CHUNK_TYPE = "application/offset+octet-stream"
_MOST = (1 << 63) - 1
_PATH = "/api/files/tus"

CORS_ASKED = ("tus-resumable", "upload-length", "upload-metadata", "upload-offset", "x-http-method-override")
CORS_TOLD = ("content-location", "location", "tus-resumable", "upload-expires", "upload-length", "upload-offset")
"""Headers that pages of other origins must be let send and read."""

_Length = Annotated[int | None, HeaderParameter(name="Upload-Length", ge=0, le=_MOST, description="bytes of the file")]
_Metadata = Annotated[
    str | None,
    HeaderParameter(name="Upload-Metadata", max_length=4096, description="`filename` and its value in base64"),
]
_Offset = Annotated[int, HeaderParameter(name="Upload-Offset", ge=0, le=_MOST, description="where the body begins")]
_Override = Annotated[str, HeaderParameter(name="X-HTTP-Method-Override", description="PATCH or DELETE")]


async def refuse_other_protocols(request: AnyRequest) -> Response[Any] | None:
    """Every request but OPTIONS says which version it speaks, and bytes are said to be bytes."""
    if request.method == HttpMethod.OPTIONS:
        return None
    if request.headers.get("tus-resumable") != _VERSION:
        detail = f"say Tus-Resumable: {_VERSION}"
        return problem_answer(412, ErrorCode.UNSUPPORTED, detail, {"tus-version": _VERSION})
    method = request.headers.get("x-http-method-override", request.method)
    if method == HttpMethod.PATCH and request.headers.get("content-type") != _CHUNK_TYPE:
        return problem_answer(415, ErrorCode.UNSUPPORTED, f"the body is {_CHUNK_TYPE}")
    return None


class TusController(Controller):
    """Its answer to the last byte has the address of the file in Content-Location; the upload's id is the file's."""

    path = _PATH
    tags = ("files",)
    before_request = staticmethod(refuse_other_protocols)

    @route("/", http_method=HttpMethod.OPTIONS, status_code=204, include_in_schema=False)
    async def abilities(self, services: NamedDependency[Services]) -> Response[None]:
        """What this server can do."""
        headers = {"tus-version": _VERSION, "tus-extension": "creation,expiration,termination"}
        return _answer(204, headers | {"tus-max-size": str(services.files.max_bytes)})

    @post("/")
    async def create(
        self,
        login: NamedDependency[Login],
        services: NamedDependency[Services],
        length: _Length = None,
        metadata: _Metadata = None,
    ) -> Response[None]:
        """Begin an upload; Location says where it goes on."""
        if length is None:
            raise invalid("say Upload-Length")
        partial = await services.partial_uploads.create(login.user_id, length, _name_in(metadata or ""))
        return _answer(201, _standing(partial) | {"location": f"{_PATH}/{partial.upload_id}"})

    @route("/{upload_id:str}", http_method=HttpMethod.HEAD)
    async def status(
        self, upload_id: FromPath[str], login: NamedDependency[Login], services: NamedDependency[Services]
    ) -> Response[None]:
        """How far an upload has come."""
        partial = await services.partial_uploads.status(login.user_id, upload_id)
        headers = _standing(partial) | {"upload-length": str(partial.length), "cache-control": "no-store"}
        return _answer(200, headers)

    @patch("/{upload_id:str}", status_code=204)
    async def append(
        self,
        request: AnyRequest,
        upload_id: FromPath[str],
        offset: _Offset,
        login: NamedDependency[Login],
        services: NamedDependency[Services],
    ) -> Response[None]:
        """Go on with an upload. What has arrived is kept when the connection breaks."""
        return await _append(request, upload_id, offset, login, services)

    @delete("/{upload_id:str}")
    async def terminate(
        self, upload_id: FromPath[str], login: NamedDependency[Login], services: NamedDependency[Services]
    ) -> Response[None]:
        """Give an upload up."""
        await services.partial_uploads.terminate(login.user_id, upload_id)
        return _answer(204, {})

    @post("/{upload_id:str}", status_code=204)
    async def override(
        self,
        request: AnyRequest,
        upload_id: FromPath[str],
        method: _Override,
        login: NamedDependency[Login],
        services: NamedDependency[Services],
        offset: _Offset = 0,
    ) -> Response[None]:
        """PATCH or DELETE for clients that cannot say so."""
        if method == HttpMethod.PATCH:
            return await _append(request, upload_id, offset, login, services)
        if method == HttpMethod.DELETE:
            await services.partial_uploads.terminate(login.user_id, upload_id)
            return _answer(204, {})
        raise invalid("X-HTTP-Method-Override is PATCH or DELETE")


async def _append(request: AnyRequest, upload_id: str, offset: int, login: Login, services: Services) -> Response[None]:
    chunks = _as_far_as_it_came(request, services.files.max_bytes)
    return _answer(204, _standing(await services.partial_uploads.append(login.user_id, upload_id, offset, chunks)))


def _answer(status: int, headers: dict[str, str]) -> Response[None]:
    """All is in the headers; as JSON there would be a `null` in the body."""
    headers = {"tus-resumable": _VERSION, **headers}
    return Response(None, status_code=status, headers=headers, media_type=MediaType.TEXT)


def _standing(partial: Partial) -> dict[str, str]:
    headers = {"upload-offset": str(partial.offset)}
    if partial.file is not None:
        headers["content-location"] = partial.file.url
    elif partial.expires_at is not None:
        headers["upload-expires"] = formatdate(partial.expires_at / 1000, usegmt=True)
    return headers


def _name_in(metadata: str) -> str:
    """The file's name in `key base64, key base64 …`."""
    for pair in metadata.split(","):
        key, _, value = pair.strip().partition(" ")
        if key in ("filename", "name"):
            try:
                return base64.b64decode(value, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                raise invalid("Upload-Metadata has its values in base64") from None
    return ""


async def _as_far_as_it_came(request: AnyRequest, limit: int) -> AsyncIterator[bytes]:
    try:
        async for chunk in received(request, limit):
            yield chunk
    except CutOff:
        return
