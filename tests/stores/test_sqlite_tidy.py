"""What the process that writes to SQLite does between orders."""

from __future__ import annotations

from pathlib import Path

from goim.stores.sqlite_process import SqliteProcessEngine

ORDERS, PAGE = 400, 4096


def size(path: Path) -> int:
    return path.stat().st_size


async def test_small_orders_leave_little_in_the_write_ahead_log(tmp_path: Path) -> None:
    path = tmp_path / "marks.db"
    async with SqliteProcessEngine(path, page_size=PAGE) as engine:
        await engine.run_ddl("CREATE TABLE marks (name TEXT NOT NULL PRIMARY KEY, number BIGINT NOT NULL)")
        for number in range(ORDERS):
            await engine.insert_rows("marks", [(f"m{number}", number)])
        assert size(Path(f"{path}-wal")) < ORDERS * PAGE / 2, "each order writes a page at least"
        assert await engine.fetch_rows("SELECT COUNT(*) FROM marks") == [(ORDERS,)]
