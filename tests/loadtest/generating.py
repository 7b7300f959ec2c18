"""Runs a load generator as the benchmark does: a process that is given a plan, and told when to go."""

from __future__ import annotations

import asyncio
import sys
from time import perf_counter

import msgspec

from loadtest.plan import Event, Failed, Finished, Go, Outcome, Plan, Ready


async def told(plan: Plan) -> Event:
    """The last word of a generator, run as the benchmark runs it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "loadtest.generator", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write(msgspec.json.encode(plan) + b"\n")
    event: Event = Ready()
    async with asyncio.timeout(30):
        async for line in process.stdout:
            event = msgspec.json.decode(line, type=Event)
            if isinstance(event, Ready):
                process.stdin.write(msgspec.json.encode(Go(perf_counter())) + b"\n")
            if isinstance(event, Finished | Failed):
                process.stdin.close()
        await process.wait()
    return event


async def outcome_of(plan: Plan) -> Outcome:
    """What it reports of a run that it finished."""
    event = await told(plan)
    assert isinstance(event, Finished), event
    return event.outcome
