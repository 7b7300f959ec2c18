"""Files from outside: who may have them, and that nobody's browser runs them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.client import PASSWORD, Person, Refused, World
from tests.node import started_node

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cfc0f01f0005000"
    "1ff56c7a5d50000000049454e44ae426082"
)


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[World]:
    async with started_node(tmp_path, files={"max_bytes": 100_000}) as (_, people):
        yield people


async def upload(person: Person, data: bytes, name: str = "a.txt") -> Any:
    answer = await person.http.post(
        "/api/files/upload", files={"file": (name, data)}, headers={"Authorization": f"Bearer {person.token}"}
    )
    if answer.status_code >= 400:
        raise Refused(answer.json())
    assert answer.status_code == 201
    return answer.json()


async def fetch(person: Person, url: str, **headers: str) -> httpx.Response:
    token = {"Authorization": f"Bearer {person.token}"} if person.token else {}
    return await person.http.get(url, headers=token | headers)


async def test_a_file_that_comes_while_its_owner_erases_their_account_is_not_kept(town: World, tmp_path: Path) -> None:
    ann, bob = await town.friends("ann", "bob")
    is_erased = asyncio.Event()

    async def form() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n' + b"a" * 20_000
        await is_erased.wait()
        yield b"b\r\n--x--\r\n"

    def there() -> list[Path]:
        return [path for path in (tmp_path / "files").rglob("*") if path.is_file()]

    headers = {"Authorization": f"Bearer {ann.token}", "Content-Type": "multipart/form-data; boundary=x"}
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(30):
        uploading = tasks.create_task(ann.http.post("/api/files/upload", content=form(), headers=headers))
        while not there():
            await bob.get("/api/users/me")
        await ann.delete("/api/users/me", {"password": PASSWORD})
        is_erased.set()
    assert uploading.result().status_code == 401
    assert there() == []


async def test_a_file_is_its_owners_until_it_is_sent_and_then_the_conversations(town: World) -> None:
    ann, bob = await town.friends("ann", "bob")
    eve = await town.person("eve")
    file = await upload(ann, b"hello file")
    assert (await fetch(ann, file["url"])).content == b"hello file"
    for other in (bob, eve, Person(ann.http)):
        assert (await fetch(other, file["url"])).status_code == 404
    payload = {"url": file["url"], "name": "a.txt", "size": 10}
    message = {"convType": "c2c", "to": bob.user_id, "type": "file", "payload": payload}
    await ann.post("/api/messages", message)
    assert (await fetch(bob, file["url"])).content == b"hello file"
    assert (await fetch(eve, file["url"])).status_code == 404


async def test_nobody_sends_a_file_that_is_not_theirs_to_see(town: World) -> None:
    ann, eve = await town.friends("ann", "eve")
    file = await upload(ann, b"secret")
    payload = {"url": file["url"], "name": "a.txt", "size": 6}
    with pytest.raises(Refused, match="NOT_FOUND"):
        await eve.post("/api/messages", {"convType": "c2c", "to": ann.user_id, "type": "file", "payload": payload})
    assert (await fetch(eve, file["url"])).status_code == 404


async def test_a_signed_link_is_good_for_anybody(town: World) -> None:
    ann, eve = await town.person("ann"), await town.person("eve")
    file = await upload(ann, b"shared")
    link = await ann.get(f"/api/files/{file['fileId']}/link")
    assert (await fetch(Person(ann.http), link["url"])).content == b"shared"
    assert (await fetch(Person(ann.http), link["url"][:-2] + "xx")).status_code == 404
    with pytest.raises(Refused, match="NOT_FOUND"):
        await eve.get(f"/api/files/{file['fileId']}/link")


async def test_ranges_and_what_one_has_already(town: World) -> None:
    ann = await town.person("ann")
    file = await upload(ann, b"0123456789")
    part = await fetch(ann, file["url"], Range="bytes=2-4")
    assert (part.status_code, part.content) == (206, b"234")
    assert (await fetch(ann, file["url"], Range="bytes=99-")).status_code == 416
    assert (await fetch(ann, file["url"], **{"If-None-Match": part.headers["etag"]})).status_code == 304


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
        ("x.png", b"<html><script>alert(1)</script></html>"),
        ("../../x.html", b"<html></html>"),
    ],
)
async def test_what_a_browser_might_run_is_only_downloaded(town: World, name: str, data: bytes) -> None:
    ann = await town.person("ann")
    file = await upload(ann, data, name)
    answer = await fetch(ann, file["url"])
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "/" not in file["fileName"]


async def test_a_picture_is_shown_and_measured(town: World) -> None:
    ann = await town.person("ann")
    file = await upload(ann, PNG, "dot.bin")
    assert (file["mimeType"], file["width"], file["height"]) == ("image/png", 1, 1)
    assert (await fetch(ann, file["url"])).headers["content-disposition"].startswith("inline")


async def test_what_is_too_large_is_refused_and_what_is_deleted_is_gone(town: World) -> None:
    ann, bob = await town.person("ann"), await town.person("bob")
    with pytest.raises(Refused, match="TOO_LARGE"):
        await upload(ann, b"x" * 100_001)
    file = await upload(ann, b"x")
    assert [each["fileId"] for each in (await ann.get("/api/files"))["files"]] == [file["fileId"]]
    with pytest.raises(Refused, match="NOT_FOUND"):
        await bob.delete(f"/api/files/{file['fileId']}")
    await ann.delete(f"/api/files/{file['fileId']}")
    assert (await fetch(ann, file["url"])).status_code == 404
    assert (await ann.get("/api/files")) == {"files": []}
