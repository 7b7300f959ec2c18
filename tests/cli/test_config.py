"""`goimctl config` as people and scripts use it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from goim.resources import bundled
from tests.cli.conftest import Goimctl

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"


def rows(table: str) -> dict[str, list[str]]:
    """First column → the other columns, split where two spaces or more stand."""
    lines = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in table.splitlines()[1:]]
    return {line[0]: line[1:] for line in lines}


def test_show_says_where_each_value_came_from(goimctl: Goimctl, tmp_path: Path) -> None:
    (tmp_path / "goimctl.toml").write_text('[messages]\nrecall_window = "90s"\n')
    shown = rows(goimctl("config", "show", IM_WS_SEND_QPS="50").stdout)
    assert shown["messages.recall_window"] == ["90s", "goimctl.toml"]
    assert shown["ws.send_qps"] == ["50", "IM_WS_SEND_QPS"]
    assert shown["messages.edit_window"] == ["15m", "default"]


def test_show_as_json_has_plain_numbers(goimctl: Goimctl) -> None:
    shown = json.loads(goimctl("config", "show", "--json", IM_MESSAGES_RECALL_WINDOW="7m").stdout)
    assert shown["file"] is None
    assert shown["settings"]["messages.recall_window"] == {"value": 420.0, "from": "IM_MESSAGES_RECALL_WINDOW"}
    assert shown["settings"]["server.roles"]["value"] == ["api", "gateway", "tcp", "updater"]
    assert shown["settings"]["server.data_dir"]["value"] == "data"


@pytest.mark.parametrize("args", [("show",), ("show", "--json"), ("check",)])
def test_no_secret_is_ever_shown(goimctl: Goimctl, args: tuple[str, ...]) -> None:
    done = goimctl("config", *args, IM_JWT_SECRET=SECRET, IM_MYSQL_DSN="me:hunter2@/goim", IM_REDIS_PASS="hunter2")
    assert SECRET not in done.stdout + done.stderr
    assert "hunter2" not in done.stdout + done.stderr


def test_show_masks_only_the_password_of_an_address(goimctl: Goimctl) -> None:
    shown = rows(goimctl("config", "show", IM_MYSQL_DSN="me:hunter2@tcp(db:3306)/goim").stdout)
    assert shown["mysql.dsn"] == ["me:***@tcp(db:3306)/goim", "IM_MYSQL_DSN"]


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("joined", [True, False])
def test_config_may_stand_before_or_after_the_command(
    goimctl: Goimctl, tmp_path: Path, *, before: bool, joined: bool
) -> None:
    (tmp_path / "im.toml").write_text("[ws]\nsend_burst = 7\n")
    option = ["--config=im.toml"] if joined else ["--config", "im.toml"]
    command = ["config", "show"]
    done = goimctl(*option, *command) if before else goimctl(*command, *option)
    assert rows(done.stdout)["ws.send_burst"] == ["7", "im.toml"]


def test_check_says_ok_and_what_it_read(goimctl: Goimctl, tmp_path: Path) -> None:
    (tmp_path / "im.toml").write_text("")
    assert goimctl("config", "check").stdout == "ok: no file, the defaults and the variables\n"
    assert goimctl("config", "check", GOIM_CONFIG="im.toml").stdout == "ok: im.toml and the variables\n"
    done = goimctl("config", "check", "--json", IM_LISTN_ADDR="x")
    assert json.loads(done.stdout) == {
        "ok": True,
        "file": None,
        "warnings": ["IM_LISTN_ADDR is not a setting; did you mean IM_LISTEN_ADDR?"],
    }
    assert done.stderr == "warning: IM_LISTN_ADDR is not a setting; did you mean IM_LISTEN_ADDR?\n"


def test_check_names_every_mistake(goimctl: Goimctl, tmp_path: Path) -> None:
    (tmp_path / "goimctl.toml").write_text("[server]\nlisten_adr = 1\n")
    done = goimctl("config", "check", IM_WS_SEND_QPS="fast")
    assert done.returncode == 2
    assert done.stdout == ""
    mistakes = [
        "goimctl.toml: unknown key server.listen_adr; did you mean server.listen_addr?",
        "ws.send_qps = 'fast' (from IM_WS_SEND_QPS): must be a valid number, unable to parse string as a number",
    ]
    assert done.stderr.splitlines() == [f"error: {mistake}" for mistake in mistakes]
    as_json = goimctl("config", "check", "--json", IM_WS_SEND_QPS="fast")
    assert (as_json.returncode, as_json.stderr) == (2, done.stderr)
    assert json.loads(as_json.stdout) == {"ok": False, "errors": mistakes}


def test_schema_lists_every_key_in_each_form(goimctl: Goimctl) -> None:
    listed = rows(goimctl("config", "schema").stdout)
    json_schema = json.loads(goimctl("config", "schema", "--json").stdout)
    toml = goimctl("config", "schema", "--toml").stdout
    assert toml == bundled("goimctl.toml").read_text()
    assert tomllib.loads(toml) == {section: {} for section in json_schema["properties"]}
    in_json = {
        f"{section}.{name}"
        for section, found in json_schema["properties"].items()
        for name in json_schema["$defs"][found["$ref"].rpartition("/")[2]]["properties"]
    }
    assert in_json == listed.keys()


def test_a_row_in_a_pipe_is_one_line(goimctl: Goimctl, tmp_path: Path) -> None:
    origins = ",".join(f"https://{number}.chat.example" for number in range(40))
    shown = rows(goimctl("config", "show", IM_SERVER_ALLOWED_ORIGINS=origins, COLUMNS="40").stdout)
    assert shown["server.allowed_origins"] == [origins.replace(",", ", "), "IM_SERVER_ALLOWED_ORIGINS"]
