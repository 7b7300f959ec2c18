"""What is over or belongs to nobody is swept away, and nothing else."""

from __future__ import annotations

import pytest

from goim.errors import StoreDown
from goim.model.files import FileStats, blob_path
from goim.services.file_sweep import FileSweeper, Swept
from tests.services.cabinet import Cabinet, open_cabinet, picture, pieces  # noqa: F401

NOTHING = Swept(expired=0, orphans=0, partial=0, broken=0)
DAY = 86_400


async def test_expired_files_go_with_rows_and_bytes_and_the_others_stay() -> None:
    async with Cabinet(retention="2d").open() as cabinet:
        for _ in range(3):
            await cabinet.upload(data=picture())
        cabinet.clock.advance(1.5 * DAY)
        young = await cabinet.upload()
        assert await cabinet.sweeper.sweep() == NOTHING
        cabinet.clock.advance(0.5 * DAY)
        assert await cabinet.sweeper.sweep() == Swept(expired=3, orphans=0, partial=0, broken=0)
        assert await cabinet.sweeper.stats() == FileStats(files=1, bytes=10, owners=1)
        assert await cabinet.stored() == {blob_path(young.file_id)}
        assert await cabinet.sweeper.sweep() == NOTHING


async def test_more_than_one_batch_expires_at_once() -> None:
    async with Cabinet(retention="1h").open() as cabinet:
        for number in range(450):
            await cabinet.desk.keep("ann", f"f{number}", "a", pieces(b"x"))
        cabinet.clock.advance(3600)
        assert (await cabinet.sweeper.sweep()).expired == 450
        assert await cabinet.stored() == set()


async def test_files_are_kept_for_ever_unless_the_settings_say_otherwise(cabinet: Cabinet) -> None:
    view = await cabinet.upload()
    cabinet.clock.advance(1000 * DAY)
    assert await cabinet.sweeper.sweep() == NOTHING
    assert await cabinet.read(view.url) == b"some bytes"


async def test_bytes_without_a_file_go_when_they_are_a_day_old(cabinet: Cabinet) -> None:
    kept = await cabinet.upload(data=picture())
    await cabinet.blobs.put("zz/lost", pieces(b"x"), 10)
    await cabinet.blobs.put("zz/lost.thumbnail", pieces(b"x"), 10)
    cabinet.clock.advance(DAY - 60)
    assert await cabinet.sweeper.sweep() == NOTHING
    cabinet.clock.advance(120)
    assert await cabinet.sweeper.sweep() == Swept(expired=0, orphans=2, partial=0, broken=0)
    assert await cabinet.stored() == {blob_path(kept.file_id), f"{blob_path(kept.file_id)}.thumbnail"}


async def test_uploads_that_nobody_ends_go_when_their_time_is_over() -> None:
    async with Cabinet(upload_ttl="1h").open() as cabinet:
        partial = await cabinet.partial.create("ann", 100, "a")
        await cabinet.partial.append("ann", partial.upload_id, 0, pieces(b"x" * 40))
        cabinet.clock.advance(3590)
        assert await cabinet.sweeper.sweep() == NOTHING
        cabinet.clock.advance(20)
        assert await cabinet.sweeper.sweep() == Swept(expired=0, orphans=0, partial=2, broken=0)
        assert await cabinet.stored() == set()


async def test_it_sweeps_from_time_to_time_and_a_store_that_is_down_does_not_end_it(cabinet: Cabinet) -> None:
    sweeps = []

    class Sweeper(FileSweeper):
        async def sweep(self) -> Swept:
            sweeps.append(cabinet.clock.monotonic())
            if len(sweeps) == 1:
                raise StoreDown("away")
            return await super().sweep()

    async with Sweeper(cabinet.files, cabinet.blobs, cabinet.clock, cabinet.rules).running():
        for _ in range(3):
            await cabinet.clock.until_asleep()
            cabinet.clock.advance(3600)
        await cabinet.clock.until_asleep()
    assert sweeps == [3600, 7200, 10800]
    assert cabinet.clock.sleepers == 0


async def test_a_sweep_that_is_interrupted_is_finished_by_the_next() -> None:
    async with Cabinet(retention="1h").open() as cabinet:
        await cabinet.upload(data=picture())
        cabinet.clock.advance(3600)

        class Down(type(cabinet.blobs)):  # type: ignore[misc]
            async def delete(self, paths: object) -> None:
                raise StoreDown("away")

        broken = Down()
        broken._store = cabinet.blobs._store
        with pytest.raises(StoreDown):
            await FileSweeper(cabinet.files, broken, cabinet.clock, cabinet.rules).sweep()
        assert len(await cabinet.stored()) == 2
        cabinet.clock.advance(DAY)
        assert await cabinet.sweeper.sweep() == Swept(expired=0, orphans=2, partial=0, broken=0)
