"""`goimctl users` and `goimctl token` on a database nobody serves."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic

import pytest

from tests.cli.conftest import BINARY, Goimctl

PASSWORD = "correct horse"
PATIENCE = 60.0


def create(goimctl: Goimctl, *names: str) -> None:
    for name in names:
        goimctl.done("users", "create", name, "--password-stdin", stdin=f"{PASSWORD}\n")


def test_an_account_is_made_shown_listed_changed_and_erased(goimctl: Goimctl) -> None:
    made = json.loads(
        goimctl.done(
            *("users", "create", "alice", "--nickname", "Alice L.", "--admin", "--password-stdin", "--json"),
            stdin=f"{PASSWORD}\n",
        ).stdout
    )
    assert made.keys() == {"userId", "username"}
    create(goimctl, "bob")
    shown = goimctl.json("users", "show", "ALICE")
    assert shown["createdAt"] > 1_700_000_000_000
    assert shown == {
        "userId": made["userId"],
        "username": "alice",
        "nickname": "Alice L.",
        "avatarUrl": "",
        "isAdmin": True,
        "isDisabled": False,
        "createdAt": shown["createdAt"],
        "sessions": 0,
        "groups": 0,
        "lastSeen": 0,
    }
    assert "lastSeen    never" in goimctl.done("users", "show", "alice").stdout.splitlines()
    goimctl.done("users", "admin", "alice", "--revoke")
    goimctl.done("users", "disable", made["userId"])
    first = goimctl.json("users", "list", "--limit", "1")
    assert [user["username"] for user in first["users"]] == ["alice"]
    assert (first["users"][0]["isAdmin"], first["users"][0]["isDisabled"]) == (False, True)
    rest = goimctl.json("users", "list", "--after", first["nextAfter"])
    assert ([user["username"] for user in rest["users"]], rest["nextAfter"]) == (["bob"], None)
    assert goimctl.done("users", "erase", "alice", "--yes").stderr == "alice is erased\n"
    table = goimctl.done("users", "list").stdout.splitlines()
    assert table[0].split() == ["USERNAME", "USER", "ID", "NICKNAME", "STATE", "SINCE"]
    assert [row.split()[0] for row in table[1:]] == ["bob"]


def test_accounts_are_found_by_what_they_are_called_and_are(goimctl: Goimctl) -> None:
    create(goimctl, "ann", "joanna", "bob")
    goimctl.done("users", "admin", "bob")
    goimctl.done("users", "disable", "ann")

    def found(*args: str) -> list[str]:
        return [user["username"] for user in goimctl.json("users", "list", *args)["users"]]

    assert found("--find", "ANN") == ["ann", "joanna"]
    assert found("--find", goimctl.json("users", "show", "bob")["userId"]) == ["bob"]
    assert found("--admins") == ["bob"]
    assert found("--disabled", "--find", "ann") == ["ann"]
    more = goimctl.done("users", "list", "--find", "ann", "--limit", "1")
    assert more.stderr.startswith("there are more: the same with --after ")


def test_a_generated_password_is_told_once_and_none_other_ever(goimctl: Goimctl) -> None:
    made = goimctl.done("users", "create", "alice", "--generate")
    password = made.stdout.split()[-1]
    assert len(password) >= 16
    assert password not in made.stderr
    again = goimctl.json("users", "passwd", "alice", "--generate")
    assert again.keys() == {"userId", "username", "password"}
    assert again["password"] != password
    silent = goimctl.done("users", "passwd", "alice", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert silent.stdout == ""
    assert PASSWORD not in silent.stderr


@pytest.mark.parametrize(
    ("args", "stdin", "code", "told"),
    [
        (["users", "show", "nobody"], "", 1, ["error: no such user: nobody", "hint: goimctl users list"]),
        (["token", "nobody"], "", 1, ["error: no such user: nobody", "hint: goimctl users list"]),
        (
            ["users", "create", "a b", "--generate"],
            "",
            1,
            ["error: a username has 3 to 32 characters of A-Z a-z 0-9 _ . -"],
        ),
        (
            ["users", "create", "alice", "--password-stdin"],
            "short\n",
            1,
            ["error: a password has 8 to 128 characters"],
        ),
        (
            ["users", "create", "alice"],
            "",
            2,
            [
                "error: there is no terminal to ask for the password at",
                "hint: --password-stdin reads it from a pipe, --generate makes one up",
            ],
        ),
        (
            ["users", "passwd", "alice", "--generate", "--password-stdin"],
            "",
            2,
            ["error: --generate and --password-stdin exclude each other"],
        ),
        (
            ["users", "erase", "alice"],
            "",
            2,
            ["error: this cannot be undone, and there is no terminal to ask at", "hint: --yes"],
        ),
    ],
)
def test_what_cannot_be_done_is_said_with_the_way_out(
    goimctl: Goimctl, tmp_path: Path, args: list[str], stdin: str, code: int, told: list[str]
) -> None:
    (tmp_path / "data").mkdir()
    done = goimctl(*args, stdin=stdin)
    assert (done.returncode, done.stdout, done.stderr.splitlines()) == (code, "", told)


def test_a_name_is_taken_whatever_its_case(goimctl: Goimctl) -> None:
    create(goimctl, "alice")
    done = goimctl("users", "create", "Alice", "--generate")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "error: there is an account Alice already",
        "hint: goimctl users passwd Alice gives that account another password",
    ]


def test_who_has_no_session_has_none_ended(goimctl: Goimctl) -> None:
    create(goimctl, "alice")
    done = goimctl("users", "sessions", "alice", "--end-all")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "0 ended\n")


def test_a_session_of_somebody_else_is_not_ended(goimctl: Goimctl) -> None:
    create(goimctl, "alice", "bob")
    assert goimctl.json("token", "alice").keys() == {"token", "userId", "expiresAt", "refreshToken"}
    (session,) = goimctl.json("users", "sessions", "alice")["sessions"]
    done = goimctl("users", "sessions", "bob", "--end", session["sessionId"])
    assert (done.returncode, done.stderr) == (
        1,
        f"error: bob has no session {session['sessionId']}\nhint: goimctl users sessions bob\n",
    )
    assert goimctl.json("users", "sessions", "alice")["sessions"] == [session]


def test_what_somebody_calls_their_device_commands_no_terminal(goimctl: Goimctl) -> None:
    create(goimctl, "alice")
    goimctl.done("token", "alice", "--device", "\x1b[2Jphone\n\x9b31m")
    (session,) = goimctl.json("users", "sessions", "alice")["sessions"]
    assert session["deviceId"] == "\x1b[2Jphone\n\x9b31m"
    assert (
        "  \N{REPLACEMENT CHARACTER}[2Jphone \N{REPLACEMENT CHARACTER}31m  "
        in goimctl.done("users", "sessions", "alice").stdout
    )


def test_nobody_gets_a_token_for_a_disabled_account(goimctl: Goimctl) -> None:
    create(goimctl, "alice")
    goimctl.done("users", "disable", "alice")
    done = goimctl("token", "alice")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "error: this account is closed\n")
    assert goimctl.json("users", "sessions", "alice") == {"sessions": []}


def test_the_first_command_says_where_it_makes_the_database(goimctl: Goimctl, tmp_path: Path) -> None:
    assert goimctl.done("users", "list").stderr == (f"there is no database yet: making one in {tmp_path / 'data'}\n")
    assert goimctl.done("users", "list").stderr == ""


def test_a_file_where_the_folder_should_be_is_said(goimctl: Goimctl, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    done = goimctl("users", "list", IM_JWT_SECRET="9f3k2j4h5g6d7s8a9p0o1i2u3y4t5r6e7w")
    assert (done.returncode, done.stderr) == (1, "error: data: File exists\n")


def test_a_database_that_is_none_is_a_dependency_that_is_down(goimctl: Goimctl, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "goim.db").write_text("this is no database, whatever its name says\n" * 100)
    done = goimctl("users", "list")
    assert done.returncode == 5
    assert done.stderr.startswith("error: SQLite: ")


@contextlib.contextmanager
def at_a_terminal(goimctl: Goimctl, *args: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """The command at a terminal of which this is our end; it is over when the block ends."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [BINARY, *args], cwd=goimctl.folder, env=goimctl.environ(), stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        try:
            yield ours, process
        finally:
            process.kill()
            os.close(ours)


