"""The pages say all there is and nothing that is not there: every table of the code against its page."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from goimctl.app import app as goimctl
from litestar import Litestar
from litestar.routes import ASGIRoute, HTTPRoute

from docs.site.__main__ import generated
from goim.actions.table import ACTIONS
from goim.app.node import server_for
from goim.config import all_keys
from goim.config.hooks import EVENT_TYPES
from goim.config.keys import sections
from goim.errors import HTTP_STATUS
from goim.metrics import Metrics
from goim.protocol.close_codes import CloseCode
from goim.rest.operations import CountRequests
from tests.node import started_node
from tests.pages import PAGES, ROOT, anchors, blocks, links, page, section, table, undressed
from tests.shapes import PUSHES, REPLIES, REQUESTS, data_of, mismatch
from tests.test_architecture import FLOORS

CLIENT, SERVER = "→", "←"
TCP_ONLY = {"auth", "auth_ok", "close"}
UNKNOWN_ON_PURPOSE = {"fly"}
RUNNABLE = {"sh", "console", "python", "sql"}
READ = {"json", "toml", "text", "js", "html", "nginx", "yaml", "ini"}


def frames(text: str, arrow: str) -> list[dict[str, Any]]:
    """The example frames of one direction."""
    return [json.loads(line.removeprefix(arrow)) for line in text.splitlines() if line.startswith(arrow)]


# the wire


def test_every_action_has_its_place_and_an_example_with_its_answer() -> None:
    text = section("docs/protocol.md", "Requests")
    named = re.findall(r"^### `(\w+)`$", text, re.MULTILINE)
    assert sorted(named) == sorted(action.name for action in ACTIONS.values())
    shown = {frame["action"] for frame in frames(text, CLIENT)}
    assert shown >= set(named)


def test_every_push_has_its_place_and_an_example() -> None:
    text = section("docs/protocol.md", "Pushes")
    assert sorted(re.findall(r"^### `(\w+)`$", text, re.MULTILINE)) == sorted(PUSHES.keys() - TCP_ONLY)
    assert {frame["action"] for frame in frames(text, SERVER)} == PUSHES.keys() - TCP_ONLY


def test_every_action_is_answered_as_its_example_shows() -> None:
    for action in ACTIONS.values():
        shown = [frame["action"] for frame in frames(section("docs/protocol.md", f"`{action.name}`"), SERVER)]
        assert shown[:1] == ([action.reply.__struct_config__.tag] if action.reply else []), action.name


def test_the_reference_is_what_the_code_says() -> None:
    for path, text in generated():
        assert path.read_text() == text, f"{path.name} is not what the code says: make docs"


def test_what_only_tcp_has_is_shown_there() -> None:
    text = section("docs/protocol.md", "TCP")
    assert {frame["action"] for arrow in (CLIENT, SERVER) for frame in frames(text, arrow)} >= TCP_ONLY


def test_every_reply_is_shown() -> None:
    shown = {frame["action"] for frame in frames(page("docs/protocol.md"), SERVER)}
    assert shown >= REPLIES.keys()


@pytest.mark.parametrize("name", PAGES)
def test_frames_are_what_goim_understands_and_says(name: str) -> None:
    text = page(name)
    for arrow, known in ((CLIENT, [REQUESTS]), (SERVER, [REPLIES, PUSHES])):
        for frame in frames(text, arrow):
            candidates = [envelope for envelopes in known for envelope in envelopes.get(frame["action"], [])]
            wrong = [mismatch(frame.get("data", {}), kind, "data") for each in candidates for kind in data_of(each)]
            assert "" in wrong or frame["action"] in UNKNOWN_ON_PURPOSE, f"{name}: {frame}: {wrong}"
            assert frame.keys() <= {"action", "id", "data"}


# HTTP


async def test_every_route_is_in_the_protocol(tmp_path: Path) -> None:
    async with started_node(tmp_path) as (node, _):
        app = server_for(node).config.app
    assert isinstance(app, CountRequests)
    assert isinstance(app._app, Litestar)
    served = set(_routes_of(app._app))
    described = set(re.findall(r"^\| `([A-Z]+ /\S*)`", section("docs/protocol.md", "HTTP"), re.MULTILINE))
    assert described - served == set(), "described, but not served"
    assert served - described == set(), "served, but not described"


def _routes_of(app: Litestar) -> Iterator[str]:
    for route in app.routes:
        if isinstance(route, HTTPRoute) and not _is_of_the_pages(route.path_format):
            handlers = {method: handler for method, (handler, _) in route.route_handler_map.items()}
            if handlers["OPTIONS"].fn.__module__.startswith("litestar"):
                del handlers["OPTIONS"]  # made for every path
            yield from (f"{method} {route.path_format}" for method in handlers)
        elif isinstance(route, ASGIRoute):
            assert route.path == "/ws"


def _is_of_the_pages(path: str) -> bool:
    return path.startswith(("/schema/", "/web/")) and path != "/schema/openapi.json"


# errors, settings, metrics


def test_every_error_code_is_described_with_its_status() -> None:
    rows = {undressed(row[0]): int(row[1]) for row in table("docs/errors.md", "Codes")}
    assert rows == {code.value: status for code, status in HTTP_STATUS.items()}


def test_every_close_code_is_described() -> None:
    rows = {int(row[0]): undressed(row[1]) for row in table("docs/errors.md", "Close codes")}
    assert rows == {code.value: code.name for code in CloseCode}


def test_every_setting_stands_once_in_the_configuration_with_its_default() -> None:
    for language in ("", ".zh"):
        rows = re.findall(
            r"^\| `([a-z_0-9]+\.[a-z_0-9]+)` \| `(.*?)` \|", page(f"docs/configuration{language}.md"), re.MULTILINE
        )
        assert rows == [(key.path, json.dumps(key.default, ensure_ascii=False)) for key in all_keys().values()]


def test_every_metric_is_described_with_its_type_and_labels() -> None:
    wanted = {}
    for family in Metrics().collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        wanted[name] = (family.type, list(getattr(family, "_labelnames", ())))
    rows = table("docs/metrics.md", "")
    assert {undressed(row[0]): (row[1], undressed(row[2]).split()) for row in rows} == wanted


def test_every_event_is_described() -> None:
    assert [undressed(row[0]) for row in table("docs/webhooks.md", "Events")] == list(EVENT_TYPES)
    shown = [
        json.loads(line)
        for line in section("docs/webhooks.md", "Events").splitlines()
        if line.startswith('{"id"') and "…" not in line
    ]
    assert {event["type"] for event in shown} <= set(EVENT_TYPES)
    assert shown


# the command line


def commands_of(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every command that does something, by what people type."""
    below = getattr(command, "commands", {})
    if not below or command.invoke_without_command:
        yield path, command
    for name, each in below.items():
        yield from commands_of(each, f"{path} {name}")


