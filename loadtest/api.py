"""The HTTP API as a load test uses it: one connection a thread, patient with limits of rate."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

from loadtest.errors import Away, Refused
from loadtest.target import Target

_TIMEOUT = 120.0
_NO_ADMIN = "goimctl users admin NAME makes somebody an administrator; GOIM_ADMIN_TOKEN=$(goimctl token NAME)"
_LONGEST_WAIT = 900.0  # for a server that lets one address do only so much


class Api:
    """Requests with JSON, from any number of threads. `waiting` is told why nothing happens."""

    def __init__(self, target: Target, waiting: Callable[[str], None] = lambda _: None) -> None:
        self._target = target
        self._context = target.context()
        self._local = threading.local()
        self._patience = threading.Event()  # nobody sets it: a wait that Ctrl-C ends
        self._waiting = waiting

    def post(self, path: str, body: object = None, token: str = "") -> Any:
        return self.ask("POST", path, body, token)

    def delete(self, path: str, body: object = None, token: str = "") -> Any:
        return self.ask("DELETE", path, body, token)

    def ask(self, method: str, path: str, body: object = None, token: str = "") -> Any:
        """The answer; `Refused` if it is none. A `RATE_LIMIT` is waited for."""
        deadline = monotonic() + _LONGEST_WAIT
        while True:
            status, headers, answer = self._once(method, path, body, token)
            if status < 400:
                return json.loads(answer) if answer else None
            seconds = float(headers.get("retry-after", "1"))
            if status not in (429, 503) or monotonic() + seconds > deadline:
                hint = _NO_ADMIN if path.startswith("/api/admin/") and status in (401, 403) else None
                raise Refused(f"{method} {path}: {_reason(status, answer)}", hint=hint)
            self._waiting(_reason(status, answer))
            self._patience.wait(seconds)

    def _once(self, method: str, path: str, body: object, token: str) -> tuple[int, http.client.HTTPMessage, bytes]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        payload = None if body is None else json.dumps(body).encode()
        if payload is not None:
            headers["Content-Type"] = "application/json"
        try:
            with contextlib.suppress(http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                return self._request(method, path, payload, headers)
            self._local.connection = None  # it was kept too long: once more, on a new one
            return self._request(method, path, payload, headers)
        except (OSError, http.client.HTTPException) as error:
            self._local.connection = None
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise Away(f"nothing answers at {self._target.url}: {reason}") from None

    def _request(
        self, method: str, path: str, payload: bytes | None, headers: dict[str, str]
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = getattr(self._local, "connection", None) or self._connect()
        self._local.connection = connection
        connection.request(method, self._target.path + path, payload, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._target.host, self._target.port
        if self._context is not None:
            return http.client.HTTPSConnection(host, port, timeout=_TIMEOUT, context=self._context)
        return http.client.HTTPConnection(host, port, timeout=_TIMEOUT)


def _reason(status: int, answer: bytes) -> str:
    try:
        problem = json.loads(answer)
        return f"{status} {problem['code']}: {problem['detail']}"
    except (ValueError, KeyError, TypeError):
        return str(status)
