"""Every block of code in the pages: those that can be run are run, the others are read as what they say they are."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer
from goimctl.app import app as goimctl
from msgspec import inspect

from goim.config import all_keys
from goim.config.dsn import Dsn
from goim.events.base import GroupEvent
from goim.model.hooks import EVENT_OF_PUSH
from goim.model.messages import Message
from goim.model.push import Notification
from goim.protocol.pushes import UserData
from goim.rest.errors import Problem
from goim.services import accounts, before_send, statistics
from goim.stores.mysql import MysqlEngine
from tests.mysql_server import MysqlServer
from tests.pages import PAGES, Block, blocks, page, runnable
from tests.process import running_server
from tests.redis_server import running_redis
from tests.shapes import PUSHES, REPLIES, REQUESTS, data_of, mismatch

HERE, MYSQL, REDIS = "127.0.0.1:8080", "127.0.0.1:3306", "127.0.0.1:6379"
PLACES = [*PAGES, "examples/README.md"]
TRANSLATED = {"README.zh-CN.md", *(name for name in PAGES if name.endswith(".zh.md"))}
KINDS: dict[frozenset[str], type[msgspec.Struct]] = {
    frozenset({"title", "status", "code"}): Problem,
    frozenset({"countedAt", "users"}): statistics.Stats,
    frozenset({"groupId", "from", "ts"}): GroupEvent,
    frozenset({"serverMsgId", "seq", "payload"}): Message,
}
EVENTS: dict[str, list[inspect.Type]] = {
    "message.sent": [inspect.type_info(Message)],
    "message.sending": [inspect.type_info(before_send.Question)],
    "message.editing": [inspect.type_info(before_send.Question)],
    "user.created": [inspect.type_info(accounts.Profile)],
    "user.updated": [inspect.type_info(accounts.Profile)],
    "user.disabled": [inspect.type_info(accounts.PublicUser)],
    "user.enabled": [inspect.type_info(accounts.PublicUser)],
    "user.erased": [inspect.type_info(UserData)],
} | {event: [kind for envelope in PUSHES[push] for kind in data_of(envelope)] for push, event in EVENT_OF_PUSH.items()}


# what is run


def is_with_databases(name: str) -> bool:
    return any(address in block.text for block in runnable(page(name)) for address in (MYSQL, REDIS))


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", [name for name in PLACES if runnable(page(name)) and name not in TRANSLATED])
async def test_what_is_said_to_run_runs(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Blocks marked `run`, in order, beside a fresh server; output that is shown is what comes."""
    with contextlib.ExitStack() as stack:
        places = {}
        if is_with_databases(name):
            mysql: MysqlServer = request.getfixturevalue("mysql_server")
            places[MYSQL] = f"{mysql.dsn.host}:{mysql.dsn.port}"
            places[REDIS] = stack.enter_context(running_redis(tmp_path / "redis")).addr
        stack.callback(end_all, tmp_path)
        async with running_server(tmp_path) as (server, _):
            for block in runnable(page(name)):
                if "stopped" in block.marks:
                    await server.end()
                if block.language == "sql":
                    await run_sql(mysql, block)
                else:
                    await asyncio.to_thread(run, block, tmp_path, {HERE: f"127.0.0.1:{server.port}"} | places)


def run(block: Block, folder: Path, places: dict[str, str]) -> None:
    script = block.as_shell()
    for shown, real in places.items():
        script = script.replace(shown, real)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=block.environment(folder) | {"IM_LISTEN_ADDR": places[HERE]},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, f"{block.text}\n{done.stdout}{done.stderr}"
    if block.expected() is not None:
        output = done.stdout
        for shown, real in places.items():
            output = output.replace(real, shown)
        assert block.told(output) == block.expected()


