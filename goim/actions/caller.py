"""Who asks, as actions see it: a connection with a way to answer."""

from __future__ import annotations

from typing import Protocol

from goim.errors import GoimError
from goim.protocol.replies import Reply
from goim.protocol.requests import AnyRequest


class Caller(Protocol):
    """The connection a request came from."""

    @property
    def user_id(self) -> str: ...
    @property
    def device_id(self) -> str: ...
    @property
    def session_id(self) -> str: ...

    def reply(self, envelope: Reply) -> None: ...

    def refuse(self, request: AnyRequest, error: GoimError) -> None: ...
