"""The description of the sockets is AsyncAPI: AsyncAPI's own parser says so."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from goim.actions.table import ACTIONS
from tests.pages import ROOT

DOCUMENT = ROOT / "docs/reference/asyncapi.json"
HERE = Path(__file__).parent
OVER_TCP = {"auth", "close"}


@pytest.fixture(scope="module", name="parser")
def installed_parser(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """AsyncAPI's parser, fetched by its lock file. Skips where there is no Node.js, but not in CI."""
    if missing := [name for name in ("node", "npm") if shutil.which(name) is None]:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"install {' and '.join(missing)}")
    folder = tmp_path_factory.mktemp("parser")
    for name in ("package.json", "package-lock.json", "validate.js"):
        shutil.copy(HERE / name, folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=240)
    return folder


@pytest.mark.timeout(400)
def test_asyncapis_parser_has_nothing_to_say_against_it_and_would(parser: Path, tmp_path: Path) -> None:
    document = json.loads(DOCUMENT.read_text())
    expected = len(ACTIONS) + sum(1 for name in document["operations"] if name.startswith("push_")) + len(OVER_TCP)
    document["components"]["messages"]["Send"]["payload"] = {"$ref": "#/components/schemas/Nothing"}
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps(document))
    command = ["node", str(parser / "validate.js"), str(DOCUMENT), str(wrong)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    ours, theirs = map(json.loads, done.stdout.splitlines())
    assert ours == {"operations": expected, "problems": []}
    assert any(problem.startswith("components.messages.Send.payload") for problem in theirs["problems"])
