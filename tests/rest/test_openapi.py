"""The description of the HTTP API: complete, true about tokens and errors, and served without the rest of the world."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from goim.app.node import server_for
from tests.client import World
from tests.node import started_node
from tests.rest.test_auth import PUBLIC, routes_of

PAGES = ("/schema", "/web/")
"""What people look at; it is no part of the API."""


@pytest.fixture(name="schema")
async def described_node(people: World) -> dict[str, Any]:
    """The whole description."""
    answer = await (await people.http()).get("/schema/openapi.json")
    assert answer.status_code == 200
    schema: dict[str, Any] = answer.json()
    return schema


def _operations(schema: dict[str, Any]) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield (method.upper(), path), operation


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


async def test_every_route_is_described(tmp_path: Path) -> None:
    async with started_node(tmp_path) as (node, world):
        routes = {(method, path) for method, path in routes_of(server_for(node).config.app) if method != "OPTIONS"}
        schema = (await (await world.http()).get("/schema/openapi.json")).json()
    described = {name for name, _ in _operations(schema)}
    assert {(method, path) for method, path in routes if not path.startswith(PAGES) and path != "/"} == described


async def test_the_description_says_who_must_bring_a_token_and_what_a_refusal_looks_like(
    schema: dict[str, Any],
) -> None:
    assert schema["components"]["securitySchemes"]["bearer"] == {"type": "http", "scheme": "bearer"}
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for name, operation in _operations(schema):
        responses = operation["responses"]
        if name in PUBLIC:
            assert "security" not in operation, name
        else:
            assert operation["security"] == [{"bearer": []}], name
            assert responses["401"]["content"] == problem, name
        assert ("403" in responses) == name[1].startswith("/api/admin"), name
        assert responses["default"]["content"] == problem, name
        assert "400" not in responses or responses["400"]["content"] == problem, name
        assert any(status.startswith("2") for status in responses), name
    assert set(schema["components"]["schemas"]["Problem"]["properties"]) == {
        "type",
        "title",
        "status",
        "detail",
        "code",
        "convId",
        "retryAfterMs",
    }


async def test_every_operation_says_what_it_does(schema: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, operation in _operations(schema)]
    assert len(ids) == len(set(ids))
    for name, operation in _operations(schema):
        assert operation.get("description"), name
        assert operation["description"].startswith(operation["summary"]), name
        assert " " in operation["summary"], name
        assert operation.get("tags"), name


async def test_every_reference_leads_somewhere(schema: dict[str, Any]) -> None:
    known = {f"#/components/schemas/{name}" for name in schema["components"]["schemas"]}
    assert set(_references(schema)) <= known


async def test_the_pages_load_nothing_from_elsewhere(people: World) -> None:
    http = await people.http()
    page = await http.get("/schema")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assets = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert len(assets) == 3
    for asset in assets:
        assert asset.startswith("/schema/assets/")
        answer = await http.get(asset)
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-type"].startswith(("text/css", "text/javascript"))
        assert len(answer.content) > 100
    assert "/schema/openapi.json" in (await http.get("/schema/assets/schema.js")).text


@pytest.mark.parametrize("name", ["nothing.js", "schema.html", "..%2Fopenapi.py", "swagger-ui.LICENSE"])
async def test_only_the_assets_of_the_pages_are_served(people: World, name: str) -> None:
    assert (await (await people.http()).get(f"/schema/assets/{name}")).status_code == 404


async def test_the_description_can_be_switched_off(tmp_path: Path) -> None:
    async with started_node(tmp_path, server={"docs": False}) as (_, world):
        http = await world.http()
        for path in ("/schema", "/schema/openapi.json"):
            assert (await http.get(path)).status_code == 404
