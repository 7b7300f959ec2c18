"""The floors of the house: a room imports only from floors below its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "goim"
FLOORS = [
    {
        "errors",
        "clock",
        "ids",
        "lru",
        "nesting",
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
        "topics",
        "trust",
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
ABOVE_PORTS = {("stores", "log")}  # no adapter: what all logs have in common
BESIDE = {("stores", "metrics"), ("notices", "bus"), ("delivery", "notices"), ("delivery", "ordering")}
FILES = sorted(PACKAGE.rglob("*.py"))
PACKAGES = {
    "goim": PACKAGE,
    "goimctl": ROOT / "cli/goimctl",
    "loadtest": ROOT / "loadtest",
    "docs.site": ROOT / "docs/site",
    "tests": ROOT / "tests",
}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def imports() -> list[tuple[str, str, str, str]]:
    """Who imports what: a file, its room, the other room, and what of it, each without the package's name."""
    found = []
    for path in FILES:
        modules: list[str | None] = []
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                modules.append(node.module)
            elif isinstance(node, ast.Import):
                modules += [name.name for name in node.names]
        for module in modules:
            if module is not None and module.startswith("goim."):
                other, _, file = module.removeprefix("goim.").partition(".")
                found.append((str(path.relative_to(PACKAGE)), room(path), other, file))
    return found


def test_a_room_imports_only_from_the_floors_below() -> None:
    assert not [
        (path, other)
        for path, mine, other, _ in imports()
        if other != mine and (mine, other) not in BESIDE and 0 < FLOOR_OF[mine] <= FLOOR_OF[other]
    ]


def test_only_the_composition_root_names_adapters() -> None:
    """Everybody else knows of these rooms what is in their files `base`: the ports."""
    assert not [
        (path, other, file)
        for path, mine, other, file in imports()
        if mine not in (other, "app") and FLOOR_OF[other] == FLOOR_OF["stores"]
        if not file.startswith("base") and (other, file) not in ABOVE_PORTS
    ]


def test_files_say_what_they_are_for_and_stay_readable() -> None:
    texts = {path: path.read_text() for path in FILES}
    assert not [path for path, text in texts.items() if not ast.get_docstring(ast.parse(text))], "say what it is for"
    assert not [path for path, text in texts.items() if text.count("\n") > 400], "have grown over 400 lines"


def test_every_room_has_a_floor() -> None:
    rooms = {room(path) for path in FILES} - {"__init__"}
    assert rooms <= set(FLOOR_OF), f"no floor for {rooms - set(FLOOR_OF)}"


def modules() -> dict[str, Path]:
    """Every file of ours by its module's name."""
    found = {}
    for name, folder in PACKAGES.items():
        for path in folder.rglob("*.py"):
            parts = [name, *path.relative_to(folder).with_suffix("").parts]
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


def names_in(path: Path) -> Iterator[str]:
    """What a file imports, at its top or later, to run it or for types alone."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def test_no_files_import_each_other_in_a_circle() -> None:
    """Whoever reads one of a circle has to read them all, also where it is for types alone."""
    ours = modules()
    imported = {
        module: {name for name in names_in(path) if name in ours and not module.startswith(f"{name}.")} - {module}
        for module, path in ours.items()
    }
    try:
        TopologicalSorter(imported).prepare()
    except CycleError as error:
        raise AssertionError(" imported by ".join(error.args[1])) from None
