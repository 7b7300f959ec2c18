"""Who gets past the door of `/api/admin`: enabled administrators, from the next request on and no longer."""

from __future__ import annotations

import asyncio
import re

import pytest

from goim.app.node import server_for
from tests.client import PASSWORD, Person, Refused
from tests.rest.admins import Office, open_office  # noqa: F401
from tests.rest.test_auth import routes_of


def routes(office: Office) -> list[tuple[str, str]]:
    """Every route of administrators, with an id of nobody in it."""
    served = sorted(routes_of(server_for(office.node).config.app))
    return [
        (method, re.sub(r"{\w+}", "0nobody0000000", path))
        for method, path in served
        if path.startswith("/api/admin") and method != "OPTIONS"
    ]


async def codes(office: Office, person: Person) -> set[str]:
    """What somebody hears on all of them, whatever they send."""
    heard = set()
    for method, path in routes(office):
        with pytest.raises(Refused) as refused:
            await person.call(method, path, {"nothing": "right"} if method in ("POST", "PUT") else None)
        heard.add(refused.value.code)
    return heard


async def test_whoever_is_no_administrator_is_forbidden_everything(office: Office) -> None:
    assert len(routes(office)) > 20
    alice = await office.world.person("alice")
    assert await codes(office, alice) == {"FORBIDDEN"}
    assert await codes(office, Person(alice.http)) == {"UNAUTHORIZED"}


async def test_the_flag_counts_from_the_next_request_on_and_no_longer_than_it_is_there(office: Office) -> None:
    alice = await office.world.person("alice")
    accounts = office.node.services.accounts
    await accounts.make_admin(alice.user_id)
    assert (await alice.get("/api/admin/stats"))["users"]["admins"] == 2
    await accounts.make_admin(alice.user_id, is_admin=False)
    assert await codes(office, alice) == {"FORBIDDEN"}
    assert (await alice.get("/api/users/me"))["username"] == "alice"


async def test_a_disabled_administrator_is_out(office: Office) -> None:
    alice = await office.admin("alice")
    await alice.get("/api/admin/users")
    await office.root.post(f"/api/admin/users/{alice.user_id}/disable")
    assert await codes(office, alice) == {"UNAUTHORIZED"}
    with pytest.raises(Refused, match="FORBIDDEN"):
        await office.world.log_in(alice)


async def test_no_route_gives_the_flag(office: Office) -> None:
    made = await office.root.post(
        "/api/admin/users", {"username": "eve", "password": PASSWORD, "isAdmin": True, "is_admin": True}
    )
    assert not (await office.root.get(f"/api/admin/users/{made['userId']}"))["isAdmin"]
    await office.root.put("/api/users/me", {"nickname": "Root", "isAdmin": False})
    assert (await office.root.get(f"/api/admin/users/{office.root.user_id}"))["isAdmin"]


async def test_administrators_cannot_lock_themselves_out(office: Office) -> None:
    mine = f"/api/admin/users/{office.root.user_id}"
    for method, path, body in (
        ("POST", f"{mine}/disable", {}),
        ("DELETE", mine, None),
        ("PUT", f"{mine}/password", {"password": "another horse"}),
    ):
        with pytest.raises(Refused, match="FORBIDDEN: not with yourself"):
            await office.root.call(method, path, body)
    assert await office.root.get("/api/admin/stats")
    await office.world.log_in(office.root)


async def test_of_two_administrators_who_disable_each_other_one_stays(office: Office) -> None:
    alice = await office.admin("alice")
    results = await asyncio.gather(
        office.root.post(f"/api/admin/users/{alice.user_id}/disable"),
        alice.post(f"/api/admin/users/{office.root.user_id}/disable"),
        return_exceptions=True,
    )
    refused = [result for result in results if result is not None]
    assert len(refused) == 1
    assert isinstance(refused[0], Refused)
    left = [await office.node.services.accounts.get(person.user_id) for person in (office.root, alice)]
    assert sorted(user.is_disabled for user in left) == [False, True]