COMMANDS = dict(commands_of(typer.main.get_command(goimctl), "goimctl"))
del COMMANDS["goimctl"]  # alone it shows its help


def test_every_command_has_its_place() -> None:
    assert sorted(re.findall(r"^##+ `(goimctl.*)`$", page("docs/cli.md"), re.MULTILINE)) == sorted(COMMANDS)


@pytest.mark.parametrize("path", COMMANDS)
def test_every_option_of_a_command_is_described_and_no_other(path: str) -> None:
    text = section("docs/cli.md", f"`{path}`")
    described = set(re.findall(r"`(--[a-z][a-z-]*)[ `]", text))
    options = {
        opt for param in COMMANDS[path].params for opt in (*param.opts, *param.secondary_opts) if opt.startswith("--")
    }
    shown = set(re.findall(r" (--[a-z][a-z-]*)", "\n".join(block.text for block in blocks(text))))
    assert described == options - {"--help"}
    assert shown <= options | {"--config", "--help"}
    assert f"{path} " in text.replace("\n", " ").replace("`", " "), "no example"


def test_the_floors_are_those_that_the_architecture_test_keeps() -> None:
    rows = table("docs/development.md", "Layout and floors")
    rooms = [set(re.findall(r"`(\w+)`", row[1].partition(":")[0])) for row in rows]
    assert rooms == FLOORS


