"""What holds for every command: help, version, errors, exit codes, speed."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from goimctl import app, options
from goimctl.output import ExitCode, Failed, show_table
from typer.main import get_command

from goim import __version__
from goim.errors import ConfigError, ErrorCode, GoimError, StoreDown
from tests.cli.conftest import BINARY, Goimctl


def commands(command: Any, name: str = "goimctl", parent: Any = None) -> Iterator[tuple[str, Any, Any]]:
    context = typer.Context(command, info_name=name, parent=parent)
    yield context.command_path, command, context
    for sub_name, sub in getattr(command, "commands", {}).items():
        yield from commands(sub, sub_name, context)


COMMANDS = {path: (command, context) for path, command, context in commands(get_command(app.app))}


@pytest.mark.parametrize("path", COMMANDS)
def test_every_help_says_what_it_does_and_gives_an_example(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    command, context = COMMANDS[path]
    example = command.get_help(context).partition("Example: ")[2]
    assert path in example
    assert "\n" not in example.strip(), "what is broken into two lines cannot be typed as it stands"
    assert command.help


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_is_listed_in_a_whole_sentence(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of commands cuts short what does not fit into a line of a terminal."""
    monkeypatch.setenv("COLUMNS", "80")
    command, context = COMMANDS[path]
    assert "..." not in command.get_help(context).partition("Commands:")[2]


def test_goimctl_alone_shows_its_help(goimctl: Goimctl) -> None:
    alone = goimctl()
    assert alone.returncode == 0
    assert alone.stdout == goimctl("--help").stdout
    assert alone.stdout.startswith("Usage: goimctl ")


def test_the_version_is_the_packages(goimctl: Goimctl) -> None:
    assert goimctl("--version").stdout == f"goimctl {__version__}\n"


