"""What people keep for themselves, on every database."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from goim.model.favourites import Favourite, FavouriteStats, FavouriteType
from goim.stores.base import Taken
from tests.contract.structured_stores import Stores, structured_nodes, structured_stores  # noqa: F401
from tests.contract.test_accounts_store import user

Nodes = tuple[Stores, Stores]
MANY = 10_000


def favourite(favourite_id: str, user_id: str = "ann", **more: Any) -> Favourite:
    fields = {"type": FavouriteType.CUSTOM, "title": favourite_id, "content": "", "created_at": 1_000}
    return Favourite(**{"favourite_id": favourite_id, "user_id": user_id, **fields, **more})


async def ids(stores: Stores, kind: FavouriteType | None = None, *tags: str, limit: int = 10, offset: int = 0) -> str:
    return " ".join(each.favourite_id for each in await stores.favourites.page("ann", kind, tags, limit, offset))


async def found(stores: Stores, keyword: str) -> str:
    return " ".join(each.favourite_id for each in await stores.favourites.search("ann", keyword, 10, 0))


async def test_a_favourite_comes_back_as_it_was_kept(stores: Stores) -> None:
    kept = favourite(
        "f1",
        type=FavouriteType.MESSAGE,
        conv_id="c1",
        title="Bob",
        content="茶 🍵",
        message='{"a":1.0}',
        tags=("z", "a", "茶"),
    )
    assert await stores.favourites.add(kept, MANY)
    assert await stores.favourites.page("ann", None, [], 10, 0) == [kept]
    assert await stores.favourites.search("ann", "bob", 10, 0) == [kept]
    assert await stores.favourites.page("bob", None, [], 10, 0) == []


async def test_the_same_thing_is_kept_once_by_each(nodes: Nodes) -> None:
    assert await nodes[0].favourites.add(favourite("f1", "bob"), MANY)
    added = await asyncio.gather(
        *(nodes[number % 2].favourites.add(favourite("f1", tags=("x",)), MANY) for number in range(8)),
        return_exceptions=True,
    )
    assert added.count(True) == 1
    assert sum(isinstance(each, Taken) for each in added) == 7
    with pytest.raises(Taken):
        await nodes[1].favourites.add(favourite("f1", title="other", tags=("y",)), MANY)
    [kept] = await nodes[0].favourites.page("ann", None, [], 10, 0)
    assert (kept.title, kept.tags) == ("f1", ("x",))


async def test_nobody_keeps_more_than_the_limit(stores: Stores) -> None:
    assert [await stores.favourites.add(favourite(f"f{number}"), 2) for number in range(3)] == [True, True, False]
    with pytest.raises(Taken):
        await stores.favourites.add(favourite("f1"), 2)
    assert await stores.favourites.add(favourite("f9", "bob"), 2)
    await stores.favourites.delete("ann", "f0")
    assert await stores.favourites.add(favourite("f3"), 2)


async def test_of_many_at_once_no_more_are_kept_than_the_limit(nodes: Nodes) -> None:
    await nodes[0].users.add(user("ann"))
    adding = (nodes[number % 2].favourites.add(favourite(f"f{number}"), 3) for number in range(12))
    assert (await asyncio.gather(*adding)).count(True) == 3


async def test_pages_go_from_the_latest_to_the_earliest(stores: Stores) -> None:
    for name, at in (("f1", 1_000), ("f3", 2_000), ("f2", 2_000), ("f4", 500)):
        await stores.favourites.add(favourite(name, created_at=at), MANY)
    assert await ids(stores, limit=3) == "f3 f2 f1"
    assert await ids(stores, limit=3, offset=3) == "f4"


async def test_a_page_is_of_one_type_and_of_any_of_some_tags(stores: Stores) -> None:
    await stores.favourites.add(favourite("f1", tags=("tea", "green")), MANY)
    await stores.favourites.add(favourite("f2", tags=("tea", "work"), type=FavouriteType.MESSAGE), MANY)
    await stores.favourites.add(favourite("f3", tags=("Tea", "teapot", "茶")), MANY)
    await stores.favourites.add(favourite("f4"), MANY)
    await stores.favourites.add(favourite("f5", "bob", tags=("tea",)), MANY)
    assert await ids(stores, FavouriteType.CUSTOM) == "f4 f3 f1"
    assert await ids(stores, None, "tea") == "f2 f1"
    assert await ids(stores, None, "tea", "green", "茶") == "f3 f2 f1"
    assert await ids(stores, None, "te") == await ids(stores, None, "tea%") == await ids(stores, None, "%") == ""
    assert await ids(stores, FavouriteType.MESSAGE, "tea", "green") == "f2"
    assert await ids(stores, None, "tea", "green", limit=1, offset=1) == "f1"


async def test_a_keyword_is_found_in_title_content_and_tags_whatever_the_case(stores: Stores) -> None:
    await stores.favourites.add(favourite("f1", title="Straße nach Rom"), MANY)
    await stores.favourites.add(favourite("f2", content="喝一杯绿茶  再走"), MANY)
    await stores.favourites.add(favourite("f3", tags=("ROMAN", "50%_off")), MANY)
    await stores.favourites.add(favourite("f4", title="end", content="start"), MANY)
    assert await found(stores, "rom") == "f3 f1"
    assert await found(stores, "绿茶") == await found(stores, "茶 再") == "f2"
    assert await found(stores, "strasse") == "f1"
    assert await found(stores, "%_") == "f3"
    assert await found(stores, "%") == "f3"
    assert await found(stores, "endstart") == await found(stores, "end start") == ""
    assert await stores.favourites.search("bob", "rom", 10, 0) == []
    assert [each.favourite_id for each in await stores.favourites.search("ann", "rom", 1, 1)] == ["f1"]


async def test_what_is_deleted_is_gone_with_its_tags(stores: Stores) -> None:
    for user_id in ("ann", "bob"):
        await stores.favourites.add(favourite("f1", user_id, tags=("tea",)), MANY)
    assert not await stores.favourites.delete("ann", "f2")
    assert await stores.favourites.delete("ann", "f1")
    assert not await stores.favourites.delete("ann", "f1")
    await stores.favourites.add(favourite("f1"), MANY)
    assert await ids(stores, None, "tea") == ""
    assert len(await stores.favourites.page("bob", None, ["tea"], 10, 0)) == 1


async def test_stats_count_each_type(stores: Stores) -> None:
    assert await stores.favourites.stats("ann") == FavouriteStats(0, 0, 0)
    for number in range(3):
        await stores.favourites.add(favourite(f"f{number}"), MANY)
    await stores.favourites.add(favourite("f9", type=FavouriteType.MESSAGE), MANY)
    await stores.favourites.add(favourite("f9", "bob"), MANY)
    assert await stores.favourites.stats("ann") == FavouriteStats(4, 1, 3)


async def test_an_erased_account_keeps_nothing(stores: Stores) -> None:
    for user_id in ("ann", "bob"):
        await stores.favourites.add(favourite("f1", user_id, tags=("tea",)), MANY)
    await stores.favourites.erase("ann")
    assert await stores.favourites.stats("ann") == FavouriteStats(0, 0, 0)
    assert len(await stores.favourites.page("bob", None, ["tea"], 10, 0)) == 1
