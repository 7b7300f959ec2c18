"""The one place where errors become answers: RFC 9457 problems with the codes of the contract, never internals."""

from __future__ import annotations

import re
from http import HTTPStatus
from math import ceil
from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException, ValidationException
from msgspec import UNSET, Struct, UnsetType

from goim.errors import HTTP_STATUS, ErrorCode, GoimError, StoreDown

MEDIA_TYPE = "application/problem+json"
_MISSING = re.compile(r"Missing required \w+ parameter '([\w-]+)'")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_log = structlog.get_logger(__name__)

_CODE_OF_STATUS = {
    401: ErrorCode.UNAUTHORIZED,
    403: ErrorCode.FORBIDDEN,
    404: ErrorCode.NOT_FOUND,
    405: ErrorCode.UNSUPPORTED,
    413: ErrorCode.TOO_LARGE,
    429: ErrorCode.RATE_LIMIT,
    503: ErrorCode.UNAVAILABLE,
}


class Problem(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The body of every refusal. `code` is for programs, `detail` for people."""

    type: str
    title: str
    status: int
    detail: str
    code: ErrorCode
    conv_id: str | UnsetType = UNSET
    retry_after_ms: int | UnsetType = UNSET


AnyRequest = Request[Any, Any, Any]


def answer_error(request: AnyRequest, error: Exception) -> Response[Problem]:
    """Any error as the answer to its request."""
    refusal = refusal_of(error)
    if refusal.code is ErrorCode.INTERNAL:
        route = request.scope.get("path_template", "unmatched")
        _log.error("request_failed", method=request.method, route=route, exc_info=error)
    status = 405 if isinstance(error, MethodNotAllowedException) else HTTP_STATUS[refusal.code]
    problem = Problem(
        type="about:blank",  # RFC 9457 §4.2.1: the title is the status's own phrase; `code` says more
        title=HTTPStatus(status).phrase,
        status=status,
        detail=refusal.message,
        code=refusal.code,
        conv_id=UNSET if refusal.conv_id is None else refusal.conv_id,
        retry_after_ms=UNSET if refusal.retry_after_ms is None else refusal.retry_after_ms,
    )
    return Response(problem, status_code=status, media_type=MEDIA_TYPE, headers=_headers(request, status, refusal))


def problem_answer(
    status: int, code: ErrorCode, detail: str, headers: dict[str, str] | None = None
) -> Response[Problem]:
    """A refusal with a status of its own, where a protocol asks for one that no code has."""
    problem = Problem(type="about:blank", title=HTTPStatus(status).phrase, status=status, detail=detail, code=code)
    return Response(problem, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def refusal_of(error: Exception) -> GoimError:
    """What a client is told of an error; what is not meant for clients is `INTERNAL`."""
    if isinstance(error, GoimError):
        return error
    if isinstance(error, StoreDown):
        return GoimError(ErrorCode.UNAVAILABLE, "the database cannot be reached; try again")
    if isinstance(error, ValidationException):
        return GoimError(ErrorCode.INVALID, _what_is_wrong(error))
    if isinstance(error, HTTPException) and error.status_code < 500:
        code = _CODE_OF_STATUS.get(error.status_code, ErrorCode.INVALID)
        return GoimError(code, HTTPStatus(error.status_code).description or HTTPStatus(error.status_code).phrase)
    if isinstance(error, HTTPException) and error.status_code == 503:
        return GoimError(ErrorCode.UNAVAILABLE, "this node cannot answer now; try again")
    return GoimError(ErrorCode.INTERNAL, "something went wrong here")


def _what_is_wrong(error: ValidationException) -> str:
    """One sentence of a failed check of parameters. (Its own text repeats the URL, tokens and all.)"""
    found = error.extra if isinstance(error.extra, list) else []
    if any(item.get("key") == "data" for item in found):
        return "a JSON body is missing"  # one that is there has been decoded before (`bodies.py`)
    wrong = [f"{_on_the_wire(item.get('key', 'request'))}: {item.get('message', 'is wrong')}" for item in found]
    missing = _MISSING.match(error.detail)
    if missing is not None:
        wrong.append(f"{missing[1]} is missing")
    return "; ".join(wrong) or "the request is not what this route takes"


def _on_the_wire(name: str) -> str:
    """A parameter as clients call it."""
    first, *others = name.split("_")
    return first + "".join(map(str.title, others))


def _headers(request: AnyRequest, status: int, refusal: GoimError) -> dict[str, str]:
    headers = {}
    if status == 401:
        headers["www-authenticate"] = 'Bearer realm="goim"'
    if status == 405:
        headers["allow"] = ", ".join(_allowed_methods(request))
    if refusal.retry_after_ms is not None:
        headers["retry-after"] = str(ceil(refusal.retry_after_ms / 1000))
    return headers


def _allowed_methods(request: AnyRequest) -> list[str]:
    """RFC 9110 §15.5.6: whoever is refused for the method is told which ones there are."""
    return [method for method in _METHODS if _is_routed(request, method)]


def _is_routed(request: AnyRequest, method: str) -> bool:
    path = request.scope["path"].rstrip("/") or "/"
    try:
        request.app.asgi_router.handle_routing(path=path, method=method)
    except HTTPException:
        return False
    return True


ERROR_HANDLERS: dict[int | type[Exception], Any] = {HTTPException: answer_error, Exception: answer_error}
