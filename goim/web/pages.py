"""Serves the web client: the page at `/`, everything it loads under `/web/`, and nothing else may run in it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from litestar import HttpMethod, Request, Response, route
from litestar.types import ControllerRouterHandler
from msgspec import Struct

from goim.errors import not_found
from goim.rest.ranges import is_same

FOLDER = Path(__file__).parent / "static"
_MEDIA_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",  # no text becomes markup or code, by whatever mistake
        "trusted-types goim-worker",  # the one address of a worker, see store/push.js
    )
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(self), display-capture=(self), geolocation=(self)",
    # Kept by browsers, but asked for anew each time: an update is there with the next reload, an answer without news
    # has no body.
    "cache-control": "no-cache",
}


class Asset(Struct, frozen=True):
    """A file of the client as it is sent."""

    content: bytes
    media_type: str
    etag: str


@lru_cache(maxsize=1)
def assets(folder: Path = FOLDER) -> Mapping[str, Asset]:
    """Every file by its path in the folder. Read once: what is asked for never becomes a path."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.suffix in _MEDIA_TYPES}
    return {name: _asset(path) for name, path in found.items()}


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    return Asset(content, _MEDIA_TYPES[path.suffix], f'"{hashlib.sha256(content).hexdigest()[:32]}"')


def _answer(request: Request[Any, Any, Any], name: str) -> Response[bytes | None]:
    asset = assets().get(name)
    if asset is None:
        raise not_found("page")
    headers = {**_HEADERS, "etag": asset.etag}
    if is_same(asset.etag, request.headers.get("if-none-match")):
        return Response(None, status_code=304, headers=headers)
    if request.method == HttpMethod.HEAD:
        headers["content-length"] = str(len(asset.content))
        return Response(b"", headers=headers, media_type=asset.media_type)
    return Response(asset.content, headers=headers, media_type=asset.media_type)


_READ = [HttpMethod.GET, HttpMethod.HEAD]


@route("/", http_method=_READ, public=True, include_in_schema=False, sync_to_thread=False)
def page(request: Request[Any, Any, Any]) -> Response[bytes | None]:
    """The page of the client."""
    return _answer(request, "index.html")


@route("/web/{name:path}", http_method=_READ, public=True, include_in_schema=False, sync_to_thread=False)
def file(request: Request[Any, Any, Any]) -> Response[bytes | None]:
    """What the page loads."""
    return _answer(request, request.scope["path"].removeprefix("/web/"))


WEB: Sequence[ControllerRouterHandler] = (page, file)
