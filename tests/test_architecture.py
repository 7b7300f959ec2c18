"""The floors of the house: a room imports only from floors below its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import LONGEST

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "goim"
FLOORS = [
    {
        "errors",
        "clock",
        "ids",
        "lru",
        "batching",
        "lookups",
        "tasks",
        "turns",
        "config",
        "figures",
        "metrics",
        "logs",
        "resources",
        "resp",
        "workers",
    },
    {"model"},
    {"protocol"},
    {"stores", "bus", "events", "ratelimit", "blobs", "livecalls", "elsewhere", "outbound", "client"},
    {"delivery", "notices", "ordering"},
    {"services"},
    {"actions", "rest"},
    {"gateway", "web"},
    {"app"},
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
ADAPTERS = ("memory", "sqlite", "mysql", "tidb", "mongo", "redis", "kafka", "local", "s3", "sql_", "sql", "http")
BESIDE = {("stores", "metrics"), ("notices", "bus"), ("delivery", "notices"), ("delivery", "ordering")}
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Modules of goim that a file imports, as dotted names without the package."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("goim."):
            yield node.module.removeprefix("goim.")
        elif isinstance(node, ast.Import):
            yield from (name.name.removeprefix("goim.") for name in node.names if name.name.startswith("goim."))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_from_the_floors_below(path: Path) -> None:
    mine = room(path)
    if mine == "__init__":
        return
    for module in imports(path):
        other = module.partition(".")[0]
        if other != mine and (mine, other) not in BESIDE and FLOOR_OF[mine] > 0:
            assert FLOOR_OF[other] < FLOOR_OF[mine], f"{path.name} ({mine}) imports {module}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_composition_root_names_adapters(path: Path) -> None:
    mine = room(path)
    for module in imports(path):
        other, _, file = module.partition(".")
        if other != mine and FLOOR_OF.get(other) == FLOOR_OF["stores"] and file.startswith(ADAPTERS):
            assert mine == "app", f"{path.name} ({mine}) imports the adapter {module}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_say_what_they_are_for_and_stay_readable(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), f"{path.name} opens without saying what it is for"
    assert text.count("\n") <= 400, f"{path.name} has grown over 400 lines"


def test_every_room_has_a_floor() -> None:
    rooms = {room(path) for path in FILES} - {"__init__"}
    assert rooms <= set(FLOOR_OF), f"no floor for {rooms - set(FLOOR_OF)}"


def test_the_files_of_tests_that_start_first_are_there() -> None:
    assert [name for name in LONGEST if not (ROOT / "tests" / name).is_file()] == []
