"""The words of the terminal client: all of them are there in Chinese, and a Chinese locale gets them."""

from __future__ import annotations

import ast
import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import goimctl.talk
import pytest
from goimctl.talk.chinese import CHINESE
from goimctl.talk.commands import COMMANDS
from goimctl.talk.screen.keys import KEYS
from goimctl.talk.words import is_chinese

from tests.cli.conftest import Goimctl
from tests.cli.picture import PICTURE
from tests.client import PASSWORD, World
from tests.node import started_node

KINDS = {"image", "file", "video", "voice", "location", "card", "call", "custom"}
ZH = {"LC_ALL": "zh_CN.UTF-8", "PYTHONUTF8": "1"}


@pytest.fixture
async def people(tmp_path: Path) -> AsyncIterator[World]:
    async with started_node(tmp_path / "data") as (_, world):
        yield world


def asked_for() -> Iterator[str]:
    """Every text that the code gives to `t`."""
    for path in Path(goimctl.talk.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "t":
                given = node.args[0]
                for each in (given.body, given.orelse) if isinstance(given, ast.IfExp) else (given,):
                    if isinstance(each, ast.Constant):
                        yield str(each.value)


def test_every_text_is_there_in_chinese_and_no_other() -> None:
    wanted = {*asked_for(), *KINDS, *(entry.meaning for entry in COMMANDS.values()), *(does for _, does in KEYS)}
    assert CHINESE.keys() == wanted
    for english, chinese in CHINESE.items():
        assert sorted(re.findall(r"{\w+}", english)) == sorted(re.findall(r"{\w+}", chinese)), english


def test_the_locale_decides() -> None:
    assert is_chinese({"LANG": "zh_CN.UTF-8"})
    assert is_chinese({"LC_ALL": "", "LC_MESSAGES": "zh_TW.UTF-8", "LANG": "en_US.UTF-8"})
    assert not is_chinese({"LC_ALL": "en_US.UTF-8", "LANG": "zh_CN.UTF-8"})
    assert not is_chinese({})


def test_the_screen_is_chinese_in_a_chinese_locale() -> None:
    script = "import asyncio; from tests.cli.picture import draw; print(asyncio.run(draw()))"
    paths = os.pathsep.join(path for path in sys.path if path)
    environ = os.environ | ZH | {"PYTHONPATH": paths}
    drawn = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True, encoding="utf-8", env=environ, cwd=PICTURE.parents[2], timeout=60, check=True,
    ).stdout  # fmt: skip
    shown = re.sub(r"<[^>]+>|&#160;|\s", "", drawn)
    for text in ("●已连接", "条未读", "名成员", "2026年9月24日星期四", "已编辑", "发送"):
        assert text in shown, text
    assert "connected" not in shown


async def test_what_is_said_of_errors_and_people_is_chinese_too(people: World, goimctl: Goimctl) -> None:
    await people.person("ann")
    await people.person("bob")
    typed = f"{PASSWORD}\n/friend\n/with nobody\n/with bob\nhello\n/group members\n"
    done = await asyncio.to_thread(
        goimctl, "chat", "ann", "--url", people.base_url, "--password-stdin", stdin=typed, **ZH
    )
    assert "你是 ann" in done.stderr
    assert "用法：/friend NAME   申请加好友，或同意对方的申请" in done.stderr
    assert "没有叫 nobody 的人" in done.stderr
    assert "未发送：你们还不是好友: /friend bob" in done.stderr
    assert "你不在群里" in done.stderr
    assert done.returncode == 1
    assert "error: not everything was sent: 1 message did not arrive" in done.stderr
