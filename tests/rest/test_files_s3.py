"""Files in a bucket look no different over HTTP, and large ones may be fetched past the server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from goim.app.node import Node
from tests.client import World
from tests.contract.blob_stores import bucket_at, s3_endpoint  # noqa: F401
from tests.node import started_node
from tests.rest.test_tus import append, create
from tests.uploads import fetch, picture, post_form, upload

LARGE = bytes(range(256)) * 4096


@pytest.fixture(name="bucketed")
async def node_with_bucket(
    tmp_path: Path,
    s3_endpoint: str,  # noqa: F811
) -> AsyncIterator[tuple[Node, World]]:
    """A node that keeps its files in a bucket and sends clients there for a megabyte or more."""
    bucket = bucket_at(s3_endpoint)
    files: dict[str, Any] = {
        "s3_bucket": bucket.name,
        "s3_endpoint": bucket.endpoint,
        "s3_key": bucket.key,
        "s3_secret": bucket.secret,
        "s3_prefix": "goim",
        "s3_redirect_above": "1MiB",
        "max_bytes": "20MiB",
    }
    async with started_node(tmp_path, files=files) as (node, world):
        yield node, world
    assert not (tmp_path / "files").exists()


async def test_a_file_goes_in_and_out_and_is_deleted(bucketed: tuple[Node, World]) -> None:
    _, world = bucketed
    ann = await world.person()
    view = await upload(ann, picture(), "p.png")
    answer = await fetch(view["url"], ann)
    assert (answer.status_code, answer.content) == (200, picture())
    part = await fetch(view["url"], ann, range="bytes=10-19")
    assert (part.status_code, part.content) == (206, picture()[10:20])
    assert (await fetch(view["thumbnail"], ann)).headers["content-type"] == "image/webp"
    empty = await upload(ann, b"")
    assert (await fetch(empty["url"], ann)).content == b""
    await ann.delete(f"/api/files/{view['fileId']}")
    assert (await fetch(view["url"], ann)).status_code == 404


async def test_a_large_file_is_fetched_from_the_bucket_by_those_who_may(bucketed: tuple[Node, World]) -> None:
    _, world = bucketed
    ann, eve = await world.person(), await world.person()
    view = await upload(ann, LARGE, "größe.bin")
    sent_away = await fetch(view["url"], ann)
    assert (sent_away.status_code, sent_away.headers["cache-control"], sent_away.content) == (307, "no-store", b"")
    http = await world.http()
    answer = await http.get(sent_away.headers["location"])
    assert answer.content == LARGE
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment; filename=\"gr__e.bin\"; filename*=UTF-8''gr")
    assert (await http.get(sent_away.headers["location"], headers={"Range": "bytes=1-2"})).content == LARGE[1:3]
    assert (await fetch(view["url"], eve)).status_code == 404
    head = await fetch(view["url"], ann, "HEAD")
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(LARGE)))


async def test_too_large_leaves_nothing_in_the_bucket(bucketed: tuple[Node, World]) -> None:
    node, world = bucketed
    ann = await world.person()
    answer = await post_form(ann, b"x" * (20 * 1024 * 1024 + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "TOO_LARGE")
    assert (await node.sweeper.stats()).files == 0


async def test_an_upload_in_pieces_becomes_a_file_of_the_bucket(bucketed: tuple[Node, World]) -> None:
    _, world = bucketed
    ann = await world.person()
    location = await create(ann, len(LARGE), "large.bin")
    half = len(LARGE) // 2
    assert (await append(ann, location, 0, LARGE[:half])).headers["upload-offset"] == f"{half}"
    done = await append(ann, location, half, LARGE[half:])
    away = await fetch(done.headers["content-location"], ann)
    assert (await (await world.http()).get(away.headers["location"])).content == LARGE


async def test_a_bucket_that_is_down_is_unavailable_and_the_rest_of_the_node_is_not(tmp_path: Path) -> None:
    files = {"s3_bucket": "b", "s3_endpoint": "http://127.0.0.1:9", "s3_key": "k", "s3_secret": "s"}
    async with started_node(tmp_path, files=files) as (_, world):
        ann, bob = await world.friends(None, None)
        answer = await post_form(ann, b"x")
        assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE")
        assert (await ann.post("/api/messages", ann.text(bob, "hi")))["seq"] == 1
        assert (await ann.http.get("/readyz")).status_code == 200
