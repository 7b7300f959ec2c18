"""Stands for search over a log that cannot be indexed yet: there is nothing to look through, and it says so."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from goim.errors import ErrorCode, GoimError
from goim.model.search import Term
from goim.stores.search import Doc, Hit, Touched, Written


class NoTail:
    """`LogTail` of which nothing is known."""

    async def after(self, number: int, limit: int) -> list[Written]:  # noqa: ARG002 there is nothing after anything
        return []

    async def last(self) -> int:
        return 0

    async def touched(self, limit: int) -> list[Touched]:  # noqa: ARG002
        return []

    async def seen(self, mark: int) -> None: ...


class NoSearch:
    """`SearchIndex` that refuses to find."""

    async def position(self) -> int:
        return 0

    async def write(self, docs: Sequence[Doc], position: int | None = None) -> None: ...

    async def find(
        self,
        conv_ids: Collection[str],  # noqa: ARG002
        terms: Sequence[Term],  # noqa: ARG002
        before: int | None,  # noqa: ARG002
        limit: int,  # noqa: ARG002
    ) -> list[Hit]:
        raise GoimError(ErrorCode.UNSUPPORTED, "messages in this database cannot be searched")

    async def clear(self) -> None: ...
