"""How long pages take in a large deployment (`python -m loadtest.large --help`): fills a database, then asks a server.

One person with very many conversations, one of which is very long. Needs some 5 GB for ten million messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import secrets
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, NamedTuple
from urllib.parse import quote
from urllib.request import Request, urlopen

import msgspec
import typer
from msgspec import Struct
from websockets.sync.client import ClientConnection, connect

from goim.app.storage import open_rows
from goim.config import Settings, load, parse_dsn
from goim.config.dsn import Dsn
from goim.model.conversations import c2c
from goim.stores.engine import Row
from goim.stores.mysql import MysqlEngine
from goim.stores.rows import LOG_SHAPES, STRUCTURED_SHAPES, RowStore
from loadtest.direct import populate_directly
from loadtest.mariadb import measured_mariadb
from loadtest.plan import Person
from loadtest.population import Wanted
from loadtest.server import environment_of, migrate, running_server

_AT_ONCE = 5_000
_MADE_AT_ONCE = 100_000
_MAKE = """
INSERT INTO messages SELECT c.conv_id, n.seq, CASE n.seq % 2 WHEN 0 THEN c.user_a ELSE c.user_b END,
CONCAT('m', n.seq), 'text', ?, c.created_at, 0, NULL, NULL
FROM im_conversations c JOIN seq_1_to_10000000 n WHERE c.conv_id BETWEEN ? AND ? AND n.seq BETWEEN ? AND ?"""
_SHAPES = {shape.name: shape for shape in (*STRUCTURED_SHAPES, *LOG_SHAPES)}
_TEXT = json.dumps({"text": "as long as what people write to each other, more or less, on a usual day"})


class Deployment:
    """What is in the database: `ann` has all the conversations, the first of which is as long as a tenth of all."""

    def __init__(self, ann: str, messages: int, conversations: int, now_ms: int) -> None:
        self._ann = ann
        self._now = now_ms
        self.first = messages // 10
        self.others = (messages - self.first) // (conversations - 1)
        self.convs = [c2c(ann, f"peer-{number:06}", created_at=self._now) for number in range(conversations)]

    def length(self, place: int) -> int:
        """How many messages a conversation has."""
        return self.others if place else self.first

    def talks(self) -> Iterator[Row]:
        for conv in self.convs:
            yield (conv.conv_id, conv.subject, "c2c", conv.user_a, conv.user_b, "", conv.key, conv.created_at)

    def lines(self) -> Iterator[Row]:
        for place, conv in enumerate(self.convs):
            yield (self._ann, conv.conv_id, int(place < 5), 0, "", self._now - place * 1000)

    def messages(self) -> Iterator[Row]:
        for place, conv in enumerate(self.convs):
            people, at = (conv.user_a, conv.user_b), self._now - place * 1000
            for seq in range(1, self.length(place) + 1):
                yield (conv.conv_id, seq, people[seq % 2], f"m{seq}", "text", _TEXT, at, 0, None, None)


async def _fill(settings: Settings, deployment: Deployment) -> None:
    async with open_rows(settings) as (data, log):
        await _put(data, "im_conversations", deployment.talks())
        await _put(data, "user_conversations", deployment.lines())
        if settings.mysql.dsn:
            await _multiply(parse_dsn(settings.mysql.dsn.get_secret_value()), deployment)
        else:
            await _put(log, "messages", deployment.messages())


async def _multiply(dsn: Dsn, deployment: Deployment) -> None:
    """Have MariaDB make the messages from its conversations and from numbers: several times as fast."""
    started, long = perf_counter(), deployment.convs[0].conv_id
    ids = sorted(conv.conv_id for conv in deployment.convs[1:])
    parts = [
        (long, long, at + 1, min(at + _MADE_AT_ONCE, deployment.first))
        for at in range(0, deployment.first, _MADE_AT_ONCE)
    ]
    step = max(1, _MADE_AT_ONCE // deployment.others)
    parts += [
        (few[0], few[-1], 1, deployment.others) for at in range(0, len(ids), step) if (few := ids[at : at + step])
    ]
    async with MysqlEngine(dsn, connections=1) as engine:
        done = sum([await engine.execute(_MAKE, (_TEXT, *part)) for part in parts])
    typer.echo(f"messages: {done:,} rows in {perf_counter() - started:.0f} s", err=True)


async def _put(store: RowStore, table: str, rows: Iterable[Row]) -> None:
    rows, started, done = iter(rows), perf_counter(), 0
    while page := list(islice(rows, _AT_ONCE)):
        await store.put(_SHAPES[table], page)
        done += len(page)
    typer.echo(f"{table}: {done:,} rows in {perf_counter() - started:.0f} s", err=True)


class Client:
    """Ann, who asks for one page after the other."""

    def __init__(self, url: str, ann: Person, deployment: Deployment) -> None:
        self._url, self._ann, self._all = url, ann, deployment
        self._dice = random.Random(20261128)
        self._deep: list[str] = []

    def get(self, path: str) -> Any:
        request = Request(self._url + path, headers={"Authorization": f"Bearer {self._ann.token}"})  # noqa: S310
        with urlopen(request, timeout=60) as answer:  # noqa: S310  # our own address
            return json.loads(answer.read())

    def newest(self) -> Any:
        conv = self._dice.choice(self._all.convs)
        return self.get(f"/api/messages/history?convId={quote(conv.conv_id)}&limit=50")["messages"]

    def deep(self) -> Any:
        before = self._dice.randrange(100, self._all.first)
        path = f"/api/messages/history?convId={quote(self._all.convs[0].conv_id)}&limit=50&beforeSeq={before}"
        return self.get(path)["messages"]

    def top(self) -> Any:
        return self.get("/api/conversations?limit=50")["conversations"]

    def walk(self) -> None:
        """Find places deep in the list: through all of it, page by page."""
        cursor: str | None = ""
        path = "/api/conversations?limit=100"
        while cursor is not None:
            cursor = self.get(path + (f"&cursor={quote(cursor)}" if cursor else ""))["nextCursor"]
            self._deep.append(cursor or "")
        self._deep = self._deep[len(self._deep) // 10 : -1]

    def deep_in_the_list(self) -> Any:
        return self.get(f"/api/conversations?limit=50&cursor={quote(self._dice.choice(self._deep))}")["conversations"]

    def sync(self, socket: ClientConnection) -> Any:
        """What was missed in twenty conversations, ten messages in each."""
        convs = [
            {"convId": self._all.convs[place].conv_id, "fromSeq": self._all.length(place) - 10, "fromChange": 0}
            for place in self._dice.sample(range(len(self._all.convs)), 20)
        ]
        socket.send(json.dumps({"action": "sync", "id": 1, "data": {"convs": convs}}))
        while (answer := json.loads(socket.recv()))["action"] not in {"synced", "error"}:
            pass
        return answer["data"]["convs"]


class Took(NamedTuple):
    """Milliseconds."""

    p50: float
    p99: float
    max: float


def _time(ask: Callable[[], Any], times: int) -> Took:
    took = []
    for _ in range(times):
        started = perf_counter()
        assert ask()
        took.append((perf_counter() - started) * 1000)
    took.sort()
    return Took(took[times // 2], took[times * 99 // 100], took[-1])


def _ask(url: str, ann: Person, deployment: Deployment, times: int) -> Iterator[tuple[str, Took]]:
    client = Client(url, ann, deployment)
    yield "history, newest 50", _time(client.newest, times)
    yield "history, 50 deep in the long one", _time(client.deep, times)
    yield "conversation list, first 50", _time(client.top, times)
    client.walk()
    yield "conversation list, 50 deep in it", _time(client.deep_in_the_list, times)
    headers = {"Authorization": f"Bearer {ann.token}"}
    with connect(f"{url.replace('http', 'ws')}/ws", additional_headers=headers, compression=None, proxy=None) as socket:
        yield "sync, 20 conversations of 10", _time(lambda: client.sync(socket), times)


class Kept(Struct, frozen=True):
    """What a filled folder is: enough to make its `Deployment` again, and to ask as Ann."""

    secret: str
    ann: Person
    messages: int
    conversations: int
    now_ms: int

    @property
    def deployment(self) -> Deployment:
        return Deployment(self.ann.user_id, self.messages, self.conversations, self.now_ms)


def _filled(home: Path, environment: dict[str, str], messages: int, conversations: int) -> Kept:
    """What is in the folder; if nothing is, it is filled."""
    note = home / "kept.json"
    if not note.exists():
        if environment.get("IM_MYSQL_DSN"):
            migrate(environment, home)
        [ann] = populate_directly(environment, Wanted(people=1)).people
        now_ms = time.time_ns() // 1_000_000
        kept = Kept(environment["IM_JWT_SECRET"], ann, messages, conversations, now_ms)
        asyncio.run(_fill(load(None, environment).settings, kept.deployment))
        note.write_bytes(msgspec.json.encode(kept))  # last: a folder without it is not whole
    return msgspec.json.decode(note.read_bytes(), type=Kept)


@contextlib.contextmanager
def _home(keep: Path | None, folder: Path | None) -> Iterator[Path]:
    """Where the database is: to be kept, or gone afterwards."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="goim-large-", dir=folder) as name:
        yield Path(name)


