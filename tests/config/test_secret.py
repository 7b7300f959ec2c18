"""Nobody can guess what tokens are signed with."""

from __future__ import annotations

import errno
import multiprocessing
import os
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from goim.config import load, load_or_make_secret, signing_secrets, weakness
from goim.errors import ConfigError

GOOD = "0123456789abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        ("", "is empty"),
        ("change-me", "is the example's"),
        ("please-Change_Me-please-0123456789abcdefgh", "is the example's"),
        ("0123456789abcdefghijklmnopqrstu", "is shorter than 32 bytes"),
        ("a" * 64, "repeats itself"),
        ("abababababababababababababababababab", "repeats itself"),
        ("0123456789abcdef" * 2, "repeats itself"),
    ],
)
def test_a_weak_secret_is_known(secret: str, reason: str) -> None:
    assert weakness(secret) == reason


def test_a_long_varied_secret_is_good() -> None:
    assert weakness(GOOD) is None


def test_a_good_secret_is_used_as_it_is(tmp_path: Path) -> None:
    settings = load(None, {"IM_JWT_SECRET": GOOD, "IM_SERVER_DATA_DIR": str(tmp_path)}).settings
    assert signing_secrets(settings) == [GOOD]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("secret", ["", "change-me"])
def test_the_embedded_default_makes_its_own_and_keeps_it(tmp_path: Path, secret: str) -> None:
    settings = load(None, {"IM_JWT_SECRET": secret, "IM_SERVER_DATA_DIR": str(tmp_path / "new" / "data")}).settings
    (made,) = signing_secrets(settings)
    assert weakness(made) is None
    assert signing_secrets(settings) == [made]
    (file,) = (tmp_path / "new" / "data").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("secret", ["", "change-me"])
def test_with_any_other_service_a_weak_secret_is_refused(tmp_path: Path, secret: str) -> None:
    environ = {"IM_JWT_SECRET": secret, "IM_REDIS_ADDR": "127.0.0.1:6379", "IM_SERVER_DATA_DIR": str(tmp_path)}
    with pytest.raises(ConfigError, match="IM_JWT_SECRET") as caught:
        signing_secrets(load(None, environ).settings)
    assert caught.value.hint
    assert not list(tmp_path.iterdir())


def test_a_damaged_secret_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "jwt_secret").write_text("oops\n")
    with pytest.raises(ConfigError, match="jwt_secret: the secret is shorter"):
        load_or_make_secret(tmp_path)


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file, not a folder")
    for folder in (tmp_path / "data", tmp_path / "data" / "below"):
        with pytest.raises(ConfigError, match=f"server.data_dir {folder}: is no folder"):
            load_or_make_secret(folder)


def test_a_secret_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "jwt_secret").mkdir()
    with pytest.raises(ConfigError, match="jwt_secret: cannot be made or read: Is a directory") as caught:
        load_or_make_secret(tmp_path)
    assert str(caught.value.hint).startswith("run it as the user who owns")


def test_a_full_disk_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("goim.config.secret.tempfile.mkstemp", full)
    with pytest.raises(ConfigError, match="No space left on device") as caught:
        load_or_make_secret(tmp_path)
    assert str(caught.value.hint).startswith("make room")


def _race(barrier: Barrier, folder: Path, answers: multiprocessing.Queue[str]) -> None:
    for round_ in range(20):
        barrier.wait(10)
        answers.put(f"{round_} {load_or_make_secret(folder / str(round_))}")


def test_processes_that_start_at_once_get_the_same_secret(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(3), context.Queue()
    racers = [context.Process(target=_race, args=(barrier, tmp_path, answers)) for _ in range(3)]
    for racer in racers:
        racer.start()
    told = [answers.get(timeout=20) for _ in range(60)]
    for racer in racers:
        racer.join(10)
    assert len(set(told)) == 20
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"jwt_secret"}


def test_a_second_secret_is_believed_too_and_must_be_as_good(tmp_path: Path) -> None:
    environ = {"IM_JWT_SECRET": GOOD, "IM_SERVER_DATA_DIR": str(tmp_path)}
    both = load(None, environ | {"IM_AUTH_JWT_SECRET_TOO": GOOD[::-1]}).settings
    assert signing_secrets(both) == [GOOD, GOOD[::-1]]
    with pytest.raises(ConfigError, match=r"IM_AUTH_JWT_SECRET_TOO\) is shorter than 32 bytes"):
        signing_secrets(load(None, environ | {"IM_AUTH_JWT_SECRET_TOO": "short"}).settings)
