"""Uploads in pieces go on where they broke off, whatever happened in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from goim.errors import ErrorCode, StoreDown
from goim.model.files import PARTIAL
from goim.services import file_resume
from goim.services.file_resume import PartialUploads
from goim.services.files import FileView
from tests.services.cabinet import Cabinet, open_cabinet, picture, pieces  # noqa: F401
from tests.services.house import refused


async def begun(cabinet: Cabinet, length: int, name: str = "a.bin") -> str:
    return (await cabinet.partial.create("ann", length, name)).upload_id


async def test_an_upload_in_three_requests_becomes_one_file(cabinet: Cabinet) -> None:
    data = picture()
    first, second = len(data) // 3, len(data) // 2
    created = await cabinet.partial.create("ann", len(data), "../my picture.png")
    assert (created.offset, created.length, created.file) == (0, len(data), None)
    assert created.expires_at == cabinet.clock.now_ms() + 86_400_000
    for start, end in ((0, first), (first, second)):
        partial = await cabinet.partial.append("ann", created.upload_id, start, pieces(data[start:end]))
        assert (partial.offset, partial.file) == (end, None)
        assert (await cabinet.partial.status("ann", created.upload_id)).offset == end
    last = await cabinet.partial.append("ann", created.upload_id, second, pieces(data[second:]))
    assert last.file is not None
    assert (last.file.file_id, last.file.file_name) == (created.upload_id, "my picture.png")
    assert (last.file.mime_type, last.file.width, last.file.size) == ("image/png", 640, len(data))
    assert await cabinet.read(f"{created.upload_id}/my picture.png") == data
    assert await cabinet.stored(PARTIAL.rstrip("/")) == set()


async def test_a_finished_upload_says_so_for_ever(cabinet: Cabinet) -> None:
    upload_id = await begun(cabinet, 3)
    done = await cabinet.partial.append("ann", upload_id, 0, pieces(b"abc"))
    again = await cabinet.partial.status("ann", upload_id)
    assert (again.offset, again.length, again.file) == (3, 3, done.file)
    assert (await cabinet.partial.append("ann", upload_id, 3, pieces())).file == done.file
    with refused(ErrorCode.ALREADY_EXISTS):
        await cabinet.partial.append("ann", upload_id, 0, pieces(b"abc"))


async def test_an_empty_file_is_there_at_once(cabinet: Cabinet) -> None:
    created = await cabinet.partial.create("ann", 0, "empty")
    assert created.file is not None
    assert created.file.size == 0


async def test_much_at_once_is_kept_piece_by_piece_as_it_comes(
    cabinet: Cabinet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_resume, "_PIECE_BYTES", 1000)
    upload_id = await begun(cabinet, 10_000)
    offsets = []

    async def watched() -> AsyncIterator[bytes]:
        for _ in range(5):
            offsets.append((await cabinet.partial.status("ann", upload_id)).offset)
            yield b"x" * 700

    partial = await cabinet.partial.append("ann", upload_id, 0, watched())
    assert offsets == [0, 0, 1400, 1400, 2800]
    assert partial.offset == 3500


@pytest.mark.parametrize("offset", [0, 3, 5])
async def test_it_goes_on_only_where_it_ends(cabinet: Cabinet, offset: int) -> None:
    upload_id = await begun(cabinet, 10)
    await cabinet.partial.append("ann", upload_id, 0, pieces(b"0123"))
    with refused(ErrorCode.ALREADY_EXISTS):
        await cabinet.partial.append("ann", upload_id, offset, pieces(b"x"))
    assert (await cabinet.partial.status("ann", upload_id)).offset == 4


async def test_two_that_go_on_at_the_same_place_do_not_mix(cabinet: Cabinet) -> None:
    upload_id = await begun(cabinet, 8)
    results = await asyncio.gather(
        *(cabinet.partial.append("ann", upload_id, 0, pieces(data)) for data in (b"aaaa", b"bb", b"cccc")),
        return_exceptions=True,
    )
    assert sum(isinstance(result, Exception) for result in results) == 2
    offset = (await cabinet.partial.status("ann", upload_id)).offset
    await cabinet.partial.append("ann", upload_id, offset, pieces(b"z" * (8 - offset)))
    assert await cabinet.read(f"{upload_id}/a.bin") in (b"aaaazzzz", b"bbzzzzzz", b"cccczzzz")


async def test_more_than_was_announced_is_refused_and_what_fits_is_kept(cabinet: Cabinet) -> None:
    upload_id = await begun(cabinet, 5)
    with refused(ErrorCode.TOO_LARGE):
        await cabinet.partial.append("ann", upload_id, 0, pieces(b"123456"))
    assert (await cabinet.partial.status("ann", upload_id)).offset == 0


async def test_more_than_a_file_may_have_is_refused_before_it_begins() -> None:
    async with Cabinet(max_bytes=100).open() as cabinet:
        with refused(ErrorCode.TOO_LARGE):
            await cabinet.partial.create("ann", 101, "a")
        assert await cabinet.stored() == set()


async def test_somebody_elses_upload_is_as_good_as_none(cabinet: Cabinet) -> None:
    upload_id = await begun(cabinet, 3)
    for user_id, wanted in (("bob", upload_id), ("ann", "none"), ("ann", "../x"), ("ann", "x" * 100), ("ann", "é")):
        with refused(ErrorCode.NOT_FOUND):
            await cabinet.partial.status(user_id, wanted)
        with refused(ErrorCode.NOT_FOUND):
            await cabinet.partial.append(user_id, wanted, 0, pieces(b"x"))
        with refused(ErrorCode.NOT_FOUND):
            await cabinet.partial.terminate(user_id, wanted)
    await cabinet.partial.append("ann", upload_id, 0, pieces(b"abc"))
    with refused(ErrorCode.NOT_FOUND):
        await cabinet.partial.status("bob", upload_id)


async def test_an_upload_that_is_given_up_is_gone(cabinet: Cabinet) -> None:
    upload_id = await begun(cabinet, 10)
    await cabinet.partial.append("ann", upload_id, 0, pieces(b"0123"))
    await cabinet.partial.terminate("ann", upload_id)
    assert await cabinet.stored() == set()
    with refused(ErrorCode.NOT_FOUND):
        await cabinet.partial.status("ann", upload_id)


async def test_an_upload_whose_time_is_over_is_gone(cabinet: Cabinet) -> None:
    upload_id = await begun(cabinet, 10)
    cabinet.clock.advance(86_400)
    with refused(ErrorCode.NOT_FOUND):
        await cabinet.partial.append("ann", upload_id, 0, pieces(b"x"))


async def test_too_many_tiny_pieces_are_refused(cabinet: Cabinet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_resume, "_MAX_SMALL_PIECES", 5)
    upload_id = await begun(cabinet, 10)
    for offset in range(5):
        await cabinet.partial.append("ann", upload_id, offset, pieces(b"x"))
    with refused(ErrorCode.INVALID):
        await cabinet.partial.append("ann", upload_id, 5, pieces(b"x"))


async def test_a_node_that_dies_before_the_file_is_made_loses_nothing(cabinet: Cabinet) -> None:
    class Dying(PartialUploads):
        async def _finish(self, *_: object) -> FileView:
            raise StoreDown("away")

    upload_id = await begun(cabinet, 3)
    dying = Dying(cabinet.desk, cabinet.blobs, cabinet.clock, cabinet.rules)
    with pytest.raises(StoreDown):
        await dying.append("ann", upload_id, 0, pieces(b"abc"))
    found = await cabinet.partial.status("ann", upload_id)
    assert found.file is not None
    assert await cabinet.read(f"{upload_id}/a.bin") == b"abc"
    assert await cabinet.stored(PARTIAL.rstrip("/")) == set()


async def test_two_nodes_that_finish_the_same_upload_make_one_file(cabinet: Cabinet) -> None:
    class Dying(PartialUploads):
        async def _finish(self, *_: object) -> FileView:
            raise StoreDown("away")

    upload_id = await begun(cabinet, 3)
    with pytest.raises(StoreDown):
        await Dying(cabinet.desk, cabinet.blobs, cabinet.clock, cabinet.rules).append(
            "ann", upload_id, 0, pieces(b"abc")
        )
    other = PartialUploads(cabinet.desk, cabinet.blobs, cabinet.clock, cabinet.rules)
    found = await asyncio.gather(
        *(node.status("ann", upload_id) for node in (cabinet.partial, other) for _ in range(3)), return_exceptions=True
    )
    assert any(not isinstance(each, BaseException) and each.file is not None for each in found)
    assert all(isinstance(each, StoreDown) or not isinstance(each, BaseException) for each in found)
    assert await cabinet.read(f"{upload_id}/a.bin") == b"abc"
