"""`goimctl doctor` names what is wrong and the way out, and touches nothing."""

from __future__ import annotations

import contextlib
import errno
import http.server
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from goimctl import checks_machine

from goim.config import Settings
from tests.cli.conftest import Goimctl
from tests.process import free_port
from tests.redis_server import running_redis

NAMES = [
    "goim",
    "secret",
    "folder",
    "disk",
    "open files",
    "data",
    "data schema",
    "messages",
    "messages schema",
    "search",
    "search schema",
]


def states(goimctl: Goimctl, *args: str) -> dict[str, str]:
    done = goimctl("doctor", *args)
    lines = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in done.stdout.splitlines()[1:]]
    return {line[0]: line[1] for line in lines}


def test_before_the_first_start_all_is_well_and_stays_untouched(goimctl: Goimctl, tmp_path: Path) -> None:
    report = goimctl.json("doctor", "--no-server")
    assert report["ok"] is True
    checks = {check["name"]: check for check in report["checks"]}
    assert list(checks) == NAMES
    assert checks["data"]["found"] == f"SQLite {sqlite3.sqlite_version}"
    assert checks["data"]["latencyMs"] >= 0
    assert checks["data schema"]["state"] == "note"
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_does_not_answer_is_wrong(goimctl: Goimctl) -> None:
    address = f"127.0.0.1:{free_port()}"
    done = goimctl("doctor", IM_LISTEN_ADDR=address)
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        f"error: server: nothing answers at http://{address}: Connection refused",
        "hint: goimctl serve",
    ]


def test_a_bucket_out_of_reach_is_wrong(goimctl: Goimctl) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    bucket = {"IM_FILES_S3_BUCKET": "pictures", "IM_FILES_S3_ENDPOINT": endpoint}
    key = {"IM_FILES_S3_KEY": "someone", "IM_FILES_S3_SECRET": "hunter2"}
    done = goimctl("doctor", "--no-server", **bucket, **key)
    assert done.returncode == 3
    error, hint = done.stderr.splitlines()
    assert error.startswith(f"error: files: bucket pictures at {endpoint}: ")
    assert hint.startswith("hint: look at files.s3_endpoint")
    assert "hunter2" not in done.stdout + done.stderr


def test_a_bucket_that_is_not_there_is_wrong(goimctl: Goimctl) -> None:
    """Of a file in it a server says the same as of a file that is not there."""
    with stranger(Empty) as address:
        bucket = {"IM_FILES_S3_BUCKET": "pictures", "IM_FILES_S3_ENDPOINT": f"http://{address}"}
        done = goimctl("doctor", "--no-server", **bucket, IM_FILES_S3_KEY="someone", IM_FILES_S3_SECRET="hunter2")
    assert done.returncode == 3
    assert done.stderr.startswith(f"error: files: bucket pictures at http://{address}: ")


class Empty(http.server.BaseHTTPRequestHandler):
    """There is nothing here."""

    def do_GET(self) -> None:
        self.send_error(404)

    def do_HEAD(self) -> None:
        self.send_error(404)


def test_what_answers_may_be_something_else(goimctl: Goimctl) -> None:
    with stranger() as address:
        done = goimctl("doctor", IM_LISTEN_ADDR=address)
    assert done.returncode == 3
    assert f"error: server: what answers at http://{address} is not goim" in done.stderr


@contextlib.contextmanager
def stranger(handler: type[http.server.BaseHTTPRequestHandler] = http.server.BaseHTTPRequestHandler) -> Iterator[str]:
    """A web server that is not goim."""
    server = http.server.HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_everything_wrong_is_named_with_its_way_out(goimctl: Goimctl, tmp_path: Path) -> None:
    goimctl.done("migrate")
    (tmp_path / "data" / "jwt_secret").write_text("change-me\n")
    (tmp_path / "data" / "jwt_secret").chmod(0o644)
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "goim.db")) as database, database:
        database.execute("UPDATE schema_migrations SET dirty = 1 WHERE version = 3")
    done = goimctl("doctor", "--no-server")
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        "error: secret: others may read data/jwt_secret",
        "hint: chmod 600 data/jwt_secret",
        "error: data schema: 0003_files.sql was applied only in part",
        "hint: finish it by hand, then run `goimctl migrate resolve 3`",
    ]
    (tmp_path / "data" / "jwt_secret").chmod(0o600)
    goimctl.done("migrate", "resolve", "3")
    again = goimctl("doctor", "--no-server")
    assert again.stderr.splitlines()[0] == "error: secret: the secret in data/jwt_secret is the example's"


