"""The mailbox in an SQL database."""

from __future__ import annotations

from collections.abc import Sequence

from goim.stores.base import Taken
from goim.stores.base_mailbox import Letter
from goim.stores.engine import SqlEngine

_ATTEMPTS = 50

# Number and insert in one statement; of two at once that take the same number, the primary key lets one pass.
POST = """
INSERT INTO im_letters (letter_id, topic, body, posted_at)
SELECT COALESCE(MAX(letter_id), 0) + 1, ?, ?, ? FROM im_letters"""

NEWEST = "SELECT letter_id FROM im_letters ORDER BY letter_id DESC LIMIT 1"

AFTER = "SELECT letter_id, topic, body FROM im_letters WHERE letter_id > ? ORDER BY letter_id LIMIT ?"

# The latest stays, or its number would be given again. It is looked up in a table of its own: MySQL wants it so.
SWEEP = """
DELETE FROM im_letters WHERE posted_at < ?
AND letter_id < (SELECT newest FROM (SELECT MAX(letter_id) AS newest FROM im_letters) AS latest)"""


class SqlMailbox:
    """`Mailbox` in an SQL database, the one with the structured data."""

    def __init__(self, engine: SqlEngine) -> None:
        self._engine = engine

    async def post(self, letters: Sequence[tuple[str, bytes]], at: int) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                await self._engine.execute_many(POST, [(topic, body, at) for topic, body in letters])
                break
            except Taken:  # another process has posted meanwhile
                if attempt == _ATTEMPTS - 1:
                    raise

    async def newest(self) -> int:
        rows = await self._engine.fetch_rows(NEWEST)
        return int(rows[0][0]) if rows else 0

    async def after(self, letter_id: int, limit: int) -> list[Letter]:
        return [Letter(*row) for row in await self._engine.fetch_rows(AFTER, (letter_id, limit))]

    async def sweep(self, before: int) -> None:
        await self._engine.execute(SWEEP, (before,))
