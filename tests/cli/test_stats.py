"""`goimctl stats` beside a running server and on a database nobody serves."""

from __future__ import annotations

from tests.cli.conftest import Goimctl
from tests.process import free_port


def test_what_there_is_is_counted_with_and_without_a_server(goimctl: Goimctl) -> None:
    goimctl.done("users", "create", "ann", "--admin", "--generate")
    goimctl.done("users", "create", "bob", "--generate")
    goimctl.done("users", "disable", "bob")
    goimctl.done("groups", "create", "Team", "ann")
    address = f"127.0.0.1:{free_port()}"
    alone = goimctl("stats", "--json", IM_LISTEN_ADDR=address)
    assert alone.returncode == 0
    assert alone.stderr == f"no figures of the server: http://{address}/metrics does not answer with them\n"
    with goimctl.serving(IM_LISTEN_ADDR=address) as served:
        served.url()
        found = goimctl.json("stats", IM_LISTEN_ADDR=address)
        assert found["users"] == {"total": 2, "admins": 1, "disabled": 1}
        assert found["groups"] == {"total": 1}
        assert found["files"] == {"files": 0, "bytes": 0, "owners": 0}
        assert found["storage"]["databases"].keys() == {"goim", "messages", "search"}
        assert found["server"]["messagesSinceStart"] == 0
        lines = goimctl.done("stats", IM_LISTEN_ADDR=address).stdout.splitlines()
    assert lines[0].split() == ["users", "2"]
    assert lines[4].split() == ["files", "0,", "0", "bytes"]
    assert [line.split()[1] for line in lines if line.startswith("database")] == ["goim", "messages", "search"]


def test_a_server_that_keeps_its_figures_to_itself_is_left_out(goimctl: Goimctl) -> None:
    environ = {"IM_LISTEN_ADDR": f"127.0.0.1:{free_port()}", "IM_ENABLE_METRICS": "false"}
    with goimctl.serving(**environ) as served:
        served.url()
        assert goimctl.json("stats", **environ)["server"] is None