def test_a_file_that_is_no_database_is_wrong(goimctl: Goimctl, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "messages.db").write_text("this is no database, whatever its name says\n" * 100)
    assert states(goimctl, "--no-server")["databases"] == "wrong"


@pytest.mark.parametrize("secret", ["9f3k2j4h5g6d7s8a9p0o1i2u3y4t5r6e7w", "hunter2"])
def test_no_secret_is_ever_shown(goimctl: Goimctl, secret: str) -> None:
    done = goimctl("doctor", "--no-server", IM_JWT_SECRET=secret)
    assert secret not in done.stdout + done.stderr


def test_redis_is_looked_at_where_there_is_one(goimctl: Goimctl, tmp_path: Path) -> None:
    secret = {"IM_JWT_SECRET": "kq3v-Zt8w_Yx2Lm7Rp5sBn4dCf6gHj9e"}
    with running_redis(tmp_path / "redis") as redis:
        report = goimctl.json("doctor", "--no-server", IM_REDIS_ADDR=redis.addr, **secret)
        checks = {check["name"]: check for check in report["checks"]}
        assert checks["redis"]["found"].startswith("Redis ")
        assert checks["redis"]["latencyMs"] >= 0
        assert checks["redis buffers"]["found"] == "a slow node is cut off at 32 MiB, or at 8 MiB for 60 s"
    done = goimctl("doctor", "--no-server", IM_REDIS_ADDR=redis.addr, **secret)
    assert done.returncode == 3
    assert done.stderr.startswith(f"error: redis: Redis at {redis.addr}: ")
    assert "hint: see that Redis runs and that redis.addr (IM_REDIS_ADDR)" in done.stderr


def test_a_redis_that_keeps_its_settings_to_itself_is_looked_at_with_its_password(
    goimctl: Goimctl, tmp_path: Path
) -> None:
    settings = {"IM_JWT_SECRET": "kq3v-Zt8w_Yx2Lm7Rp5sBn4dCf6gHj9e", "IM_REDIS_PASS": "hunter2"}
    (tmp_path / "redis").mkdir()
    (tmp_path / "redis" / "users.acl").write_text("user default on >hunter2 ~* &* +@all -config\n")
    with running_redis(tmp_path / "redis", "--aclfile", str(tmp_path / "redis" / "users.acl")) as redis:
        found = {
            each["name"]: each
            for each in goimctl.json("doctor", "--no-server", IM_REDIS_ADDR=redis.addr, **settings)["checks"]
        }
        assert found["redis"]["found"].startswith("Redis ")  # and how far it seems is for a busy machine to say
        assert found["redis"]["state"] != "wrong"
        assert "redis buffers" not in found
        refused = goimctl("doctor", "--no-server", IM_REDIS_ADDR=redis.addr, **settings | {"IM_REDIS_PASS": "hunter3"})
    assert refused.returncode == 3
    assert refused.stderr.startswith(f"error: redis: Redis at {redis.addr}: ")
    assert "hunter" not in refused.stderr


def test_a_secret_that_cannot_be_read_is_a_finding_like_others(goimctl: Goimctl, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "jwt_secret").write_bytes(b"\xff\xfe no text")
    (tmp_path / "data" / "jwt_secret").chmod(0o600)
    assert states(goimctl, "--no-server")["secret"] == "wrong"


def test_a_folder_of_somebody_else_is_a_finding_like_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bool:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "exists", refuse)  # the tests may be run by one who may everything
    found = checks_machine.secret(Settings())
    assert (found.state, found.found) == ("wrong", "data/jwt_secret cannot be read: Permission denied")
    assert found.way_out == "look as the user who owns data"