def test_who_says_no_to_a_question_changes_nothing(goimctl: Goimctl) -> None:
    create(goimctl, "alice")
    with at_a_terminal(goimctl, "users", "erase", "alice") as (ours, process):
        read_until(ours, "[y/N]: ")
        os.write(ours, b"n\n")
        read_until(ours, "error: nothing was done")
        assert process.wait(PATIENCE) == 1
    assert goimctl.json("users", "show", "alice")["username"] == "alice"


def test_ctrl_c_to_a_question_changes_nothing(goimctl: Goimctl) -> None:
    create(goimctl, "alice")
    with at_a_terminal(goimctl, "users", "erase", "alice") as (ours, process):
        read_until(ours, "[y/N]: ")
        until_it_waits(process)
        process.send_signal(signal.SIGINT)
        read_until(ours, "error: interrupted")
        assert process.wait(PATIENCE) == 130
    assert goimctl.json("users", "show", "alice")["username"] == "alice"


def test_an_erasing_that_is_interrupted_says_how_it_goes_on(goimctl: Goimctl, tmp_path: Path) -> None:
    create(goimctl, "alice")
    with closing(sqlite3.connect(tmp_path / "data/goim.db", isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")  # it has to wait
        with at_a_terminal(goimctl, "users", "erase", "alice", "--yes") as (ours, process):
            read_until(ours, "Erasing alice")
            process.send_signal(signal.SIGINT)
            database.execute("ROLLBACK")
            told = read_until(ours, "--yes")
            assert "error: interrupted: what is erased stays so" in told
            assert "hint: type the same again: goimctl users erase alice --yes" in told
            assert process.wait(PATIENCE) == 130
    goimctl.done("users", "erase", "alice", "--yes")


def test_at_a_terminal_the_password_is_asked_for_twice_and_never_shown(goimctl: Goimctl) -> None:
    with at_a_terminal(goimctl, "users", "create", "alice") as (ours, process):
        seen = read_until(ours, "New password of alice: ")
        os.write(ours, f"{PASSWORD}\n".encode())
        seen += read_until(ours, "Repeat for confirmation: ")
        os.write(ours, f"{PASSWORD}\n".encode())
        seen += read_until(ours, "alice may log in")
        assert process.wait(PATIENCE) == 0
    assert PASSWORD not in seen
    assert goimctl.json("users", "show", "alice")["username"] == "alice"


def read_until(terminal: int, text: str) -> str:
    """What a terminal shows, up to `text`."""
    seen = ""
    while text not in seen:
        assert select.select([terminal], [], [], PATIENCE)[0], f"no {text!r} after {seen!r}"
        seen += os.read(terminal, 4096).decode()
    return seen


def until_it_waits(process: subprocess.Popen[bytes]) -> None:
    """Until it reads what is typed: a signal in the moment before is noticed only with the next line."""
    deadline = monotonic() + PATIENCE
    while Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2][0] != "S":
        assert monotonic() < deadline


def test_an_empty_pipe_is_no_password(goimctl: Goimctl) -> None:
    told = (2, "error: there is no password in the first line of stdin\n")
    for args in (("users", "create", "alice"), ("chat", "alice"), ("demo",)):
        done = goimctl(*args, "--password-stdin")
        assert (done.returncode, done.stderr) == told


def test_a_password_that_is_not_utf_8_is_none(goimctl: Goimctl) -> None:
    done = subprocess.run(
        [BINARY, "users", "create", "alice", "--password-stdin"], cwd=goimctl.folder, env=goimctl.environ(),
        input=b"correct h\xefrse\n", capture_output=True, timeout=90, check=False,
    )  # fmt: skip
    told = b"error: the password in the first line of stdin is not UTF-8\n"
    assert (done.returncode, done.stderr) == (2, told)
