"""Who sends a file lets the members of the conversation read it, if it is theirs to show."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection

import pytest

from goim.errors import ErrorCode, StoreDown
from goim.model.files import Grant
from goim.services.file_grants import FileGrants
from goim.stores.memory_files import MemoryGrants
from tests.services.cabinet import Cabinet, open_cabinet  # noqa: F401
from tests.services.house import refused


def of(*addresses: str) -> str:
    """The payload of a message with these as url and thumbnail."""
    return json.dumps(dict(zip(("url", "thumbnail"), addresses, strict=False)))


@pytest.mark.parametrize("kind", ["image", "voice", "video", "file"])
async def test_sending_my_file_lets_the_members_read_it(cabinet: Cabinet, kind: str) -> None:
    conv_id = await cabinet.talk("ann", "bob")
    view = await cabinet.upload()
    sharing = cabinet.sharing.check((conv_id, "ann", "m1"), kind, of(view.url))
    assert sharing is not None
    await sharing
    assert await cabinet.read(view.url, "bob") == b"some bytes"
    with refused(ErrorCode.NOT_FOUND):
        await cabinet.read(view.url, "eve")


@pytest.mark.parametrize("kind", ["text", "card", "location", "custom", "stream"])
async def test_messages_of_other_types_are_not_even_looked_at(cabinet: Cabinet, kind: str) -> None:
    assert cabinet.sharing.check(("c1", "ann", "m1"), kind, "this is not JSON") is None


@pytest.mark.parametrize("address", ["https://elsewhere.example/files/f1/a.png", "…", "data:image/png;base64,AA=="])
async def test_what_is_not_ours_is_left_alone(cabinet: Cabinet, address: str) -> None:
    assert cabinet.sharing.check(("c1", "ann", "m1"), "image", of(address)) is None


async def test_our_own_url_is_ours(cabinet: Cabinet) -> None:
    conv_id = await cabinet.talk("ann", "bob")
    view = await cabinet.upload()
    sharing = cabinet.sharing.check((conv_id, "ann", "m1"), "image", of(f"https://chat.example{view.url}"))
    assert sharing is not None
    await sharing
    assert await cabinet.read(view.url, "bob") == b"some bytes"


@pytest.mark.parametrize("address", ["/files/00000000000000/a.png", "/files/00000000000000"])
async def test_a_file_that_is_not_there_cannot_be_sent(cabinet: Cabinet, address: str) -> None:
    sharing = cabinet.sharing.check((await cabinet.talk("ann", "bob"), "ann", "m1"), "file", of(address))
    assert sharing is not None
    with refused(ErrorCode.NOT_FOUND):
        await sharing


async def test_somebody_elses_file_cannot_be_sent_unless_it_was_sent_to_me(cabinet: Cabinet) -> None:
    with_bob, with_eve = await cabinet.talk("ann", "bob"), await cabinet.talk("bob", "eve")
    view = await cabinet.upload("ann")
    with refused(ErrorCode.NOT_FOUND):
        await cabinet.sharing.share("bob", {Grant(view.file_id, with_eve)})
    with refused(ErrorCode.NOT_FOUND):
        await cabinet.read(view.url, "eve")
    await cabinet.sharing.share("ann", {Grant(view.file_id, with_bob)})
    await cabinet.sharing.share("bob", {Grant(view.file_id, with_eve)})  # forwarded by reference: no byte is copied
    assert await cabinet.read(view.url, "eve") == b"some bytes"
    assert len(await cabinet.stored()) == 1


async def test_of_several_files_all_must_be_mine_or_none_is_shared(cabinet: Cabinet) -> None:
    conv_id = await cabinet.talk("ann", "bob")
    mine, theirs = await cabinet.upload("ann"), await cabinet.upload("eve")
    sharing = cabinet.sharing.check((conv_id, "ann", "m1"), "video", of(mine.url, theirs.url))
    assert sharing is not None
    with refused(ErrorCode.NOT_FOUND):
        await sharing
    with refused(ErrorCode.NOT_FOUND):
        await cabinet.read(mine.url, "bob")


class Slow(MemoryGrants):
    """Grants that wait for the test, count how often they are asked, and fail when told to."""

    def __init__(self, cabinet: Cabinet) -> None:
        super().__init__(cabinet.grants._data)
        self.may_go_on = asyncio.Event()
        self.asked: list[int] = []
        self.failure: Exception | None = None

    async def readable(self, claims: Collection[tuple[str, str]], now_ms: int) -> set[tuple[str, str]]:
        self.asked.append(len(claims))
        await self.may_go_on.wait()
        if self.failure is not None:
            raise self.failure
        return await super().readable(claims, now_ms)


async def test_what_is_sent_at_the_same_time_is_looked_up_together(cabinet: Cabinet) -> None:
    slow = Slow(cabinet)
    conv_id = await cabinet.talk("ann", "bob")
    views = [await cabinet.upload() for _ in range(20)]
    theirs = await cabinet.upload("eve")
    sharing = FileGrants(slow, cabinet.clock)
    async with sharing.batches.running():
        waiting = [sharing.share("ann", {Grant(view.file_id, conv_id)}) for view in [*views, theirs]]
        slow.may_go_on.set()
        results = await asyncio.gather(*waiting, return_exceptions=True)
    assert slow.asked == [21, 1], "and once more why one of them is refused"
    assert results[:20] == [None] * 20
    assert "no such file" in str(results[20])


@pytest.mark.parametrize("failure", [StoreDown("away"), RuntimeError("broken")])
async def test_a_store_that_is_down_refuses_them_all_and_serves_the_next(cabinet: Cabinet, failure: Exception) -> None:
    slow = Slow(cabinet)
    slow.may_go_on.set()
    slow.failure = failure
    conv_id = await cabinet.talk("ann", "bob")
    view = await cabinet.upload()
    sharing = FileGrants(slow, cabinet.clock)
    async with sharing.batches.running():
        for _ in range(2):
            with pytest.raises(StoreDown):
                await sharing.share("ann", {Grant(view.file_id, conv_id)})
        slow.failure = None
        await sharing.share("ann", {Grant(view.file_id, conv_id)})
    assert await cabinet.read(view.url, "bob") == b"some bytes"


async def test_who_is_no_longer_there_is_no_obstacle_to_the_others(cabinet: Cabinet) -> None:
    slow = Slow(cabinet)
    conv_id = await cabinet.talk("ann", "bob")
    view = await cabinet.upload()
    sharing = FileGrants(slow, cabinet.clock)

    async def share() -> None:
        await sharing.share("ann", {Grant(view.file_id, conv_id)})

    async with sharing.batches.running(), asyncio.TaskGroup() as tasks:
        gone, stays = tasks.create_task(share()), tasks.create_task(share())
        while not slow.asked:
            await asyncio.wait([gone], timeout=0.01)
        gone.cancel()
        slow.may_go_on.set()
        await stays
    assert gone.cancelled()
