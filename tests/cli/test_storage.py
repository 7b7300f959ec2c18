"""`goimctl storage copy`: whole, the same on both sides, and where it broke off it goes on."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from goim.model.messages import MessageRow
from goim.stores.rows import LOG_SHAPES, STRUCTURED_SHAPES
from tests.cli.conftest import Goimctl

ROWS = 6_000
COPY = ("storage", "copy", "--from", "sqlite:data", "--to", "sqlite:new")
SLOWLY = """
import time
from goim.app import copying
from goimctl.__main__ import main

def remember(memory, progress, at_once=copying._remember):
    at_once(memory, progress)
    if "messages" in progress.after:
        time.sleep(0.3)

copying._remember = remember
main()
"""
"""`goimctl` that takes as long as with many more messages: whoever looks on sees it in the middle of them."""


@pytest.fixture
def home(goimctl: Goimctl, tmp_path: Path) -> Path:
    """A data folder with somebody in it and many messages."""
    goimctl.done("users", "create", "alice", "--generate")
    rows = [
        MessageRow(f"c{number % 7}", number // 7 + 1, "alice", f"m{number}", "text", "{}", number, 0, None, None)
        for number in range(ROWS)
    ]
    with closing(sqlite3.connect(tmp_path / "data/messages.db")) as database, database:
        database.executemany(f"INSERT INTO messages VALUES ({','.join('?' * len(MessageRow._fields))})", rows)
    return tmp_path


@contextlib.contextmanager
def copying(goimctl: Goimctl, state: Path) -> Iterator[subprocess.Popen[str]]:
    """A copy that is in the middle of the messages."""
    command = [sys.executable, "-c", SLOWLY, *COPY]
    with subprocess.Popen(
        command, cwd=goimctl.folder, env=goimctl.environ(), stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            while not (state.exists() and '"messages"' in state.read_text()):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.005)
                assert process.returncode is None, process.communicate()
            yield process
        finally:
            process.kill()


def all_rows(folder: Path, name: str, table: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / name)) as database:
        return sorted(database.execute(f"SELECT * FROM {table}").fetchall(), key=repr)


def test_every_table_is_copied_and_compared(goimctl: Goimctl, home: Path) -> None:
    (home / "data/files").mkdir(exist_ok=True)
    (home / "data/files/a.png").write_bytes(b"png")
    (home / "data/jwt_secret").write_text("secret")
    copied = goimctl.json(*COPY)["tables"]
    assert [each["table"] for each in copied] == [shape.name for shape in (*STRUCTURED_SHAPES, *LOG_SHAPES)]
    assert all(each["same"] for each in copied)
    assert {each["table"]: each["rows"] for each in copied}["messages"] == ROWS
    for name, shapes in (("goim.db", STRUCTURED_SHAPES), ("messages.db", LOG_SHAPES)):
        for shape in shapes:
            assert all_rows(home / "new", name, shape.name) == all_rows(home / "data", name, shape.name)
    assert (home / "new/files/a.png").read_bytes() == b"png"
    assert (home / "new/jwt_secret").read_text() == "secret"
    assert not (home / "goim-copy.json").exists()


def test_a_copy_that_was_killed_goes_on_where_it_was(goimctl: Goimctl, home: Path) -> None:
    state = home / "goim-copy.json"
    with copying(goimctl, state):
        pass  # it is killed
    reached = json.loads(state.read_text())["after"]["messages"]
    with closing(sqlite3.connect(home / "new/messages.db")) as database, database:
        assert database.execute("SELECT COUNT(*) FROM messages").fetchone()[0] > 0
        database.execute("DELETE FROM messages WHERE conv_id = ? AND seq = 1", (reached[0],))  # before that place
    failed = goimctl(*COPY)
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: not the same in both: messages\n"), "it began anew"
    with closing(sqlite3.connect(home / "new/messages.db")) as database, database:
        assert database.execute("SELECT COUNT(*) FROM messages").fetchone() == (ROWS - 1,)
        database.execute("ATTACH ? AS old", (str(home / "data/messages.db"),))
        database.execute("INSERT INTO messages SELECT * FROM old.messages WHERE conv_id = ? AND seq = 1", (reached[0],))
    goimctl.done(*COPY)
    assert all_rows(home / "new", "messages.db", "messages") == all_rows(home / "data", "messages.db", "messages")


def test_who_breaks_it_off_is_told_how_it_goes_on(goimctl: Goimctl, home: Path) -> None:
    state = home / "goim-copy.json"
    with copying(goimctl, state) as process:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert process.returncode == 130
    assert said.splitlines() == [
        "error: interrupted",
        "hint: type the same again: goim-copy.json remembers how far it is",
    ]
    goimctl.done(*COPY)
    assert all_rows(home / "new", "messages.db", "messages") == all_rows(home / "data", "messages.db", "messages")


def test_it_goes_on_with_the_files_where_only_those_were_missing(goimctl: Goimctl, home: Path) -> None:
    (home / "data/files").mkdir(exist_ok=True)
    (home / "data/files/a.png").write_bytes(b"png")
    (home / "new").mkdir()
    (home / "new/files").write_text("in the way")
    failed = goimctl(*COPY)
    assert failed.returncode == 1
    assert "files" in failed.stderr
    (home / "new/files").unlink()
    goimctl.done(*COPY)
    assert (home / "new/files/a.png").read_bytes() == b"png"
    assert not (home / "goim-copy.json").exists()


def test_only_an_empty_target_is_copied_into(goimctl: Goimctl, home: Path) -> None:
    goimctl.done("users", "create", "bob", "--generate", IM_SERVER_DATA_DIR="new")
    refused = goimctl(*COPY)
    assert refused.returncode == 1
    assert "is not empty: there is something in im_users" in refused.stderr
    assert not (home / "goim-copy.json").exists()


def test_a_database_that_is_none_is_told_before_anything_is_copied(goimctl: Goimctl, home: Path) -> None:
    (home / "data/goim.db").write_bytes(b"no database" * 1000)
    refused = goimctl(*COPY)
    assert (refused.returncode, refused.stderr) == (5, "error: SQLite: file is not a database\nhint: goimctl doctor\n")
    assert not (home / "new").exists()


def test_a_state_of_another_copy_is_refused(goimctl: Goimctl, home: Path) -> None:
    (home / "goim-copy.json").write_text('{"source": "a", "target": "b"}')
    refused = goimctl(*COPY)
    assert refused.stderr.splitlines()[0] == "error: goim-copy.json is of a copy from a to b"
    assert refused.stderr.splitlines()[1] == "hint: name another file: --state FILE"
    goimctl.done(*COPY, "--state", "other.json")


def test_a_settings_file_names_a_deployment(goimctl: Goimctl, home: Path) -> None:
    (home / "new.toml").write_text('[server]\ndata_dir = "elsewhere"\n')
    goimctl.done("storage", "copy", "--to", "new.toml")
    assert (home / "elsewhere/goim.db").is_file()


@pytest.mark.parametrize(
    ("args", "code", "why"),
    [
        (("--to", "sqlite:data"), 1, "source and target are the same"),
        (("--from", "sqlite:nowhere", "--to", "sqlite:new"), 1, "there is no nowhere"),
        (
            ("--to", "nowhere.toml"),
            2,
            "error: there is no nowhere.toml\nhint: goimctl config schema --toml > nowhere.toml\n",
        ),
        (("--to", "oracle"), 2, "'oracle' is no place for everything"),
        (("--to", "sqlite:new", "--to-messages", "redis://x"), 2, "'redis://x' is no place for messages"),
        (("--to", "oracle://me:secret@db/goim"), 2, "'oracle://me:***@db/goim' is no place for everything"),
        (("--to", "sqlite:new", "--to-messages", "me:secret@tcp(db)/goim"), 2, "'me:***@tcp(db)/goim' is no place for"),
        ((), 2, "missing option"),
    ],
)
def test_what_makes_no_sense_is_refused(
    goimctl: Goimctl, home: Path, args: tuple[str, ...], code: int, why: str
) -> None:
    refused = goimctl("storage", "copy", *args)
    assert refused.returncode == code
    assert why in refused.stderr
    assert "secret" not in refused.stderr
    assert not (home / "new").exists()
    assert not (home / "nowhere").exists()
