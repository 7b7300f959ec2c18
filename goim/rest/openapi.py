"""The description of the HTTP API: OpenAPI as JSON and as pages, with nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request, Response, Router, get
from litestar.enums import MediaType
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.params import FromPath
from litestar.routes import HTTPRoute

from goim import __version__
from goim.errors import not_found
from goim.rest.auth import ADMINS, PUBLIC
from goim.rest.errors import MEDIA_TYPE, Problem

_ASSETS = Path(__file__).parent / "assets"
_MEDIA_TYPES = {
    "schema.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
}
_HEADERS = {
    "content-security-policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:",
    "x-content-type-options": "nosniff",
}


class _Json(JsonRenderPlugin):
    """Litestar's description, plus what holds for all routes: problems, and who must say who they are."""

    def __init__(self) -> None:
        super().__init__()
        self._rendered: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        if self._rendered is None:
            _complete(request.app.routes, openapi_schema)
            self._rendered = self.render_json(request, openapi_schema)
        return self._rendered


class _Pages(OpenAPIRenderPlugin):
    """Swagger UI at `/schema`."""

    def __init__(self) -> None:
        super().__init__(path="/", media_type=MediaType.HTML)

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002
        return (_ASSETS / "schema.html").read_bytes()


@get("/assets/{name:str}", sync_to_thread=True)
def asset(name: FromPath[str]) -> Response[bytes]:
    """A file of the pages."""
    media_type = _MEDIA_TYPES.get(name)
    if media_type is None:
        raise not_found("file")
    headers = {"cache-control": "public, max-age=86400"}
    return Response((_ASSETS / name).read_bytes(), media_type=media_type, headers=headers)


def openapi_config() -> OpenAPIConfig:
    """For one app: what is rendered is kept."""
    return OpenAPIConfig(
        title="goim",
        version=__version__,
        description="The HTTP API of goim. Errors are problems (RFC 9457) whose `code` is one of the error codes.",
        use_handler_docstrings=True,
        components=Components(security_schemes={"bearer": SecurityScheme(type="http", scheme="bearer")}),
        openapi_router=Router(
            "/schema",
            route_handlers=[asset],
            opt={PUBLIC: True},
            include_in_schema=False,
            response_headers=_HEADERS,
        ),
        render_plugins=[_Pages(), _Json()],
    )


def _complete(routes: list[Any], schema: dict[str, Any]) -> None:
    schema["components"].setdefault("schemas", {})
    _, components = msgspec.json.schema_components([Problem], ref_template="#/components/schemas/{name}")
    schema["components"]["schemas"].update(components)
    for route in routes:
        path = schema["paths"].get(route.path_format)
        if path is None or not isinstance(route, HTTPRoute):
            continue
        for method, (handler, _) in route.route_handler_map.items():
            if method.lower() in path:
                _complete_operation(path[method.lower()], handler.opt)


def _complete_operation(operation: dict[str, Any], options: Mapping[str, Any]) -> None:
    if "description" in operation:
        operation["summary"] = operation["description"].partition("\n")[0].rstrip(".")
    responses = operation["responses"]
    if "400" in responses:  # Litestar describes its own errors, which nobody gets to see here
        responses["400"] = _problem("A parameter or the body is not what this route takes.")
    if options.get(ADMINS):
        responses["403"] = _problem("Only for administrators.")
    if not options.get(PUBLIC):
        operation["security"] = [{"bearer": []}]
        responses["401"] = _problem("No valid token came with the request.")
    responses["default"] = _problem("Refused: `code` says why.")


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
