"""Who may ask what: every route wants a token, but for a short list that is written down here."""

from __future__ import annotations

import re
from pathlib import Path

from litestar import Litestar
from litestar.routes import HTTPRoute

from goim.app.node import server_for
from goim.rest.operations import CountRequests
from tests.client import World
from tests.node import started_node

PUBLIC = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("POST", "/api/register"),
    ("POST", "/api/login"),
    ("POST", "/api/token/refresh"),
    ("GET", "/files/{path}"),
    ("HEAD", "/files/{path}"),
    ("GET", "/schema"),
    ("GET", "/schema/openapi.json"),
    ("GET", "/schema/{path}"),
    ("GET", "/schema/assets/{name}"),
    ("GET", "/"),
    ("HEAD", "/"),
    ("GET", "/web/{name}"),
    ("HEAD", "/web/{name}"),
}


def routes_of(app: object) -> set[tuple[str, str]]:
    """(method, path template) of everything that is served over HTTP."""
    assert isinstance(app, CountRequests)
    assert isinstance(app._app, Litestar)
    return {
        (str(method), route.path_format)
        for route in app._app.routes
        if isinstance(route, HTTPRoute)
        for method in route.route_handler_map
    }


async def test_every_route_but_the_public_ones_wants_a_token(tmp_path: Path) -> None:
    async with started_node(tmp_path) as (node, world):
        routes = routes_of(server_for(node).config.app)
        assert len(routes) > 60
        assert routes >= PUBLIC
        http = await world.http()
        open_paths = {path for _, path in PUBLIC}
        closed = {
            (method, path) for method, path in routes - PUBLIC if not (method == "OPTIONS" and path in open_paths)
        }
        for method, path in sorted(closed):
            for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic YTpi"}):
                answer = await http.request(method, re.sub(r"{\w+}", "x", path), headers=headers)
                assert answer.status_code == 401, (method, path, headers, answer.text)
                assert method == "HEAD" or answer.json()["code"] == "UNAUTHORIZED"
                assert answer.headers["www-authenticate"].startswith("Bearer")
                assert answer.headers["content-type"] == "application/problem+json"
        for method, path in sorted(PUBLIC):
            answer = await http.request(method, re.sub(r"{\w+}", "x", path), json={} if method == "POST" else None)
            assert answer.status_code != 401, (method, path)


async def test_the_token_stands_where_a_bearer_token_stands(people: World) -> None:
    alice = await people.person()
    token = alice.token

    async def status(header: str) -> int:
        return (await alice.http.get("/api/users/me", headers={"Authorization": header})).status_code

    assert await status(f"Bearer {token}") == 200
    assert await status(f"bearer  {token}") == 200
    assert await status(token) == 401
    assert await status(f"Bearer {token}x") == 401
    assert await status("Bearer") == 401
    by_query = await alice.http.get("/api/users/me", params={"token": token})
    assert by_query.status_code == 401


async def test_a_refusal_repeats_no_token(people: World) -> None:
    alice = await people.person()
    answer = await alice.http.get(
        "/api/friends", params={"limit": "x", "token": alice.token}, headers={"Authorization": f"Bearer {alice.token}"}
    )
    assert answer.status_code == 400
    assert alice.token not in answer.text


async def test_pages_of_allowed_origins_may_ask_and_no_others(tmp_path: Path) -> None:
    async with started_node(tmp_path, server={"allowed_origins": ["https://chat.example"]}) as (_, world):
        alice = await world.person()
        for origin, is_allowed in (("https://chat.example", True), ("https://evil.example", False)):
            preflight = await alice.http.options(
                "/api/users/me",
                headers={
                    "Origin": origin,
                    "Access-Control-Request-Method": "PUT",
                    "Access-Control-Request-Headers": "authorization, content-type",
                },
            )
            assert preflight.is_success is is_allowed
            for path in ("/api/users/me", "/api/users/nobody", "/nonsense"):
                headers = {"Origin": origin, "Authorization": f"Bearer {alice.token}"}
                answer = await alice.http.get(path, headers=headers)
                assert answer.headers.get("access-control-allow-origin") == (origin if is_allowed else None)


async def test_without_allowed_origins_no_page_of_another_origin_may_ask(people: World) -> None:
    answer = await (await people.http()).get("/healthz", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers
