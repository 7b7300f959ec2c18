"""Measures what a message costs where there is little, and where there is much that has nothing to do with it.

    python -m loadtest.scaling
    python -m tests.servers mariadb -- python -m loadtest.scaling members --large 1000000

The same chat at the same rate, twice for each dimension: what grows between the two grows with the installation.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import tempfile
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from time import perf_counter
from typing import Annotated

import msgspec
import typer
from goimctl.open_files import take_all
from msgspec import Struct
from rich.console import Console

from loadtest.connections import Connection
from loadtest.paced import Chat, Latency
from loadtest.plan import Conversation, Person
from loadtest.processes import sample
from loadtest.seed import Seeder, seeding, settings_of
from loadtest.server import environment_of, running_server
from loadtest.sockets import Loop

_AT_ONCE = 64
_A_PIECE = 500
_PATIENCE = 60.0
_log = Console(stderr=True, highlight=False, markup=False)


class Dimension(StrEnum):
    """What there is little or much of."""

    USERS = "users"
    CONVERSATIONS = "conversations"
    MEMBERS = "members"
    GROUPS = "groups"
    CONNECTIONS = "connections"

    @property
    def meaning(self) -> str:
        return _MEANINGS[self]

    @property
    def sizes(self) -> tuple[int, int]:
        return _SIZES[self]


_MEANINGS = {
    Dimension.USERS: "accounts in the database",
    Dimension.CONVERSATIONS: "conversations of each sender",
    Dimension.MEMBERS: "members of the one group, nearly all offline",
    Dimension.GROUPS: "members of each group, nearly all offline",
    Dimension.CONNECTIONS: "idle connections to the node",
}
_SIZES = {
    Dimension.USERS: (1_000, 1_000_000),
    Dimension.CONVERSATIONS: (10, 10_000),
    Dimension.MEMBERS: (10, 100_000),
    Dimension.GROUPS: (10, 500),
    Dimension.CONNECTIONS: (100, 19_000),
}


class How(Struct, frozen=True, kw_only=True):
    """What is the same for all runs."""

    environment: dict[str, str] = {}
    rate: float = 400.0
    talks: int = 8
    seconds: float = 8.0
    idle: float = 4.0
    database: int | None = None


class Row(Struct, frozen=True, kw_only=True):
    """CPU in µs a message, beyond what the same time costs when nobody talks; memory of the node in MiB."""

    dimension: Dimension
    size: int
    node_us: float
    database_us: float
    idle_cpu: float
    latency: Latency | None
    node_mib: float
    problems: int


class Scene(Struct, frozen=True, kw_only=True):
    """Who talks, and who is only connected."""

    talks: list[Conversation]
    idlers: list[Person] = []


def measure(dimension: Dimension, size: int, how: How) -> Row:
    """One run with a server of its own."""
    secret = secrets.token_urlsafe(48)
    with tempfile.TemporaryDirectory(prefix="goim-scaling-") as name:
        environment = {**environment_of(Path(name), secret), **how.environment}
        scene = asyncio.run(_seed(environment, secret, dimension, size, how.talks))
        with running_server(environment, Path(name)) as server:
            chat = Chat(scene.talks, server.target, how.rate)  # first: its file numbers are to be low
            chat.pause()
            idlers = Loop(server.target)
            for first in range(0, len(scene.idlers), _A_PIECE):
                _connect(idlers, scene.idlers[first : first + _A_PIECE])
                _stretch(chat, 0.02)  # pings want their answers
            chat.resume()
            _stretch(chat, how.idle)  # connections and caches settle
            chat.pause()
            idle = _cpu(server.pid, how, lambda: _stretch(chat, how.idle))
            chat.resume()
            first = len(chat.sent_at)
            used = _cpu(server.pid, how, lambda: _stretch(chat, how.seconds))
            last = len(chat.sent_at)
            chat.end()
            memory = sample([server.pid]).memory
            idlers.close()
    per_message = [1e6 * how.seconds * (one - none) / (last - first) for one, none in zip(used, idle, strict=True)]
    return Row(
        dimension=dimension,
        size=size,
        node_us=per_message[0],
        database_us=per_message[1],
        idle_cpu=idle[0],
        latency=chat.latency(first, last),
        node_mib=memory / 2**20,
        problems=chat.lost + len(chat.refused) + len(idlers.losses),
    )


def _stretch(chat: Chat, seconds: float) -> None:
    end = perf_counter() + seconds
    chat.go_on(lambda now: now >= end)


def _cpu(pid: int, how: How, do: Callable[[], None]) -> tuple[float, float]:
    """Seconds of CPU a second that the node and the database use meanwhile."""
    pids = (pid, how.database)
    before, start = [_seconds(one) for one in pids], perf_counter()
    do()
    took = perf_counter() - start
    node, database = ((_seconds(one) - then) / took for one, then in zip(pids, before, strict=True))
    return node, database


def _seconds(pid: int | None) -> float:
    return 0.0 if pid is None else sample([pid]).cpu


def _connect(loop: Loop, people: list[Person]) -> None:
    """Connect people who say nothing; nothing is read of them any more."""
    waiting, begun, wanted = iter(people), loop.opened, loop.opened + len(people)

    def turn(_: float) -> bool:
        nonlocal begun
        while begun - loop.opened < _AT_ONCE and (person := next(waiting, None)) is not None:
            Connection(loop, person)
            begun += 1
        return loop.opened == wanted

    if not loop.turn_until(turn, _PATIENCE):
        raise TimeoutError(f"{wanted - loop.opened} handshakes got no answer")


async def _seed(environment: dict[str, str], secret: str, dimension: Dimension, size: int, talks: int) -> Scene:
    async with seeding(settings_of(environment), secret) as seed:
        return await _SCENES[dimension](seed, size, talks)


async def _users(seed: Seeder, size: int, talks: int) -> Scene:
    await seed.strangers(size)
    return Scene(talks=await _pairs(seed, talks))


async def _conversations(seed: Seeder, size: int, talks: int) -> Scene:
    pairs = await _pairs(seed, talks)
    for each in pairs:
        friends = await seed.strangers(size - 1)
        await seed.befriend((each.speakers[0].user_id, friend) for friend in friends)
    return Scene(talks=pairs)


async def _members(seed: Seeder, size: int, _: int) -> Scene:
    return Scene(talks=[await _group(seed, size)])


async def _groups(seed: Seeder, size: int, talks: int) -> Scene:
    return Scene(talks=[await _group(seed, size) for _ in range(talks)])


async def _connections(seed: Seeder, size: int, talks: int) -> Scene:
    return Scene(talks=await _pairs(seed, talks), idlers=await seed.people(size))


_SCENES = {
    Dimension.USERS: _users,
    Dimension.CONVERSATIONS: _conversations,
    Dimension.MEMBERS: _members,
    Dimension.GROUPS: _groups,
    Dimension.CONNECTIONS: _connections,
}


async def _pairs(seed: Seeder, count: int) -> list[Conversation]:
    people = await seed.people(2 * count)
    couples = list(zip(people[::2], people[1::2], strict=True))
    await seed.befriend((one.user_id, other.user_id) for one, other in couples)
    return [Conversation({"convType": "c2c", "to": other.user_id}, [one], [other]) for one, other in couples]


async def _group(seed: Seeder, size: int) -> Conversation:
    """Two of its members are here."""
    one, other = await seed.people(2)
    group_id = await seed.group([one.user_id, other.user_id, *await seed.strangers(size - 2)])
    return Conversation({"convType": "group", "groupId": group_id}, [one], [other])


HEAD = """| | | node µs | database µs | p50 / p99 ms | node when nobody talks | MiB |
|---|---|---|---|---|---|---|"""


def line_of(row: Row) -> str:
    """Markdown, as the page has it."""
    latency = f"{row.latency.p50:.2f} / {row.latency.p99:.2f}" if row.latency else "–"
    costs = f"{row.node_us:.0f} | {row.database_us:.0f} | {latency} | {row.idle_cpu:.1%} | {row.node_mib:.0f}"
    problems = f" PROBLEMS: {row.problems}" if row.problems else ""
    return f"| {row.dimension.meaning} | {row.size:,} | {costs} |{problems}"


def main(
    dimensions: Annotated[list[Dimension] | None, typer.Argument(help="What to vary; all by default.")] = None,
    *,
    large: Annotated[int | None, typer.Option(help="The large size, instead of the usual one.", min=2)] = None,
    rate: Annotated[float, typer.Option(help="Messages a second.", min=1)] = 400,
    seconds: Annotated[float, typer.Option(help="Measured time.", min=0.1)] = 8,
    mysql: Annotated[str, typer.Option(envvar="IM_MYSQL_DSN", help="Instead of SQLite.")] = "",
    database_pid: Annotated[int | None, typer.Option(envvar="GOIM_DATABASE_PID", help="Whose CPU to read.")] = None,
    variable: Annotated[list[str] | None, typer.Option("--set", help="IM_NAME=value for the server.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Measure it. Exits with 1 if a message was lost or refused."""
    take_all()
    environment = dict(pair.split("=", 1) for pair in variable or []) | ({"IM_MYSQL_DSN": mysql} if mysql else {})
    how = How(environment=environment, rate=rate, seconds=seconds, database=database_pid)
    if not as_json:
        print(HEAD)
    rows = []
    for dimension in dimensions or list(Dimension):
        for size in (dimension.sizes[0], large or dimension.sizes[1]):
            _log.print(f"{size:,} {dimension.meaning} …")
            rows.append(measure(dimension, size, how))
            if not as_json:
                print(line_of(rows[-1]), flush=True)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(rows)).decode())
    sys.exit(any(row.problems for row in rows))


if __name__ == "__main__":
    typer.run(main)