def main(
    *,
    mysql: Annotated[bool, typer.Option("--mysql", help="In a MariaDB that is started, instead of SQLite.")] = False,
    messages: Annotated[int, typer.Option(help="All of them together.")] = 10_000_000,
    conversations: Annotated[int, typer.Option(help="All of one person's.", min=100)] = 100_000,
    asked: Annotated[int, typer.Option(help="How often each page is asked for; 0 only fills.", min=0)] = 300,
    folder: Annotated[Path | None, typer.Option(help="Where there is room for it.")] = None,
    keep: Annotated[Path | None, typer.Option(help="Fill this folder, and next time ask what is in it.")] = None,
) -> None:
    """Fill a database, start a server on it, and say how long its pages take (milliseconds, one asking at a time)."""
    with _home(keep, folder) as home, contextlib.ExitStack() as stack:
        environment = environment_of(home, secrets.token_urlsafe(48))
        if mysql:
            database = stack.enter_context(measured_mariadb(home / "mariadb", is_kept=keep is not None))
            environment["IM_MYSQL_DSN"] = database.goim_dsn
        kept = _filled(home, environment, messages, conversations)
        environment["IM_JWT_SECRET"] = kept.secret
        if not asked:
            return
        with running_server(environment, home) as server:
            for what, took in _ask(server.target.url, kept.ann, kept.deployment, asked):
                typer.echo(f"{what:36} p50 {took.p50:7.2f}  p99 {took.p99:7.2f}  max {took.max:7.2f}")


if __name__ == "__main__":
    typer.run(main)
