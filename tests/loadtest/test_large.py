from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from loadtest.errors import Refused
from loadtest.large import main
from loadtest.mariadb import MariaDbProcess
from tests.mysql_server import needs_mariadb


@pytest.mark.parametrize("mysql", [False, True], ids=["sqlite", "mysql"])
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_filled_database_is_asked_for_pages_at_its_ends_and_deep_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mysql: bool
) -> None:
    if mysql:
        needs_mariadb()
    folder = tmp_path / ("deep" * 30)  # longer than the path of a unix socket may be
    folder.mkdir()
    main(mysql=mysql, messages=4_000, conversations=300, asked=5, folder=folder)
    said = capsys.readouterr()
    assert re.search(r"messages: 3,988 rows", said.err)
    lines = said.out.splitlines()
    assert [line.split(",")[0] for line in lines] == ["history"] * 2 + ["conversation list"] * 2 + ["sync"]
    assert all(re.search(r"p50 +[0-9.]+  p99 +[0-9.]+  max +[0-9.]+$", line) for line in lines)
    assert list(folder.iterdir()) == [], "what was filled in is gone again"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_was_filled_and_kept_is_asked_another_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(messages=2_000, conversations=200, asked=0, keep=tmp_path / "kept")
    filled = capsys.readouterr()
    assert filled.out == ""
    assert "messages: 1,991 rows" in filled.err
    main(asked=2, keep=tmp_path / "kept")
    asked = capsys.readouterr()
    assert "messages" not in asked.err, "it was filled twice"
    assert len(asked.out.splitlines()) == 5


def test_a_database_that_cannot_start_says_why_at_once(tmp_path: Path) -> None:
    needs_mariadb()
    server = MariaDbProcess(tmp_path, "--no-such-option")
    server.install()
    with pytest.raises(Refused, match="unknown option '--no-such-option'"):
        server.start()
    broken = MariaDbProcess(tmp_path / "broken")
    broken.folder.mkdir()
    (broken.folder / "data").touch()
    with pytest.raises(Refused, match="mariadb-install-db ended with"):
        broken.install()