async def run_sql(mysql: MysqlServer, block: Block) -> None:
    root: Dsn = mysql.database("information_schema")
    async with MysqlEngine(root, connections=1) as engine:
        await engine.run_ddl("DROP DATABASE IF EXISTS goim; DROP USER IF EXISTS goim")
        await engine.run_ddl(block.text)


def end_all(folder: Path) -> None:
    """Nothing that a page has started goes on."""
    for path in folder.glob("*.pid"):
        with contextlib.suppress(ProcessLookupError, ValueError):
            os.kill(int(path.read_text()), signal.SIGKILL)


# what is read


@pytest.mark.parametrize("name", PLACES)
def test_python_is_python_and_toml_has_keys_that_there_are(name: str) -> None:
    for block in blocks(page(name)):
        if block.language == "python":
            ast.parse(block.text)
        if block.language == "toml":
            for section_name, keys in tomllib.loads(block.text).items():
                for key in keys:
                    assert f"{section_name}.{key}" in all_keys(), f"{name} sets {section_name}.{key}"


@pytest.mark.parametrize("name", PLACES)
def test_commands_of_goimctl_are_such_with_options_that_there_are(name: str) -> None:
    for block in blocks(page(name)):
        if block.language in {"sh", "console"}:
            for words in commands(block):
                assert is_understood(words), f"{name}: goimctl {' '.join(words)}"


def commands(block: Block) -> Iterator[list[str]]:
    """What is typed behind `goimctl`, up to the end of the command."""
    text = re.sub(r" # .*", "", re.sub(r"\\\n", " ", block.text))
    lines = text.splitlines()
    if block.language == "console":
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    inner = [each for line in lines for each in re.findall(r"\$\(([^()]*)\)", line)]
    for line in [re.sub(r"\$\([^()]*\)", "X", line) for line in lines] + inner:
        for typed in re.findall(r"(?:^|[\s(|])goimctl ([^|;&)>#]*)", line):
            with contextlib.suppress(ValueError):  # the end of a string that goes on
                yield shlex.split(typed)


def is_understood(words: list[str]) -> bool:
    words = [word for before, word in zip(["", *words], words, strict=False) if before != "--config"]
    command: Any = typer.main.get_command(goimctl)
    for word in words:
        if word == "--":
            return True  # what follows is for another program
        if word.startswith("--"):
            options = {each for param in command.params for each in (*param.opts, *param.secondary_opts)}
            if word.partition("=")[0] not in options | {"--help", "--config"}:
                return False
        elif getattr(command, "commands", None):
            if word not in command.commands:
                return False
            command = command.commands[word]
    return True


@pytest.mark.parametrize("name", PLACES)
def test_json_is_what_goim_says_or_understands(name: str) -> None:
    for block in blocks(page(name)):
        if block.language == "json":
            for value in values(block.text):
                part, kinds = meant(value)
                wrong = [mismatch(part, kind) for kind in kinds]
                assert "" in wrong, f"{name}: {value}: {wrong or 'what is it?'}"


def values(text: str) -> Iterator[Any]:
    decoder = json.JSONDecoder()
    while text := text.strip():
        value, end = decoder.raw_decode(text)
        yield value
        text = text[end:]


def meant(value: dict[str, Any]) -> tuple[Any, list[inspect.Type]]:
    """The part of an example that says something, and what it may be."""
    if value.get("action") in {"allow", "deny", "replace"}:
        return value, [inspect.type_info(before_send._Verdict)]
    if "action" in value:
        envelopes = [
            *REQUESTS.get(value["action"], []),
            *REPLIES.get(value["action"], []),
            *PUSHES.get(value["action"], []),
        ]
        return value["data"], [kind for envelope in envelopes for kind in data_of(envelope)]
    if value.get("type") == "push":
        return value["data"]["notification"], [inspect.type_info(Notification)]
    if value.get("type") in EVENTS:
        return value["data"], EVENTS[value["type"]]
    return value, [inspect.type_info(kind) for fields, kind in KINDS.items() if fields <= value.keys()]
