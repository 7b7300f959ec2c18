"""`goimctl backup` and `goimctl restore`: whole or not at all, never over something."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from goimctl import app

from goim.app.backup import BackupError, back_up
from goim.app.restore import restore
from goim.clock import SystemClock
from tests.cli.conftest import BINARY, Goimctl


@pytest.fixture
def home(goimctl: Goimctl, tmp_path: Path) -> Path:
    """A data folder with somebody in it, a stored file and one that is still being written."""
    goimctl.done("users", "create", "alice", "--generate")
    files = tmp_path / "data/files/2026"
    files.mkdir(parents=True)
    (files / "picture.png").write_bytes(b"png" * 1000)
    (files / "picture.png#1").write_bytes(b"half")
    return tmp_path


@pytest.mark.parametrize("name", ["copy", "copy.tar", "copy.tar.gz", "copy.tgz"])
def test_what_was_backed_up_is_restored(goimctl: Goimctl, home: Path, name: str) -> None:
    said = goimctl.json("backup", name)
    assert said["path"] == name
    assert said["files"] == 3
    assert stat.S_IMODE((home / name).stat().st_mode) & 0o077 == 0, "others may not read it"
    restored = goimctl.json("restore", name, IM_SERVER_DATA_DIR="elsewhere")
    assert restored["bytes"] == said["bytes"]
    assert [user["username"] for user in goimctl.json("users", "list", IM_SERVER_DATA_DIR="elsewhere")["users"]] == [
        "alice"
    ]
    assert (home / "elsewhere/files/2026/picture.png").read_bytes() == b"png" * 1000
    assert not (home / "elsewhere/files/2026/picture.png#1").exists()
    assert {path.name for path in home.iterdir()} == {"data", name, "elsewhere"}, "something was left behind"


def test_secrets_are_copied_when_it_is_asked_for(goimctl: Goimctl, home: Path) -> None:
    (home / "data/jwt_secret").write_text("x")
    goimctl.done("backup", "without")
    goimctl.done("backup", "with", "--with-secrets")
    assert not (home / "without/jwt_secret").exists()
    said = goimctl.done("restore", "with", IM_SERVER_DATA_DIR="one")
    assert "logs in again" not in said.stderr
    assert (home / "one/jwt_secret").read_text() == "x"
    assert stat.S_IMODE((home / "one/jwt_secret").stat().st_mode) == 0o600
    said = goimctl.done("restore", "without", IM_SERVER_DATA_DIR="other")
    assert said.stderr.splitlines()[-1].endswith("everybody logs in again")


def test_both_databases_are_of_one_instant(home: Path) -> None:
    """What is said and read while they are copied is in neither: or somebody would have read what nobody said."""
    with (
        closing(sqlite3.connect(home / "data/messages.db")) as log,
        closing(sqlite3.connect(home / "data/goim.db")) as data,
    ):

        def talk(what: str, _done: int, _total: int) -> None:
            if what == "messages.db":
                log.execute("INSERT INTO conv_deletes VALUES ('ann', 'c1', 1, 1)")
                log.commit()
                data.execute("INSERT INTO read_receipts VALUES ('c1', 'ann', 1, 1)")
                data.commit()

        back_up(home / "data", home / "copy", SystemClock(), talk)
    for name, table in (("messages.db", "conv_deletes"), ("goim.db", "read_receipts")):
        with closing(sqlite3.connect(home / "copy" / name)) as database:
            assert database.execute(f"SELECT COUNT(*) FROM {table}").fetchone() == (0,)


def test_nothing_is_written_over(goimctl: Goimctl, home: Path) -> None:
    goimctl.done("backup", "copy.tar")
    refused = goimctl("backup", "copy.tar")
    assert (refused.returncode, refused.stderr.splitlines()) == (
        1,
        [
            "error: copy.tar is there already",
            "hint: choose another name; a backup is never written over",
        ],
    )
    refused = goimctl("restore", "copy.tar")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[0] == "error: data is not empty"


def test_an_empty_folder_is_filled_and_stays_the_folder_it_is(goimctl: Goimctl, home: Path) -> None:
    """It may be a volume, which nothing can be renamed to, or where a link leads."""
    goimctl.done("backup", "copy")
    volume = home / "volume"
    (volume / "lost+found").mkdir(parents=True)  # a file system's own
    (volume / ".goim-restore-1/files").mkdir(parents=True)  # what a restore that was killed has left
    (home / "elsewhere").symlink_to("volume")
    number = volume.stat().st_ino
    goimctl.done("restore", "copy", IM_SERVER_DATA_DIR="elsewhere")
    assert {path.name for path in volume.iterdir()} == {"lost+found", "goim.db", "messages.db", "files"}
    assert volume.stat().st_ino == number
    assert (home / "elsewhere").is_symlink()
    assert (volume / "files/2026/picture.png").read_bytes() == b"png" * 1000


def test_a_damaged_backup_leaves_an_empty_folder_empty(home: Path) -> None:
    (home / "copy").mkdir()
    manifest = {"goim": "", "madeAt": 0, "hasSecrets": False, "files": [{"path": "x", "size": 1, "sha256": ""}]}
    (home / "copy/manifest.json").write_text(json.dumps(manifest))
    (home / "copy/x").write_text("y")
    (home / "elsewhere").mkdir()
    with pytest.raises(BackupError, match="not what was backed up"):
        restore(home / "copy", home / "elsewhere", lambda _what, _done, _total: None)
    assert list((home / "elsewhere").iterdir()) == []


def test_a_backup_that_is_not_there_is_told_first(goimctl: Goimctl, home: Path) -> None:
    assert goimctl("restore", "nowhere.tar").stderr == "error: there is no nowhere.tar\n"


def test_a_folder_that_is_not_there_is_named(goimctl: Goimctl, home: Path) -> None:
    refused = goimctl("backup", "no/where/copy.tar")
    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        "error: there is no folder no/where for the backup",
        "hint: mkdir -p no/where",
    ]


@pytest.mark.parametrize("name", ["copy.tar.gz", "copy"])
def test_a_full_disk_is_no_damaged_backup(
    goimctl: Goimctl, home: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    goimctl.done("backup", name)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("goim.app.restore.os.fsync", full)
    monkeypatch.setenv("IM_SERVER_DATA_DIR", "elsewhere")
    monkeypatch.setattr(sys, "argv", ["goimctl", "restore", name])
    monkeypatch.chdir(home)
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.splitlines() == [
        "error: elsewhere: No space left on device; nothing was written",
        "hint: make room, or name a place on another disk",
    ]
    assert {path.name for path in home.iterdir()} == {"data", name}


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_one_that_is_told_to_end_leaves_nothing(goimctl: Goimctl, home: Path, how: signal.Signals) -> None:
    os.truncate(home / "data/files/2026/picture.png", 1 << 31)  # it takes a while
    process = subprocess.Popen(
        [BINARY, "backup", "copy.tar.gz"], cwd=home, env=goimctl.environ(), stderr=subprocess.PIPE, text=True
    )
    while not list(home.glob(".copy.tar.gz-*/backup")):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.005)
        assert process.returncode is None, process.communicate()
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (128 + how, "")
    assert {path.name for path in home.iterdir()} == {"data"}


def test_a_disk_that_fills_up_under_a_backup_is_told(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """SQLite says by a code of its own that a copy has no more room: here its pages are limited."""
    connect = sqlite3.connect

    def limited(place: object, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(str(place), **options)
        if "mode=rw" not in str(place):
            connection.execute("PRAGMA max_page_count=1")
            try:
                connection.execute("CREATE TABLE too_much (it)")
            except sqlite3.OperationalError:
                connection.close()
                raise
        return connection

    monkeypatch.setattr("goim.app.backup.sqlite3.connect", limited)
    monkeypatch.setattr(sys, "argv", ["goimctl", "backup", "copy.tar"])
    monkeypatch.chdir(home)
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("error: copy.tar: No space left on device; nothing was written\nhint: ")
    assert {path.name for path in home.iterdir()} == {"data"}


def test_where_there_is_nothing_there_is_nothing_to_back_up(goimctl: Goimctl, tmp_path: Path) -> None:
    refused = goimctl("backup", "copy")
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: there is no messages.db in data")
    assert list(tmp_path.iterdir()) == []


def altered(content: bytes, how: str) -> bytes:
    return {"shorter": content[:-1], "longer": content + b"x", "other": content[:-1] + bytes([content[-1] ^ 1])}[how]


def test_a_damaged_backup_restores_nothing(goimctl: Goimctl, home: Path) -> None:
    goimctl.done("backup", "copy")
    for name in ("goim.db", "messages.db", "files/2026/picture.png"):
        place = home / "copy" / name
        content = place.read_bytes()
        for how in ("shorter", "longer", "other", "gone"):
            place.unlink()
            if how != "gone":
                place.write_bytes(altered(content, how))
            with pytest.raises(BackupError, match=re.escape(name)) as refusal:
                restore(home / "copy", home / "elsewhere", lambda _what, _done, _total: None)
            assert refusal.value.hint == "the backup is damaged; nothing was restored"
            place.write_bytes(content)
    assert {path.name for path in home.iterdir()} == {"data", "copy"}
    goimctl.done("restore", "copy", IM_SERVER_DATA_DIR="elsewhere")


def test_what_is_no_backup_is_refused(goimctl: Goimctl, home: Path) -> None:
    (home / "text").write_text("hello")
    (home / "text.tar").write_text("hello")
    (home / "empty").mkdir()
    for name, why in (("text", "is not a backup"), ("text.tar", "could not be opened"), ("empty", "no manifest.json")):
        refused = goimctl("restore", name, IM_SERVER_DATA_DIR="elsewhere")
        assert refused.returncode == 1
        assert why in refused.stderr
    assert goimctl("restore", "nowhere", IM_SERVER_DATA_DIR="elsewhere").stderr == "error: there is no nowhere\n"
    assert not (home / "elsewhere").exists()


def test_a_backup_that_leads_out_of_its_folder_is_refused(goimctl: Goimctl, home: Path) -> None:
    goimctl.done("backup", "copy")
    manifest = home / "copy/manifest.json"
    said = json.loads(manifest.read_text())
    for path in ("../evil", "/tmp/evil", "files/../../evil"):
        manifest.write_text(json.dumps(said | {"files": [{"path": path, "size": 0, "sha256": ""}]}))
        refused = goimctl("restore", "copy", IM_SERVER_DATA_DIR="elsewhere")
        assert refused.returncode == 1
        assert "leads out of the folder" in refused.stderr


def test_a_backup_of_a_newer_version_is_refused(goimctl: Goimctl, home: Path) -> None:
    with closing(sqlite3.connect(home / "data/goim.db")) as database, database:
        database.execute("INSERT INTO schema_migrations VALUES (9999, 'later', '', 0, 0)")
    goimctl.done("backup", "copy.tar.gz")
    refused = goimctl("restore", "copy.tar.gz", IM_SERVER_DATA_DIR="elsewhere")
    assert refused.stderr.splitlines()[0] == "error: goim.db is of a newer version of goim"


def test_a_backup_is_a_plain_tar_with_its_manifest_last(goimctl: Goimctl, home: Path) -> None:
    goimctl.done("backup", "copy.tar")
    with tarfile.open(home / "copy.tar") as tar:
        assert tar.getnames() == ["messages.db", "goim.db", "files/2026/picture.png", "manifest.json"]


def test_data_in_a_database_server_is_not_backed_up_here(goimctl: Goimctl, home: Path) -> None:
    refused = goimctl("backup", "copy", IM_MYSQL_DSN="goim:secret@tcp(127.0.0.1:3306)/goim")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == "hint: see docs/backup.md"
