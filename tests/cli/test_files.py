"""`goimctl files` beside a running server and on a database nobody serves."""

from __future__ import annotations

import os

import httpx

from tests.cli.conftest import Goimctl

PASSWORD = "correct horse"
DAY = 86_400


def upload(goimctl: Goimctl, url: str, name: str, data: bytes, user: str = "alice") -> str:
    """Let somebody upload a file; returns its id."""
    token = goimctl.done("token", user).stdout.strip()
    answer = httpx.post(
        f"{url}/api/files/upload", files={"file": (name, data)}, headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 201, answer.text
    file_id: str = answer.json()["fileId"]
    return file_id


def test_files_are_listed_counted_and_swept(goimctl: Goimctl) -> None:
    for user in ("alice", "bob"):
        goimctl.done("users", "create", user, "--generate")
    assert goimctl.json("files", "stats") == {"files": 0, "bytes": 0, "owners": 0}
    with goimctl.serving() as served:
        url = served.url()
        notes = upload(goimctl, url, "notes.txt", b"x" * 2000)
        sheet = upload(goimctl, url, "sheet 2.csv", b"y" * 10, "bob")
        assert goimctl.json("files", "stats") == {"files": 2, "bytes": 2010, "owners": 2}
        assert goimctl.done("files", "stats").stdout.splitlines()[1].split() == ["bytes", "2.0", "KiB"]
        first = goimctl.json("files", "list", "--limit", "1")
        assert [(each["fileId"], each["fileName"], each["size"]) for each in first["files"]] == [
            (sheet, "sheet 2.csv", 10)
        ]
        part = goimctl.done("files", "list", "--limit", "1")
        assert part.stderr == "there are more: the same with --offset 1\n"  # what else was typed counts there, too
        rest = goimctl.json("files", "list", "--offset", str(first["nextOffset"]))
        assert ([each["fileId"] for each in rest["files"]], rest["nextOffset"]) == ([notes], None)
        of_alice = goimctl.done("files", "list", "--user", "alice").stdout.splitlines()
        assert [line.split()[0] for line in of_alice[1:]] == [notes]
        orphan = goimctl.folder / "data/files/zz/lost"
        orphan.parent.mkdir(exist_ok=True)
        orphan.write_bytes(b"nobody's")
        os.utime(orphan, (1000, 1000))
        swept = goimctl.json("files", "sweep")
        assert swept == {"expired": 0, "orphans": 1, "partial": 0, "broken": 0}
        assert not orphan.exists()
    assert goimctl.json("files", "stats")["files"] == 2


def test_a_sweep_removes_what_the_settings_call_old(goimctl: Goimctl) -> None:
    goimctl.done("users", "create", "alice", "--generate")
    with goimctl.serving() as served:
        upload(goimctl, served.url(), "old.txt", b"x")
    assert goimctl.done("files", "sweep").stderr == "0 files had expired\n"
    done = goimctl.done("files", "sweep", IM_FILES_RETENTION="0.001")
    assert done.stderr == "1 file had expired\n"
    assert done.stdout.splitlines()[0].split() == ["expired", "1"]
    assert goimctl.json("files", "stats")["files"] == 0
    assert not [path for path in (goimctl.folder / "data/files").rglob("*") if path.is_file()]


def test_who_is_not_there_is_named(goimctl: Goimctl) -> None:
    done = goimctl("files", "list", "--user", "nobody")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "hint: goimctl users list")


def test_a_bucket_out_of_reach_is_a_dependency_that_is_down(goimctl: Goimctl) -> None:
    bucket = {
        "IM_FILES_S3_BUCKET": "goim",
        "IM_FILES_S3_ENDPOINT": "http://127.0.0.1:9",
        "IM_FILES_S3_KEY": "key",
        "IM_FILES_S3_SECRET": "secret",
    }
    done = goimctl("files", "sweep", **bucket)
    assert done.returncode == 5
    assert [line.split(": ")[0] for line in done.stderr.splitlines()][-2:] == ["error", "hint"]
