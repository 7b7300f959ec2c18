"""The bytes of files, wherever they are."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from goim.blobs.base import Blob, Blobs
from goim.blobs.local import LocalBlobs
from goim.blobs.s3 import Bucket, S3Blobs
from goim.errors import ErrorCode, GoimError, StoreDown
from tests.cli.conftest import Goimctl
from tests.contract.blob_stores import blobs_everywhere, bucket_at, s3_endpoint  # noqa: F401

MIB = 1024 * 1024
LIMIT = 64 * MIB


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def read(blobs: Blobs, path: str, start: int = 0, end: int | None = None) -> bytes | None:
    chunks = await blobs.get(path, start, end)
    return None if chunks is None else b"".join([chunk async for chunk in chunks])


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def listed(blobs: Blobs, folder: str = "") -> dict[str, Blob]:
    return {blob.path: blob async for some in blobs.list(folder) for blob in some}


async def test_what_was_put_in_chunks_comes_back_as_one(blobs: Blobs) -> None:
    assert await blobs.put("ab/one", pieces(b"hello ", b"", b"world"), LIMIT) == 11
    assert await read(blobs, "ab/one") == b"hello world"
    assert await blobs.size("ab/one") == 11


async def test_something_larger_than_a_part_comes_back_whole(blobs: Blobs) -> None:
    chunks = [bytes([number]) * MIB for number in range(12)]
    assert await blobs.put("ab/large", pieces(*chunks), LIMIT) == 12 * MIB
    assert await read(blobs, "ab/large") == b"".join(chunks)


async def test_nothing_at_all_can_be_stored_too(blobs: Blobs) -> None:
    assert await blobs.put("ab/empty", pieces(), LIMIT) == 0
    assert await blobs.size("ab/empty") == 0
    assert await read(blobs, "ab/empty") == b""


@pytest.mark.parametrize(("start", "end", "part"), [(2, 5, b"234"), (0, 1, b"0"), (7, None, b"789"), (9, 10, b"9")])
async def test_a_part_of_it_can_be_read_alone(blobs: Blobs, start: int, end: int | None, part: bytes) -> None:
    await blobs.put("ab/digits", pieces(b"01234", b"56789"), LIMIT)
    assert await read(blobs, "ab/digits", start, end) == part


async def test_what_is_not_there_is_none(blobs: Blobs) -> None:
    assert await blobs.get("ab/none") is None
    assert await blobs.get("ab/none", 3, 7) is None
    assert await blobs.size("ab/none") is None


async def test_a_second_put_takes_the_place_of_the_first(blobs: Blobs) -> None:
    await blobs.put("ab/one", pieces(b"a long first"), LIMIT)
    await blobs.put("ab/one", pieces(b"second"), LIMIT)
    assert await read(blobs, "ab/one") == b"second"


async def test_too_many_bytes_are_refused_and_nothing_is_kept(blobs: Blobs) -> None:
    read_on = False

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read_on
        yield b"x" * (10 * MIB)
        yield b"x"
        read_on = True

    with pytest.raises(GoimError) as caught:
        await blobs.put("ab/large", endless(), 10 * MIB)
    assert caught.value.code is ErrorCode.TOO_LARGE
    assert not read_on
    assert await blobs.size("ab/large") is None
    assert await listed(blobs) == {}


async def test_exactly_the_limit_is_stored(blobs: Blobs) -> None:
    assert await blobs.put("ab/one", pieces(b"12345", b"67890"), 10) == 10


async def test_a_sender_that_breaks_off_leaves_what_was_there(blobs: Blobs) -> None:
    class BrokenOff(Exception):
        pass

    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * (7 * MIB)
        raise BrokenOff

    await blobs.put("ab/one", pieces(b"first"), LIMIT)
    with pytest.raises(BrokenOff):
        await blobs.put("ab/one", broken(), LIMIT)
    assert await read(blobs, "ab/one") == b"first"
    assert set(await listed(blobs)) == {"ab/one"}


async def test_a_cancelled_put_leaves_nothing(blobs: Blobs) -> None:
    reached = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield b"x" * (7 * MIB)
        reached.set()
        await asyncio.Event().wait()

    async def put() -> None:
        await blobs.put("ab/one", stalled(), LIMIT)

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(put())
        await reached.wait()
        task.cancel()
    assert task.cancelled()
    assert await blobs.size("ab/one") is None
    assert await listed(blobs) == {}


async def test_of_two_that_create_one_path_at_once_one_succeeds(blobs: Blobs) -> None:
    results = await asyncio.gather(*(blobs.create("part/1", f"{number}".encode()) for number in range(4)))
    assert results.count(True) == 1
    assert await read(blobs, "part/1") == f"{results.index(True)}".encode()
    assert not await blobs.create("part/1", b"again")


async def test_deleted_blobs_are_gone_and_what_never_was_is_no_matter(blobs: Blobs) -> None:
    for path in ("ab/one", "ab/two", "cd/three"):
        await blobs.put(path, pieces(b"x"), LIMIT)
    await blobs.delete(["ab/none", "ab/one", "cd/three"])
    assert set(await listed(blobs)) == {"ab/two"}
    assert await blobs.get("ab/one") is None
    await blobs.delete([])
    await blobs.delete(["ab/one"])


async def test_a_list_has_everything_in_a_folder_and_nothing_beside_it(blobs: Blobs) -> None:
    started = datetime.now(UTC) - timedelta(seconds=2)  # S3 tells whole seconds
    for path in ("ab/one", "ab/deep/two", "abc/three"):
        await blobs.put(path, pieces(path.encode()), LIMIT)
    found = await listed(blobs, "ab")
    assert {path: blob.size for path, blob in found.items()} == {"ab/one": 6, "ab/deep/two": 11}
    assert started.timestamp() * 1000 <= found["ab/one"].modified_at <= datetime.now(UTC).timestamp() * 1000 + 1000
    assert set(await listed(blobs)) == {"ab/one", "ab/deep/two", "abc/three"}
    assert await listed(blobs, "none") == {}


async def test_a_list_may_be_longer_than_what_comes_at_once(blobs: Blobs) -> None:
    await asyncio.gather(*(blobs.create(f"many/{number}", b"") for number in range(1100)))
    assert len(await listed(blobs, "many")) == 1100


async def test_only_a_bucket_can_be_read_past_the_server(blobs: Blobs) -> None:
    headers = {"Content-Type": "image/png", "Content-Disposition": "attachment; filename*=UTF-8''a%20b.png"}
    await blobs.put("ab/one", pieces(b"bytes"), LIMIT, headers)
    url = await blobs.presigned("ab/one", 60)
    if not isinstance(blobs, S3Blobs):
        assert url is None
        return
    assert url is not None
    async with httpx.AsyncClient() as http:
        answer = await http.get(url)
        forged = await http.get(url.replace("ab/one", "ab/two"))
    assert answer.content == b"bytes"
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"] == headers["Content-Disposition"]
    assert forged.status_code == 403


async def test_what_a_killed_put_left_in_the_folder_is_tidied_up_when_it_is_old(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path / "files")
    await blobs.put("ab/one", pieces(b"kept"), LIMIT)
    for name in ("old#1", "young#2"):
        (tmp_path / "files/ab" / name).write_bytes(b"half")
    os.utime(tmp_path / "files/ab/old#1", (1000, 1000))
    assert await blobs.tidy(2_000_000) == 1
    assert names_in(tmp_path / "files/ab") == ["one", "young#2"]


async def test_the_folder_is_closed_to_other_users(tmp_path: Path) -> None:
    LocalBlobs(tmp_path / "data" / "files")
    assert (tmp_path / "data/files").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("path", ["../../escaped", "/../escaped", "ab/../../escaped"])
async def test_no_path_leads_out_of_the_folder(tmp_path: Path, path: str) -> None:
    blobs = LocalBlobs(tmp_path / "files")
    with pytest.raises(ValueError, match="path"):
        await blobs.put(path, pieces(b"x"), LIMIT)
    with pytest.raises((ValueError, TypeError), match="path"):
        await blobs.delete([path])
    assert names_in(tmp_path) == ["files"]


async def test_a_folder_that_cannot_be_used_is_a_store_that_is_down(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StoreDown, match="taken"):
        LocalBlobs(tmp_path / "taken" / "files")
    blobs = LocalBlobs(tmp_path / "files")
    (tmp_path / "files/ab").write_text("in the way")
    with pytest.raises(StoreDown):
        await blobs.put("ab/one", pieces(b"x"), LIMIT)


async def test_a_bucket_out_of_reach_or_with_the_wrong_key_is_a_store_that_is_down(s3_endpoint: str) -> None:  # noqa: F811
    refused = S3Blobs(Bucket(name="bucket", endpoint=s3_endpoint, key="goimkey", secret="wrong"))
    nowhere = S3Blobs(Bucket(name="bucket", endpoint="http://127.0.0.1:9", key="goimkey", secret="secret"))
    for blobs in (refused, nowhere):
        with pytest.raises(StoreDown):
            await blobs.put("ab/one", pieces(b"x"), LIMIT)
        with pytest.raises(StoreDown):
            await blobs.get("ab/one")
        with pytest.raises(StoreDown):
            await listed(blobs)
        with pytest.raises(StoreDown):
            await blobs.delete(["ab/one"])


async def test_a_prefix_keeps_two_servers_of_one_bucket_apart(s3_endpoint: str) -> None:  # noqa: F811
    bucket = bucket_at(s3_endpoint)
    one = S3Blobs(bucket)
    whole = S3Blobs(Bucket(name=bucket.name, endpoint=s3_endpoint, key=bucket.key, secret=bucket.secret))
    await one.put("ab/one", pieces(b"x"), LIMIT)
    assert set(await listed(one)) == {"ab/one"}
    assert set(await listed(whole)) == {"goim/files/ab/one"}


async def test_doctor_tells_a_bucket_that_is_there_from_one_that_is_not(s3_endpoint: str, tmp_path: Path) -> None:  # noqa: F811
    bucket = bucket_at(s3_endpoint)
    goimctl = Goimctl(tmp_path)
    given = {"IM_FILES_S3_ENDPOINT": s3_endpoint, "IM_FILES_S3_KEY": bucket.key, "IM_FILES_S3_SECRET": bucket.secret}
    found = await asyncio.to_thread(goimctl, "doctor", "--no-server", IM_FILES_S3_BUCKET=bucket.name, **given)
    assert found.returncode == 3
    assert f"error: files: bucket {bucket.name} at {s3_endpoint}: " in found.stderr
    await S3Blobs(bucket).put("ab/one", pieces(b"x"), LIMIT)
    await goimctl.meanwhile("doctor", "--no-server", IM_FILES_S3_BUCKET=bucket.name, **given)
