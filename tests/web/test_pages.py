"""The web client as it is served: whole, with nothing from elsewhere, fresh, and only where it is wanted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from goim.web.pages import FOLDER, assets
from tests.node import started_node

SCRIPTS = sorted(path for path in FOLDER.rglob("*.js") if "vendor" not in path.parts)
EVERY_IMPORT = re.compile(r"""(?:from|import)\s*\(?\s*["']([^"']+)["']""")


def name_of(path: Path) -> str:
    return path.relative_to(FOLDER).as_posix()


def test_no_module_imports_in_a_circle() -> None:
    wanted = {
        path: {
            (path.parent / target).resolve() for target in EVERY_IMPORT.findall(path.read_text()) if target[0] == "."
        }
        for path in (script.resolve() for script in SCRIPTS)
    }
    while free := {path for path, targets in wanted.items() if not targets & wanted.keys()}:
        wanted = {path: targets for path, targets in wanted.items() if path not in free}
    assert not wanted, f"these import each other: {', '.join(sorted(path.name for path in wanted))}"


async def test_the_page_and_all_that_it_names_are_there(tmp_path: Path) -> None:
    async with started_node(tmp_path) as (_, world):
        http = await world.http()
        page = await http.get("/")
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert "/web/app/main.js" in named
        for address in named:
            answer = await http.get(address)
            assert answer.status_code == 200, address
            assert answer.headers["x-content-type-options"] == "nosniff"


async def test_nothing_runs_but_what_comes_from_here(tmp_path: Path) -> None:
    async with started_node(tmp_path) as (_, world):
        policy = (await (await world.http()).get("/")).headers["content-security-policy"]
        rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split("; ")}
        assert rules["default-src"] == ["'none'"]
        assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == ["'self'"]
        assert rules["frame-ancestors"] == rules["base-uri"] == rules["form-action"] == ["'none'"]
        assert "unsafe" not in policy


async def test_what_a_browser_has_is_asked_for_without_being_sent_again(tmp_path: Path) -> None:
    async with started_node(tmp_path) as (_, world):
        http = await world.http()
        for address in ("/", "/web/goim.js"):
            first = await http.get(address)
            assert first.headers["cache-control"] == "no-cache"
            again = await http.get(address, headers={"If-None-Match": first.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == first.headers["etag"]
            changed = await http.get(address, headers={"If-None-Match": '"another"'})
            assert changed.content == first.content
            head = await http.head(address)
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["content-length"] == str(len(first.content))


async def test_pages_of_allowed_origins_may_load_the_module(tmp_path: Path) -> None:
    ours, theirs = "https://shop.example.org", "https://evil.example"
    async with started_node(tmp_path, server={"allowed_origins": [ours]}) as (_, world):
        http = await world.http()
        for origin, allowed in ((ours, ours), (theirs, None)):
            answer = await http.get("/web/goim.js", headers={"Origin": origin})
            assert answer.headers.get("access-control-allow-origin") == allowed


async def test_no_other_file_is_served(tmp_path: Path) -> None:
    async with started_node(tmp_path) as (_, world):
        http = await world.http()
        for address in ("/web/", "/web/nothing.js", "/web/../pages.py", "/web/%2e%2e/pages.py", "/web//etc/passwd"):
            assert (await http.get(address)).status_code == 404, address
        assert (await http.post("/")).status_code == 405


@pytest.mark.parametrize("server", [{"web": False}, {"roles": ["gateway"]}], ids=["switched off", "no api"])
async def test_where_it_is_not_wanted_it_is_not_there(tmp_path: Path, server: dict[str, object]) -> None:
    async with started_node(tmp_path, server=server) as (_, world):
        http = await world.http()
        assert [(await http.get(address)).status_code for address in ("/", "/web/goim.js")] == [404, 404]


def test_a_script_imports_only_what_is_there() -> None:
    there = assets()
    for script in SCRIPTS:
        for target in EVERY_IMPORT.findall(re.sub(r"^\s*(//|\*).*$", "", script.read_text(), flags=re.MULTILINE)):
            assert target.startswith("."), f"{name_of(script)}: {target} is not beside it"
            assert name_of((script.parent / target).resolve()) in there, f"{name_of(script)} imports {target}"


MARKUP = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|dangerouslySet|\beval\(|new Function")


def test_a_script_makes_no_markup_of_texts_and_stays_readable() -> None:
    texts_of = {name_of(script): script.read_text() for script in SCRIPTS}
    assert not [name for name, text in texts_of.items() if MARKUP.search(text)]
    assert not [name for name, text in texts_of.items() if not text.startswith(("//", "/**"))], "say what it is for"
    assert not [name for name, text in texts_of.items() if text.count("\n") > 400]


def test_the_client_module_needs_nothing_of_the_page() -> None:
    for script in [FOLDER / "goim.js", *(FOLDER / "client").glob("*.js")]:
        for target in EVERY_IMPORT.findall(re.sub(r"^ \*.*$", "", script.read_text(), flags=re.MULTILINE)):
            assert re.fullmatch(r"\./(client/)?\w+\.js", target), f"{script.name} imports {target}"


def texts(language: str) -> dict[str, str]:
    source = (FOLDER / "app" / "texts" / f"{language}.js").read_text()
    return dict(re.findall(r'^  "?([\w.]+)"?: "(.*)",$', source, re.MULTILINE))


def test_every_language_says_everything_with_the_same_places() -> None:
    english, chinese = texts("en"), texts("zh")
    plain = {name for name in english if not name.endswith(".one")}
    assert len(plain) > 200
    assert plain == {name for name in chinese if not name.endswith(".one")}
    for name in plain:
        places = [sorted(re.findall(r"{\w+}", table[name])) for table in (english, chinese)]
        assert places[0] == places[1], name


def test_every_text_that_is_asked_for_is_there_and_none_is_left_over() -> None:
    source = "\n".join(path.read_text() for path in SCRIPTS if "texts" not in path.parts)
    english = texts("en")
    asked = set(re.findall(r'\bt\(\s*"([\w.]+)"', source))
    assert asked <= english.keys()
    made = re.findall(r"\bt\(`([\w.]+\.)\$", source)  # the end of the name is chosen as it runs
    for name in english:
        stem = name.removesuffix(".one")
        assert f'"{stem}"' in source or name.startswith(tuple(made)), f"{name} is never shown"
