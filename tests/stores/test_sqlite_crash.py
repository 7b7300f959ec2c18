"""What SQLite keeps of the work of a process that is killed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from goim.stores.sqlite import SqliteEngine

WRITE = """
import asyncio, sys
from goim.stores.sqlite import SqliteEngine

async def main(path):
    async with SqliteEngine(path) as engine:
        await engine.run_ddl("CREATE TABLE marks (name TEXT NOT NULL PRIMARY KEY, number BIGINT NOT NULL)")
        for number in range(100_000):
            await engine.insert_rows("marks", [(f"{number} {each}", number) for each in range(3)])
            print(number, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_what_was_told_to_be_stored_survives_a_kill_and_batches_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "marks.db"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WRITE, str(path)), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    for _ in range(50):
        await process.stdout.readline()
    process.kill()
    told = 49 + len((await process.stdout.read()).splitlines())
    await process.wait()
    async with SqliteEngine(path) as engine:
        batches: dict[int, int] = dict(await engine.fetch_rows("SELECT number, COUNT(*) FROM marks GROUP BY number"))
    assert set(batches.values()) == {3}
    assert told <= max(batches) <= told + 1
    assert len(batches) == max(batches) + 1
