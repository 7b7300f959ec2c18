"""Says something in a group of 100,000 while pairs chat, and shows what that does to their latency and to the CPU.

    python -m loadtest.group_update                                    # SQLite, the node does it itself
    IM_MYSQL_DSN=… IM_KAFKA_BROKERS=… python -m loadtest.group_update  # `goimctl consume` does it, out of Kafka

`GOIM_DATABASE_PID` is whose CPU counts as the database's. `python -m tests.servers` starts what is needed.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Annotated

import msgspec
import typer
from msgspec import Struct
from rich.console import Console

from goim.config import Settings
from loadtest.metrics import metrics_of
from loadtest.paced import Chat, Latency, Second
from loadtest.plan import Conversation, Person
from loadtest.processes import sample
from loadtest.seed import seeding, settings_of
from loadtest.server import Server, environment_of, running_server

_MOVED = "im_group_members_moved_total"
_LOOK_EVERY = 0.25
_PATIENCE = 600.0
_log = Console(stderr=True, highlight=False, markup=False)


class Phase(Struct, frozen=True, kw_only=True):
    """What was measured of a stretch of time; CPU as seconds used per second."""

    name: str
    seconds: float
    messages: int
    latency: Latency | None
    worst_p99: float
    node_cpu: float
    consumer_cpu: float
    database_cpu: float


class Report(Struct, frozen=True, kw_only=True):
    """A run. `per_member_us` is the CPU that a member cost beyond what the chat costs without."""

    members: int
    phases: list[Phase]
    per_member_us: dict[str, float]
    node_mib_before: float
    node_mib_after: float
    lost: int
    refused: int
    series: list[Second]


class Processes(Struct, frozen=True, kw_only=True):
    """Whose CPU is read."""

    node: int
    consumer: int | None
    database: int | None

    def cpu(self) -> tuple[float, float, float]:
        return tuple(0.0 if pid is None else sample([pid]).cpu for pid in (self.node, self.consumer, self.database))  # type: ignore[return-value]


class Scene(Struct, frozen=True, kw_only=True):
    """The people of a run."""

    pairs: list[Conversation]
    owner: Person
    group_id: str


def measure(
    environment: dict[str, str],
    folder: Path,
    *,
    members: int,
    rate: float,
    pairs: int,
    calm: float,
    database: int | None = None,
) -> Report:
    """Seed, start, chat, say it, wait until every member is moved, chat on."""
    secret = secrets.token_urlsafe(48)
    environment = {
        **environment_of(folder, secret),
        "IM_KAFKA_GROUP_UPDATE_TOPIC": f"t{secrets.token_hex(8)}",
    } | environment
    began = perf_counter()
    scene = asyncio.run(_seed(settings_of(environment), secret, members, pairs))
    _log.print(f"{members:,} members and {pairs} pairs seeded in {perf_counter() - began:.1f} s")
    with running_server(environment, folder) as node, _consumer(environment, folder) as consumer:
        processes = Processes(node=node.pid, consumer=consumer.pid if consumer else None, database=database)
        chat = Chat(scene.pairs, node.target, rate)
        with _watching(consumer or node) as moved:
            return _run(chat, scene, node, processes, moved, calm=calm, members=members)


def _run(
    chat: Chat, scene: Scene, node: Server, processes: Processes, moved: Callable[[], int], *, calm: float, members: int
) -> Report:
    until = perf_counter() + calm / 2
    chat.go_on(lambda now: now >= until)  # connections and caches have settled
    memory, phases = sample([node.pid]).memory, []

    def phase(name: str, is_over: Callable[[float], bool]) -> None:
        phases.append(_phase(name, chat, processes, is_over))

    until = perf_counter() + calm
    phase("before", lambda now: now >= until)
    address = {"groupId": scene.group_id, "type": "text", "payload": {"text": "hello all of you"}}
    chat.write(scene.owner, address)
    deadline = perf_counter() + _PATIENCE
    phase("during", lambda now: moved() >= members or now > deadline)
    if moved() < members:
        raise TimeoutError(f"after {_PATIENCE:.0f} s only {moved()} of {members} members are moved")
    until = perf_counter() + calm
    phase("after", lambda now: now >= until)
    chat.end()
    return Report(
        members=members,
        phases=phases,
        per_member_us=_per_member(phases, members),
        node_mib_before=memory / 2**20,
        node_mib_after=sample([node.pid]).memory / 2**20,
        lost=chat.lost,
        refused=len(chat.refused),
        series=chat.seconds(),
    )


def _phase(name: str, chat: Chat, processes: Processes, is_over: Callable[[float], bool]) -> Phase:
    first, start, cpu = len(chat.sent_at), perf_counter(), processes.cpu()
    chat.go_on(is_over)
    seconds = perf_counter() - start
    node, consumer, database = ((now - then) / seconds for now, then in zip(processes.cpu(), cpu, strict=True))
    last = len(chat.sent_at)
    each = [chat.latency(at, min(at + _a_second(chat), last)) for at in range(first, last, _a_second(chat))]
    return Phase(
        name=name,
        seconds=seconds,
        messages=last - first,
        latency=chat.latency(first, last),
        worst_p99=max((one.p99 for one in each if one), default=0.0),
        node_cpu=node,
        consumer_cpu=consumer,
        database_cpu=database,
    )


def _a_second(chat: Chat) -> int:
    """How many messages a second has."""
    return max(1, round(chat.rate))


def _per_member(phases: list[Phase], members: int) -> dict[str, float]:
    """CPU of the time during the update less what the same time costs without, in µs a member."""
    before, during, after = phases
    costs = {}
    for name in ("node_cpu", "consumer_cpu", "database_cpu"):
        calm = (getattr(before, name) + getattr(after, name)) / 2
        costs[name] = (getattr(during, name) - calm) * during.seconds / members * 1e6
    return costs


async def _seed(settings: Settings, secret: str, members: int, pairs: int) -> Scene:
    async with seeding(settings, secret) as seed:
        people = await seed.people(2 * pairs + 1)
        couples = list(zip(people[1::2], people[2::2], strict=True))
        await seed.befriend((one.user_id, other.user_id) for one, other in couples)
        crowd = await seed.strangers(members - 1)
        group_id = await seed.group([people[0].user_id, *crowd])
    talks = [Conversation({"convType": "c2c", "to": other.user_id}, [one], [other]) for one, other in couples]
    return Scene(pairs=talks, owner=people[0], group_id=group_id)


@contextlib.contextmanager
def _consumer(environment: dict[str, str], folder: Path) -> Iterator[Server | None]:
    """`goimctl consume`, if there is a Kafka."""
    if not environment.get("IM_KAFKA_BROKERS"):
        yield None
        return
    with running_server(environment, folder, command="consume") as consumer:
        yield consumer


@contextlib.contextmanager
def _watching(server: Server) -> Iterator[Callable[[], int]]:
    """Says how many members were moved, read by a thread now and then: the chat never waits for it."""
    ended, moved = threading.Event(), 0

    def look() -> None:
        nonlocal moved
        while not ended.wait(_LOOK_EVERY):
            moved = int(metrics_of(server.target).get(_MOVED, 0))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield lambda: moved
    finally:
        ended.set()
        thread.join()


def show(report: Report) -> None:
    """Markdown, as the page has it."""
    print("| | seconds | messages | p50 ms | p99 ms | worst second's p99 | node CPU | consumer CPU | database CPU |")
    print("|---|---|---|---|---|---|---|---|---|")
    for each in report.phases:
        latency = each.latency or Latency(p50=0, p99=0, max=0)
        figures = (
            f"{each.seconds:.1f} | {each.messages:,} | {latency.p50:.2f} | {latency.p99:.2f} | {each.worst_p99:.2f}"
        )
        print(f"| {each.name} | {figures} | {each.node_cpu:.1%} | {each.consumer_cpu:.1%} | {each.database_cpu:.1%} |")
    costs = ", ".join(f"{name.removesuffix('_cpu')} {us:.2f}" for name, us in report.per_member_us.items())
    print(f"\nµs of CPU a member: {costs}")
    print(f"node: {report.node_mib_before:.1f} MiB before, {report.node_mib_after:.1f} MiB after")
    print(f"lost {report.lost}, refused {report.refused}")


def main(
    *,
    members: Annotated[int, typer.Option(help="Of the group.", min=2)] = 100_000,
    rate: Annotated[float, typer.Option(help="Messages a second between pairs.", min=1)] = 200,
    pairs: Annotated[int, typer.Option(help="Pairs that chat.", min=1)] = 16,
    calm: Annotated[float, typer.Option(help="Seconds before and after the update.", min=0.2)] = 10,
    mysql: Annotated[str, typer.Option(envvar="IM_MYSQL_DSN", help="Instead of SQLite.")] = "",
    kafka: Annotated[str, typer.Option(envvar="IM_KAFKA_BROKERS", help="Brokers; else the node does it.")] = "",
    database_pid: Annotated[int | None, typer.Option(envvar="GOIM_DATABASE_PID", help="The database.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, with every second.")] = False,
) -> None:
    """Measure it. Exits with 1 if a message was lost or refused."""
    environment = {"IM_MYSQL_DSN": mysql, "IM_KAFKA_BROKERS": kafka}
    environment = {name: value for name, value in environment.items() if value}
    with tempfile.TemporaryDirectory(prefix="goim-group-") as folder:
        report = measure(
            environment, Path(folder), members=members, rate=rate, pairs=pairs, calm=calm, database=database_pid
        )
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        show(report)
    raise typer.Exit(bool(report.lost or report.refused))


if __name__ == "__main__":
    typer.run(main)
