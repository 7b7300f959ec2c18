"""The SQLite engine: jobs, statements, transactions, and what happens when the disk says no."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest
from piccolo.engine.exceptions import TransactionError

from goim.errors import StoreDown
from goim.stores import sqlite_worker
from goim.stores.base import Taken
from goim.stores.sqlite import SqliteEngine
from goim.stores.sqlite_worker import told

CREATE = "CREATE TABLE marks (name TEXT NOT NULL PRIMARY KEY, number BIGINT NOT NULL)"
ADD = "INSERT INTO marks VALUES (?, ?)"
COUNT = "SELECT COUNT(*) FROM marks"
RAISE = "UPDATE marks SET number = number + 1"


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[SqliteEngine]:
    async with SqliteEngine(tmp_path / "marks.db") as engine:
        await engine.run_ddl(CREATE)
        yield engine


def add(name: str, number: int = 0) -> Callable[[sqlite3.Connection], None]:
    def job(connection: sqlite3.Connection) -> None:
        connection.execute(ADD, (name, number))

    return job


async def names(engine: SqliteEngine) -> list[str]:
    return [name for (name,) in await engine.fetch_rows("SELECT name FROM marks ORDER BY name")]


def files(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


class Gate:
    """Holds a thread of the engine in a job until it is opened."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._opened = threading.Event()

    def __call__(self, connection: sqlite3.Connection) -> None:
        self._reached.set()
        assert self._opened.wait(60)

    async def reached(self) -> None:
        assert await asyncio.to_thread(self._reached.wait, 60)

    def open(self) -> None:
        self._opened.set()


async def cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# Files and threads


@pytest.mark.parametrize("page_size", [2048, 4096])
async def test_every_commit_is_on_disk_before_it_is_told(tmp_path: Path, page_size: int) -> None:
    async with SqliteEngine(tmp_path / "marks.db", page_size=page_size) as engine:

        def settings(connection: sqlite3.Connection) -> list[object]:
            pragmas = ("journal_mode", "synchronous", "page_size", "wal_autocheckpoint")
            return [connection.execute(f"PRAGMA {pragma}").fetchone()[0] for pragma in pragmas]

        expected = ["wal", 2, page_size, 16 * 1024 * 1024 // page_size]  # 2 is FULL
        assert await engine.write(settings) == expected
        assert await engine.read(settings) == expected


async def test_the_log_beside_a_long_read_gives_the_disk_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_worker, "_CHECKPOINT_BYTES", 1 << 18)
    monkeypatch.setattr(sqlite_worker, "_KEPT_LOG_BYTES", 1 << 19, raising=False)
    log = tmp_path / "marks.db-wal"
    async with SqliteEngine(tmp_path / "marks.db") as engine:
        await engine.run_ddl(CREATE)
        with closing(sqlite3.connect(tmp_path / "marks.db", isolation_level=None)) as beside:
            beside.execute("BEGIN")
            beside.execute("SELECT * FROM sqlite_master").fetchall()
            for _ in range(4):
                await engine.run_ddl("CREATE TABLE more AS SELECT zeroblob(1048576) AS one")
                await engine.run_ddl("DROP TABLE more")
            assert log.stat().st_size > 4 << 20
        for _ in range(3):
            await engine.run_ddl("CREATE TABLE more (one)")
            await engine.run_ddl("DROP TABLE more")
        assert log.stat().st_size <= 1 << 19