# the pages themselves


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    for target in links(page(name)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / name).parent / path if path else ROOT / name
        assert file.exists(), f"{name} links to {target}"
        if anchor:
            assert anchor in anchors(file.read_text()), f"{name} links to {target}"


@pytest.mark.parametrize("name", PAGES)
def test_files_settings_and_targets_that_are_named_exist(name: str) -> None:
    text = page(name)
    for file in re.findall(r"`((?:goim|cli|tests|loadtest|schemas|docs)/[\w./-]*)`", text):
        assert (ROOT / file).exists(), f"{name} names {file}"
    targets = re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for target in re.findall(r"`make ([a-z]+)", text):
        assert target in targets, f"{name} names make {target}"
    for path in re.findall(r"`([a-z_]+\.[a-z_0-9]+)`", text):
        if path.partition(".")[0] in sections():
            assert path in all_keys(), f"{name} names the setting {path}"


def test_both_lists_of_pages_name_every_page_in_the_same_order() -> None:
    here = links(page("docs/README.md"))
    translations = {name for name in PAGES if name.endswith(".zh.md")}
    assert {f"docs/{target}" for target in here} == {
        name for name in PAGES if name.startswith("docs/") and name not in translations | {"docs/README.md"}
    }
    wanted = [each.replace(".md", ".zh.md") if f"docs/{each[:-3]}.zh.md" in translations else each for each in here]
    assert links(page("docs/README.zh.md")) == wanted
    for line, target in zip(re.findall(r"^- \[.*", page("docs/README.zh.md"), re.MULTILINE), wanted, strict=True):
        assert ("（英文）" in line) == (not target.endswith(".zh.md")), line
    headings = [re.findall(r"^#+ ", page(f"docs/README{each}.md"), re.MULTILINE) for each in ("", ".zh")]
    assert headings[0] == headings[1]


@pytest.mark.parametrize("name", [*PAGES, "examples/README.md"])
def test_every_block_is_run_or_says_why_not(name: str) -> None:
    reasons = {f"needs={undressed(row[0])}" for row in table_of_reasons()}
    for block in blocks(page(name)):
        assert block.language in RUNNABLE | READ, f"{name}: {block.info or 'no language'}: {block.text}"
        if block.language in RUNNABLE:
            assert block.marks in (["run"], ["run", "stopped"]) or set(block.marks[:1]) & reasons, (
                f"{name}: mark this block `run`, or with one of {sorted(reasons)}:\n{block.text}"
            )


def table_of_reasons() -> list[list[str]]:
    lines = [line.strip() for line in section("docs/development.md", "Tests").splitlines()]
    start = lines.index("| `needs=` | why no test runs it |")
    rows = [line for line in lines[start + 2 :] if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in rows if line.count("|") == 3]


def test_the_reasons_for_not_running_a_block_are_needed() -> None:
    used = {mark for name in [*PAGES, "examples/README.md"] for block in blocks(page(name)) for mark in block.marks}
    planned = {"needs=docker", "needs=kubernetes"}
    assert {f"needs={undressed(row[0])}" for row in table_of_reasons()} <= used | planned


def test_every_row_of_a_table_has_as_many_cells_as_its_head() -> None:
    """A bar within a cell ends it for some readers of Markdown, code or not."""
    for path in [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")]:
        cells = 0
        for number, line in enumerate(path.read_text().splitlines(), 1):
            here = len(re.split(r"(?<!\\)\|", line.strip())) if line.startswith("|") else 0
            assert not cells or not here or here == cells, f"{path}:{number}"
            cells = here


@pytest.mark.parametrize("name", PAGES)
def test_what_a_program_of_a_page_imports_comes_with_goim_or_is_said_to_be_installed(name: str) -> None:
    programs = "".join(block.text for block in blocks(page(name)) if block.language in {"python", "sh"})
    imported = set(re.findall(r"^(?:from|import) (\w+)", programs, re.MULTILINE))
    brought = {"goim", *re.findall(r"^([\w-]+)==", page("requirements.lock"), re.MULTILINE)}
    said = set(re.findall(r"pip install ([\w-]+)", page(name)))
    assert imported <= sys.stdlib_module_names | brought | said
