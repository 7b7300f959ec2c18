"""`goimctl migrate`: each file once, by whoever comes first, and never on what is not as it should be."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from goim import __version__
from goim.resources import bundled
from tests.cli.conftest import BINARY, Goimctl

OTHER = "-- store: words"  # beside a log in MongoDB only
FILES = sorted(
    path.name for path in (bundled("schemas") / "sqlite").glob("*.sql") if not path.read_text().startswith(OTHER)
)


def states(goimctl: Goimctl) -> dict[str, str]:
    return {each["file"]: each["state"] for each in goimctl.json("migrate", "status")["files"]}


def test_a_dry_run_and_a_look_make_nothing(goimctl: Goimctl, tmp_path: Path) -> None:
    planned = goimctl.done("migrate", "--dry-run")
    assert sorted(line.split()[1] for line in planned.stdout.splitlines()) == FILES
    assert planned.stderr == f"{len(FILES)} files to be applied\n"
    assert states(goimctl) == dict.fromkeys(FILES, "pending")
    assert list(tmp_path.iterdir()) == []


def test_what_is_pending_is_applied_once(goimctl: Goimctl) -> None:
    applied = goimctl.done("migrate")
    assert sorted(line.split()[1] for line in applied.stdout.splitlines()) == FILES
    again = goimctl.done("migrate", "up")
    assert (again.stdout, again.stderr) == ("", "the schema is up to date\n")
    assert states(goimctl) == dict.fromkeys(FILES, "applied")
    rows = goimctl.done("migrate", "status").stdout.splitlines()
    assert rows[0].split() == ["DATABASE", "FILE", "STATE", "APPLIED"]
    assert rows[1].split()[:3] == ["data", "0001_structured.sql", "applied"]


def test_of_several_at_once_each_file_is_applied_by_one(goimctl: Goimctl, tmp_path: Path) -> None:
    command = [str(BINARY), "migrate"]
    environ = goimctl.environ()
    several = [
        subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    results = [process.communicate(timeout=40) for process in several]
    assert [process.returncode for process in several] == [0] * 4, results
    assert sorted(line.split()[1] for stdout, _ in results for line in stdout.splitlines()) == FILES


def test_an_older_goim_starts_on_no_schema_of_a_newer_one(goimctl: Goimctl, tmp_path: Path) -> None:
    goimctl.done("migrate")
    change(tmp_path, "INSERT INTO schema_migrations VALUES (9999, 'later', '', 0, 0)")
    for command in ("serve", "migrate"):
        refused = goimctl(command, IM_LISTEN_ADDR="127.0.0.1:1")
        assert refused.returncode == 1
        error, hint = refused.stderr.splitlines()
        assert error == f"error: the schema is newer than goim {__version__}: it has 9999_later"
        assert hint.startswith("hint: install the goim that ran `goimctl migrate` last")
    assert states(goimctl)["0001_structured.sql"] == "applied"


def test_half_applied_and_edited_files_are_refused_until_set_right(goimctl: Goimctl, tmp_path: Path) -> None:
    goimctl.done("migrate")
    change(tmp_path, "UPDATE schema_migrations SET dirty = 1 WHERE version = 1")
    refused = goimctl("migrate")
    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        "error: 0001_structured.sql was applied only in part",
        "hint: finish it by hand, then run `goimctl migrate resolve 1`",
    ]
    assert states(goimctl)["0001_structured.sql"] == "dirty"
    assert goimctl.done("migrate", "resolve", "1").stderr == "version 1 counts as applied\n"
    change(tmp_path, "UPDATE schema_migrations SET checksum = 'another' WHERE version = 1")
    edited = goimctl("users", "list")
    assert edited.returncode == 1
    assert edited.stderr.startswith("error: 0001_structured.sql was edited after it was applied\nhint: ")


def test_only_what_is_dirty_is_resolved(goimctl: Goimctl) -> None:
    goimctl.done("migrate")
    sound, unknown = goimctl("migrate", "resolve", "1"), goimctl("migrate", "resolve", "99")
    assert (sound.returncode, sound.stderr) == (1, "error: version 1 is not dirty\nhint: goimctl migrate status\n")
    assert (unknown.returncode, unknown.stderr) == (
        1,
        "error: there is no version 99\nhint: goimctl migrate status\n",
    )


def change(folder: Path, sql: str) -> None:
    """Change the database behind goim's back."""
    with closing(sqlite3.connect(folder / "data" / "goim.db")) as database, database:
        database.execute(sql)
