"""What the supervisor knows of its workers, at any moment."""

from __future__ import annotations

import asyncio
from pathlib import Path

from goimctl.supervisor import WorkerProcess

from goim.workers import Worker


async def test_the_exit_code_of_a_worker_is_known_also_when_it_is_told_to_end_at_that_moment(tmp_path: Path) -> None:
    command = ["/bin/sh", "-c", "trap '' TERM; exec >&-; exit 3"]
    for number in range(1, 101):
        worker = WorkerProcess(Worker(number, tmp_path), command, {})
        assert not await worker.start()
        async with asyncio.TaskGroup() as tasks:
            ended = tasks.create_task(worker.ended())
            while not ended.done():
                worker.drain()
                await asyncio.sleep(0)  # noqa: TID251 its end comes at any of these moments
        assert ended.result() == 3