@pytest.mark.parametrize(
    ("args", "error", "hint"),
    [
        (["confg"], "no such command 'confg'. Did you mean 'config'?", "goimctl --help"),
        (["config"], "missing command.", "goimctl config --help"),
        (["config", "show", "--jsno"], "no such option: --jsno", "goimctl config show --help"),
        (["--config"], "option '--config' requires an argument.", "goimctl --help"),
    ],
)
def test_wrong_use_is_one_line_a_hint_and_exit_code_2(goimctl: Goimctl, args: list[str], error: str, hint: str) -> None:
    done = goimctl(*args)
    assert done.returncode == 2
    assert done.stdout == ""
    first, last = done.stderr.splitlines()
    assert first.startswith(f"error: {error}")
    assert last == f"hint: {hint}"


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (GoimError(ErrorCode.NOT_FOUND, "no such user [red]bob[/red]"), 1, "error: no such user [red]bob[/red]\n"),
        (StoreDown("SQLite: no room"), 5, "error: SQLite: no room\nhint: goimctl doctor\n"),
        (ConfigError("one\ntwo", hint="do this"), 2, "error: one\nerror: two\nhint: do this\n"),
        (Failed("not well", code=ExitCode.UNHEALTHY), 3, "error: not well\n"),
        (typer.Abort(), 130, "error: interrupted\n"),
        (typer.Exit(3), 3, ""),
    ],
)
def test_each_kind_of_failure_has_its_words_and_exit_code(
    error: Exception, code: int, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = typer.Typer()

    @failing.command()
    def fail() -> None:
        raise error

    monkeypatch.setattr(app, "app", failing)
    monkeypatch.setattr(sys, "argv", ["goimctl"])
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == code
    assert capsys.readouterr() == ("", told)


def test_an_error_nobody_foresaw_shows_no_local_variables() -> None:
    script = (
        "import sys, typer; from goimctl import app\n"
        "@app.app.command()\n"
        "def fail() -> None:\n"
        "    password = 'hunter' + str(2)\n"
        "    raise RuntimeError('unforeseen')\n"
        "sys.argv = ['goimctl', 'fail']\n"
        "app.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "RuntimeError: unforeseen" in done.stderr
    assert "hunter2" not in done.stderr


SERVER = {"asyncmy", "httpcore", "litestar", "pymongo", "uvicorn", "websockets"}
HEAVY = SERVER | {"asyncio", "msgspec", "piccolo", "pydantic", "rich", "structlog", "textual"}


@pytest.mark.parametrize(("module", "heavy"), [("goimctl.app", HEAVY), ("goim.app.office", SERVER)])
def test_help_loads_nothing_heavy_and_commands_nothing_that_serves(module: str, heavy: set[str]) -> None:
    script = f"import sys, {module}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    assert not heavy & set(done.stdout.split())


def test_ctrl_c_is_quiet_from_the_first_moment_on() -> None:
    """A stand-in for the command line is interrupted while it is imported, and while it works."""
    for moment, code in (("import", -signal.SIGINT), ("main", 130)):
        script = (
            "import os, signal, sys, types\n"
            "from goimctl import __main__ as program\n"
            "def interrupt(): os.kill(os.getpid(), signal.SIGINT)\n"
            "class Finder:\n"
            "    def find_spec(self, name, path, target=None):\n"
            "        if name == 'goimctl.app' and sys.argv[1] == 'import': interrupt()\n"
            "sys.meta_path.insert(0, Finder())\n"
            "if sys.argv[1] == 'main':\n"
            "    from goimctl import app\n"
            "    app.app = app.typer.Typer()\n"
            "    app.app.command()(interrupt)\n"
            "    sys.argv = ['goimctl']\n"
            "program.main()\n"
        )
        done = subprocess.run([sys.executable, "-c", script, moment], capture_output=True, timeout=30, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (code, b"", b"")


_ENDS_MEANWHILE = """
import asyncio, socket, time
import obstore
from obstore.store import S3Store
from goimctl import __main__ as program, app

class Silent:
    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
    def __del__(self, pause=time.sleep):
        self.socket.close()
        pause(0.5)

silent = Silent()
key = {"access_key_id": "k", "secret_access_key": "s"}
options = {"client_options": {"allow_http": True}, "retry_config": {"max_retries": 0}}
store = S3Store("b", config={"endpoint": silent.url} | key, **options)

async def ask():
    asked = [obstore.head_async(store, "x") for _ in range(20)]
    await asyncio.wait(asked, timeout=0.5)

def run():
    asyncio.run(ask())
    print("done")
    raise SystemExit(3)

app.main = run
program.main()
"""


def test_the_end_waits_for_no_thread_of_a_library_and_is_aborted_by_none() -> None:
    """Requests of obstore end in the middle of taking the interpreter apart, if somebody does that."""
    script = _ENDS_MEANWHILE
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "done\n", "")


def test_what_cannot_be_written_is_told(goimctl: Goimctl) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [BINARY, "config", "schema", "--toml"], cwd=goimctl.folder, stdout=full, stderr=subprocess.PIPE,
            text=True, timeout=30, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "error: No space left on device\n")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_stops_nothing(goimctl: Goimctl, closed: str) -> None:
    goimctl.done("users", "create", "alice", "--generate")
    line = f"{BINARY} users show alice {closed}"
    done = subprocess.run(
        line, shell=True, cwd=goimctl.folder, env=goimctl.environ(), capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert ("alice" in done.stdout) == (">&-" not in closed.replace("2>&-", ""))


def test_a_narrow_terminal_cuts_nothing_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    show_table(("USERNAME", "USER ID", "NICKNAME"), [("alice_the_first", "1jn66e5368wfyy", "Alice")])
    lines = re.sub(r"\x1b\[\d*m", "", capsys.readouterr().out).splitlines()
    assert all(len(line) <= 30 for line in lines)
    place = lines[1].index("1jn")
    assert "".join(line[place:].split("  ")[0] for line in lines[1:]) == "1jn66e5368wfyy"


def test_what_a_terminal_has_no_letters_for_is_written_as_its_number(goimctl: Goimctl) -> None:
    goimctl.done("users", "create", "alice", "--nickname", "Zoë 王 👍", "--generate")
    assert "nickname    Zo\u00eb \\u738b \\U0001f44d\n" in latin(goimctl, "users", "show", "alice")
    assert json.loads(latin(goimctl, "users", "show", "alice", "--json"))["nickname"] == "Zoë 王 👍"


def latin(goimctl: Goimctl, *args: str) -> str:
    done = subprocess.run(
        [BINARY, *args], cwd=goimctl.folder, env=goimctl.environ(PYTHONIOENCODING="latin-1"), capture_output=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode("latin-1")


@pytest.mark.parametrize(
    ("typed", "taken"),
    [
        (["serve", "--config", "f"], ["--config", "f", "serve"]),
        (["users", "list", "--config=f", "--json"], ["--config=f", "users", "list", "--json"]),
        (["bench", "--locust", "--", "--config", "f"], ["bench", "--locust", "--", "--config", "f"]),
    ],
)
def test_the_settings_file_may_be_named_anywhere_but_behind_two_dashes(typed: list[str], taken: list[str]) -> None:
    assert options._config_first(typed) == taken
