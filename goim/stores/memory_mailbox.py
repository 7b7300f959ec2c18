"""The mailbox in memory: the twin of `sql_mailbox` for tests."""

from __future__ import annotations

from collections.abc import Sequence

from goim.stores.base_mailbox import Letter


class MemoryMailbox:
    """`Mailbox` in a list. Nothing awaits, so each method is one step of the event loop."""

    def __init__(self) -> None:
        self._letters: list[tuple[Letter, int]] = []

    async def post(self, letters: Sequence[tuple[str, bytes]], at: int) -> None:
        first = await self.newest() + 1
        self._letters += [(Letter(first + place, topic, body), at) for place, (topic, body) in enumerate(letters)]

    async def newest(self) -> int:
        return self._letters[-1][0].letter_id if self._letters else 0

    async def after(self, letter_id: int, limit: int) -> list[Letter]:
        return [letter for letter, _ in self._letters if letter.letter_id > letter_id][:limit]

    async def sweep(self, before: int) -> None:
        older, latest = self._letters[:-1], self._letters[-1:]  # without the latest its id would be given again
        self._letters = [(letter, at) for letter, at in older if at >= before] + latest