async def test_closing_ends_the_threads_and_leaves_one_file(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    async with SqliteEngine(tmp_path / "marks.db", readers=3) as engine:
        await engine.run_ddl(CREATE)
        ours = {each for each in threading.enumerate() if each.name.startswith("sqlite")} - before
        assert len(ours) == 4
    assert not [each for each in ours if each.is_alive()]
    assert files(tmp_path) == ["marks.db"]


async def test_what_is_queued_when_it_closes_is_still_done(tmp_path: Path) -> None:
    gate = Gate()
    async with SqliteEngine(tmp_path / "marks.db") as engine, asyncio.TaskGroup() as tasks:
        await engine.run_ddl(CREATE)
        tasks.create_task(engine.write(gate))
        await gate.reached()
        written = [tasks.create_task(engine.write(add(f"mark {number}"))) for number in range(20)]
        closed = tasks.create_task(engine.close())
        await engine_is_closing(engine)
        gate.open()
    assert closed.done()
    assert all(task.done() for task in written)
    async with SqliteEngine(tmp_path / "marks.db") as engine:
        assert len(await names(engine)) == 20


async def engine_is_closing(engine: SqliteEngine) -> None:
    """Return when the engine takes no more."""
    async with asyncio.timeout(20):
        while True:
            try:
                await engine.fetch_rows("SELECT 1")
            except StoreDown:
                return


async def test_a_closed_engine_is_a_store_that_is_down(engine: SqliteEngine) -> None:
    await engine.close()
    with pytest.raises(StoreDown):
        await engine.fetch("SELECT 1")
    with pytest.raises(StoreDown):
        await engine.write(add("late"))
    with pytest.raises(StoreDown):
        async with engine.transaction():
            pytest.fail("there is nothing to begin")
    await engine.close()


async def test_a_file_that_cannot_be_opened_is_a_store_that_is_down(tmp_path: Path) -> None:
    before = threading.enumerate()
    with pytest.raises(StoreDown):
        await SqliteEngine(tmp_path / "no such folder" / "marks.db").open()
    (tmp_path / "text.db").write_text("this is not a database" * 1000)
    with pytest.raises(StoreDown):
        await SqliteEngine(tmp_path / "text.db").open()
    with pytest.raises(StoreDown, match="no write-ahead log"):
        await SqliteEngine(":memory:").open()
    assert not [each for each in threading.enumerate() if each.name.startswith("sqlite") and each not in before]


async def test_an_opening_that_is_cancelled_leaves_no_threads(tmp_path: Path) -> None:
    before = threading.enumerate()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await SqliteEngine(tmp_path / "marks.db").open()
    assert not [each for each in threading.enumerate() if each.name.startswith("sqlite") and each not in before]


async def test_two_engines_keep_apart(tmp_path: Path) -> None:
    async with SqliteEngine(tmp_path / "one.db") as one, SqliteEngine(tmp_path / "other.db") as other:
        for engine in (one, other):
            await engine.run_ddl(CREATE)
        async with one.transaction():
            await one.execute(ADD, ("mine", 1))
            await other.execute(ADD, ("yours", 2))
            assert await names(one) == ["mine"]
            assert await names(other) == ["yours"]


async def test_two_engines_on_one_file_take_turns(engine: SqliteEngine) -> None:
    await engine.execute(ADD, ("counter", 0))
    async with SqliteEngine(engine.path) as other:
        await asyncio.gather(*(each.execute(RAISE) for each in (engine, other) * 25))
        assert await engine.fetch_rows("SELECT number FROM marks") == [(50,)]


# Jobs


async def test_what_is_written_is_read_at_once(engine: SqliteEngine) -> None:
    for number in range(20):
        await engine.write(add(f"mark {number}"))
        assert await engine.read(lambda connection: connection.execute(COUNT).fetchone()[0]) == number + 1


async def test_many_writers_at_once_lose_nothing(engine: SqliteEngine) -> None:
    await engine.execute(ADD, ("counter", 0))

    def increase(connection: sqlite3.Connection) -> None:
        (number,) = connection.execute("SELECT number FROM marks").fetchone()
        connection.execute("UPDATE marks SET number = ?", (number + 1,))

    await asyncio.gather(*(engine.write(increase) for _ in range(100)))
    assert await engine.fetch("SELECT number FROM marks") == [{"number": 100}]


async def test_a_job_that_fails_leaves_nothing(engine: SqliteEngine) -> None:
    def job(connection: sqlite3.Connection) -> None:
        add("half")(connection)
        raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        await engine.write(job)
    await engine.write(add("after"))
    assert await names(engine) == ["after"]


async def test_a_cancelled_caller_goes_and_the_job_is_done(
    engine: SqliteEngine, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(engine.write(gate))
        await gate.reached()
        queued = tasks.create_task(engine.write(add("queued")))
        await asyncio.to_thread(lambda: None)  # one round of the loop: it is in the queue
        await cancelled(queued)
        await cancelled(running)
        gate.open()
    await engine.write(add("after"))
    assert await names(engine) == ["after", "queued"]
    assert not caplog.records  # asyncio would log an answer that cannot be given


async def test_a_commit_that_fails_leaves_nothing_open(engine: SqliteEngine) -> None:
    """A reference that is checked at the end is the one way to make SQLite refuse a COMMIT."""
    await engine.execute("PRAGMA foreign_keys = 1")
    later = "DEFERRABLE INITIALLY DEFERRED"
    await engine.run_ddl(f"CREATE TABLE notes (mark TEXT NOT NULL REFERENCES marks (name) {later})")
    note = "INSERT INTO notes VALUES ('nobody')"
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        await engine.write(lambda connection: connection.execute(note).fetchone())
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        await execute_all(engine, (note, ()))
    await execute_all(engine, (ADD, ("after", 0)))
    assert await engine.fetch_rows("SELECT * FROM notes") == []
    assert await names(engine) == ["after"]


async def test_a_read_cannot_write(engine: SqliteEngine) -> None:
    with pytest.raises(StoreDown, match="readonly"):
        await engine.read(add("mark"))
    assert await names(engine) == []


async def test_a_read_sees_one_state_from_beginning_to_end(engine: SqliteEngine) -> None:
    first, gate = threading.Event(), Gate()

    def job(connection: sqlite3.Connection) -> tuple[int, int]:
        before = connection.execute(COUNT).fetchone()[0]
        first.set()
        gate(connection)
        return before, connection.execute(COUNT).fetchone()[0]

    async with asyncio.TaskGroup() as tasks:
        counts = tasks.create_task(engine.read(job))
        await gate.reached()
        await engine.write(add("meanwhile"))
        gate.open()
    assert counts.result() == (0, 0)


async def test_reading_does_not_wait_for_a_writer(engine: SqliteEngine) -> None:
    gate = Gate()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(engine.write(gate))
        await gate.reached()
        assert await names(engine) == []
        gate.open()


async def test_errors_are_told_apart(engine: SqliteEngine) -> None:
    await engine.execute(ADD, ("mark", 1))
    with pytest.raises(Taken):
        await engine.execute(ADD, ("mark", 2))
    with pytest.raises(sqlite3.IntegrityError, match="NOT NULL"):
        await engine.execute(ADD, ("other", None))
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await engine.fetch("SELECT * FROM nowhere")


async def test_a_file_that_another_process_holds_is_a_store_that_is_down(engine: SqliteEngine) -> None:
    await engine.write(lambda connection: connection.execute("PRAGMA busy_timeout = 10").fetchone())
    with closing(sqlite3.connect(engine.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreDown, match="locked"):
            await engine.write(add("mark"))
        with pytest.raises(StoreDown, match="locked"):
            await engine.execute(ADD, ("mark", 1))
        with pytest.raises(StoreDown, match="locked"):
            async with engine.transaction():
                pytest.fail("it never begins")
    await engine.write(add("mark"))
    assert await names(engine) == ["mark"]


# A full disk


async def fill(engine: SqliteEngine) -> None:
    """Let the file grow by a few pages only, which is what a full disk looks like from inside."""

    def job(connection: sqlite3.Connection) -> None:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 4}")

    await engine.write(job)


async def make_room(engine: SqliteEngine) -> None:
    await engine.write(lambda connection: connection.execute("PRAGMA max_page_count = 1000000").fetchone())


def big(name: str) -> list[tuple[str, int]]:
    """Rows that do not fit any more."""
    return [(f"{name} {number} {'x' * 2000}", number) for number in range(200)]


async def execute_all(engine: SqliteEngine, *statements: tuple[str, tuple[object, ...]]) -> None:
    async with engine.transaction():
        for sql, args in statements:
            await engine.execute(sql, args)


def test_where_there_is_no_room_to_open_a_database_it_is_asked_whether_the_disk_is_full() -> None:
    """What SQLite says when its file of shared memory (-shm) finds no room."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE
    assert str(told(error)) == "SQLite: disk I/O error; is the disk full?"
    assert isinstance(told(error), StoreDown)


async def test_a_full_disk_is_a_store_that_is_down_and_nothing_of_the_work_stands(engine: SqliteEngine) -> None:
    await engine.execute(ADD, ("before", 0))
    await fill(engine)
    with pytest.raises(StoreDown, match="full"):
        await engine.insert_rows("marks", big("one"))
    with pytest.raises(StoreDown, match="full"):
        await engine.insert_rows("marks", big("one") + big("two") + big("three"))
    with pytest.raises(StoreDown, match="full"):
        await engine.execute_many(ADD, big("many"))
    with pytest.raises(StoreDown, match="full"):
        await execute_all(engine, *((ADD, row) for row in big("many")))
    assert await names(engine) == ["before"]


async def test_the_engine_works_again_when_there_is_room(engine: SqliteEngine) -> None:
    await fill(engine)
    with pytest.raises(StoreDown):
        await engine.insert_rows("marks", big("one"))
    await make_room(engine)
    await engine.insert_rows("marks", big("one"))
    async with engine.transaction():
        await engine.execute(ADD, ("after", 0))
    assert len(await names(engine)) == 201


async def test_a_transaction_that_sqlite_gave_up_takes_nothing_more(engine: SqliteEngine) -> None:
    """Else the rest of the block would be stored without its beginning."""
    given_up = [(ADD, ("beginning", 0)), ("ROLLBACK", ())]  # as SQLite does by itself on some errors
    with pytest.raises(StoreDown):
        await execute_all(engine, *given_up, (ADD, ("rest", 0)))
    with pytest.raises(StoreDown):
        await execute_all(engine, *given_up)
    assert await names(engine) == []
    await engine.write(add("after"))


# Statements


async def test_statements_say_how_many_rows_they_changed(engine: SqliteEngine) -> None:
    assert await engine.execute_many(ADD, [("a", 1), ("b", 2), ("c", 3)]) == 3
    assert await engine.execute(RAISE) == 3
    assert await engine.execute("UPDATE marks SET number = 0 WHERE name = ?", ("d",)) == 0
    assert await engine.execute("DELETE FROM marks WHERE number > ?", (2,)) == 2
    assert await engine.execute_many(ADD, []) == 0


async def test_many_statements_stand_or_fall_together(engine: SqliteEngine) -> None:
    with pytest.raises(Taken):
        await engine.execute_many(ADD, [("a", 1), ("b", 2), ("a", 3)])
    assert await names(engine) == []


async def test_one_statement_for_each_argument_answers_in_their_order(engine: SqliteEngine) -> None:
    await engine.execute_many(ADD, [(name, number) for number, name in enumerate("abcdef")])
    each = [("f",), ("nothing",), ("b",)]
    assert await engine.fetch_each("SELECT number FROM marks WHERE name = ?", each) == [(5,), (1,)]


async def test_inserting_rows_is_refused_in_a_transaction(engine: SqliteEngine) -> None:
    with pytest.raises(TransactionError):
        async with engine.transaction():
            await engine.insert_rows("marks", [("a", 1)])
