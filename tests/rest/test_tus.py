"""Uploads that go on where they broke off, with a real tus client and by hand."""

from __future__ import annotations

import asyncio
import base64
from email.utils import parsedate_to_datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError

from goim.rest import uploads
from tests.client import Person, World
from tests.node import started_node
from tests.uploads import bearer, fetch, picture

TUS = "/api/files/tus"
BYTES = "application/offset+octet-stream"


async def ask(
    person: Person, method: str, path: str = TUS, content: bytes | None = None, **headers: str
) -> httpx.Response:
    sent = {"tus-resumable": "1.0.0"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return await person.http.request(method, path, content=content, headers=bearer(person) | sent)


async def create(person: Person, length: int, name: str = "a.bin") -> str:
    answer = await ask(
        person,
        "POST",
        upload_length=f"{length}",
        upload_metadata=f"filename {base64.b64encode(name.encode()).decode()}",
    )
    assert (answer.status_code, answer.content) == (201, b"")
    assert (answer.headers["tus-resumable"], answer.headers["upload-offset"]) == ("1.0.0", "0")
    location: str = answer.headers["location"]
    return location


async def append(person: Person, location: str, offset: int, data: bytes, **headers: str) -> httpx.Response:
    headers = {"upload_offset": f"{offset}", "content_type": BYTES} | headers
    return await ask(person, "PATCH", location, data, **headers)


async def offset_of(person: Person, location: str) -> tuple[str, str]:
    answer = await ask(person, "HEAD", location)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    return answer.headers["upload-offset"], answer.headers["upload-length"]


def client_of(people: World, person: Person) -> TusClient:
    return TusClient(f"{people.base_url}{TUS}", headers=bearer(person))


async def test_a_real_client_uploads_in_chunks(people: World) -> None:
    ann = await people.person()
    data = picture((900, 900)) + bytes(10_000_000)

    def upload() -> Any:
        uploader = client_of(people, ann).uploader(
            file_stream=BytesIO(data), chunk_size=3_000_000, metadata={"filename": "图.png", "filetype": "text/html"}
        )
        uploader.upload()
        return uploader.url

    url = await asyncio.to_thread(upload)
    file_id = url.rpartition("/")[2]
    view = await ann.get(f"/api/files/{file_id}")
    assert (view["fileName"], view["mimeType"], view["size"]) == ("图.png", "image/png", len(data))
    assert (view["width"], view["height"]) == (900, 900)
    assert (await fetch(view["url"], ann)).content == data


async def test_a_real_client_goes_on_where_it_was_stopped(people: World) -> None:
    ann = await people.person()
    data = bytes(range(256)) * 4_000

    def begin() -> Any:
        uploader = client_of(people, ann).uploader(file_stream=BytesIO(data), chunk_size=200_000)
        uploader.upload(stop_at=600_000)
        return uploader.url

    def go_on(url: str) -> int:
        uploader = client_of(people, ann).uploader(file_stream=BytesIO(data), chunk_size=200_000, url=url)
        found = int(uploader.offset)
        uploader.upload()
        return found

    url = await asyncio.to_thread(begin)
    assert await asyncio.to_thread(go_on, url) == 600_000
    view = await ann.get(f"/api/files/{url.rpartition('/')[2]}")
    assert (await fetch(view["url"], ann)).content == data


async def test_a_real_client_is_told_when_it_may_not(people: World) -> None:
    ann, eve = await people.person(), await people.person()
    location = await create(ann, 10)

    def go_on() -> None:
        url = f"{people.base_url}{location}"
        client_of(people, eve).uploader(file_stream=BytesIO(b"0123456789"), url=url).upload()

    with pytest.raises(TusCommunicationError):
        await asyncio.to_thread(go_on)
    assert await offset_of(ann, location) == ("0", "10")


async def test_the_answer_to_the_last_byte_says_where_the_file_is(people: World) -> None:
    ann = await people.person()
    location = await create(ann, 10, "my notes.txt")
    half = await append(ann, location, 0, b"01234")
    assert (half.status_code, half.headers["upload-offset"]) == (204, "5")
    assert parsedate_to_datetime(half.headers["upload-expires"]).year > 2024
    assert "content-location" not in half.headers
    whole = await append(ann, location, 5, b"56789")
    assert (whole.status_code, whole.headers["upload-offset"]) == (204, "10")
    assert whole.headers["content-location"] == f"/files/{location.rpartition('/')[2]}/my%20notes.txt"
    assert "upload-expires" not in whole.headers
    assert (await fetch(whole.headers["content-location"], ann)).content == b"0123456789"
    assert await offset_of(ann, location) == ("10", "10")
    empty = await ask(ann, "POST", upload_length="0")
    assert (empty.status_code, empty.content, empty.headers["upload-offset"]) == (201, b"", "0")
    assert (await fetch(empty.headers["content-location"], ann)).content == b""


async def test_what_had_come_when_the_connection_broke_is_kept(people: World) -> None:
    ann = await people.person()
    location = await create(ann, 1_000_000)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(people.base_url.rpartition(":")[2]))
    head = f"PATCH {location} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ann.token}\r\nTus-Resumable: 1.0.0\r\n"
    head += f"Upload-Offset: 0\r\nContent-Type: {BYTES}\r\nContent-Length: 1000000\r\n\r\n"
    writer.write(head.encode() + b"x" * 300_000)
    await writer.drain()
    writer.write_eof()
    async with asyncio.timeout(15):
        await reader.read()  # the server closes when it has noticed
    writer.close()
    async with asyncio.timeout(15):
        while (await offset_of(ann, location))[0] == "0":  # until the last piece is stored
            await ann.get("/api/files")
    assert await offset_of(ann, location) == ("300000", "1000000")
    assert (await append(ann, location, 300_000, b"y" * 700_000)).status_code == 204


async def test_what_had_come_from_a_client_that_stalls_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "PATIENCE", 0.2)
    async with started_node(tmp_path) as (_, world):
        ann = await world.person()
        location = await create(ann, 100)
        reader, writer = await asyncio.open_connection("127.0.0.1", int(world.base_url.rpartition(":")[2]))
        head = f"PATCH {location} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ann.token}\r\nTus-Resumable: 1.0.0\r\n"
        writer.write(f"{head}Upload-Offset: 0\r\nContent-Type: {BYTES}\r\nContent-Length: 100\r\n\r\n12345".encode())
        async with asyncio.timeout(15):
            assert await reader.readline() == b"HTTP/1.1 204 No Content\r\n"
        writer.close()
        await writer.wait_closed()
        assert await offset_of(ann, location) == ("5", "100")


async def test_an_upload_goes_on_after_the_node_was_started_anew(tmp_path: Path) -> None:
    async with started_node(tmp_path) as (_, world):
        ann = await world.person("ann")
        location = await create(ann, 10)
        await append(ann, location, 0, b"01234")
    async with started_node(tmp_path) as (_, world):
        again = Person(await world.http(), token=ann.token)
        assert await offset_of(again, location) == ("5", "10")
        done = await append(again, location, 5, b"56789")
        assert (await fetch(done.headers["content-location"], again)).content == b"0123456789"


async def test_mistakes_are_refused_with_the_protocols_own_statuses(people: World) -> None:
    ann, eve = await people.person(), await people.person()
    location = await create(ann, 10)
    await append(ann, location, 0, b"0123")
    for answer, status, code in (
        (await append(ann, location, 3, b"x"), 409, "ALREADY_EXISTS"),
        (await append(ann, location, 4, b"x" * 7), 413, "TOO_LARGE"),
        (await append(ann, location, 4, b"x", content_type="text/plain"), 415, "UNSUPPORTED"),
        (await append(ann, location, 4, b"x", tus_resumable="0.2.0"), 412, "UNSUPPORTED"),
        (await append(ann, location, 4, b"x", upload_offset="-1"), 400, "INVALID"),
        (await append(ann, location, 4, b"x", upload_offset="x"), 400, "INVALID"),
        (await append(eve, location, 4, b"x"), 404, "NOT_FOUND"),
        (await append(ann, f"{TUS}/none", 0, b"x"), 404, "NOT_FOUND"),
        (await append(ann, f"{TUS}/{'x' * 500}", 0, b"x"), 404, "NOT_FOUND"),
        (await ask(ann, "POST"), 400, "INVALID"),
        (await ask(ann, "POST", upload_length="x"), 400, "INVALID"),
        (await ask(ann, "POST", upload_length="-1"), 400, "INVALID"),
        (await ask(ann, "POST", upload_length="10", upload_metadata="filename ***"), 400, "INVALID"),
        (await ask(ann, "POST", upload_length=f"{1 << 40}"), 413, "TOO_LARGE"),
        (await ask(ann, "DELETE", f"{TUS}/none"), 404, "NOT_FOUND"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (status, code), (answer.request, answer.text)
    assert (await ask(ann, "POST", tus_resumable="9")).headers["tus-version"] == "1.0.0"
    assert await offset_of(ann, location) == ("4", "10")
    assert (await ask(eve, "HEAD", location)).status_code == 404


async def test_an_upload_that_is_given_up_is_gone(people: World) -> None:
    ann = await people.person()
    location = await create(ann, 10)
    assert (await ask(ann, "DELETE", location)).status_code == 204
    assert (await ask(ann, "HEAD", location)).status_code == 404


async def test_a_client_that_cannot_say_patch_can_post(people: World) -> None:
    ann = await people.person()
    location = await create(ann, 5)
    said = {"upload_offset": "0", "content_type": BYTES, "x_http_method_override": "PATCH"}
    assert (await ask(ann, "POST", location, b"01234", **said)).headers["upload-offset"] == "5"
    other = await create(ann, 5)
    assert (await ask(ann, "POST", other, x_http_method_override="DELETE")).status_code == 204
    assert (await ask(ann, "HEAD", other)).status_code == 404
    assert (await ask(ann, "POST", location, x_http_method_override="PUT")).status_code == 400


async def test_what_the_server_can_do_is_said_without_a_version(people: World) -> None:
    ann = await people.person()
    answer = await ann.http.options(TUS, headers=bearer(ann))
    assert (answer.status_code, answer.headers["tus-version"]) == (204, "1.0.0")
    assert answer.headers["tus-extension"] == "creation,expiration,termination"
    assert answer.headers["tus-max-size"] == f"{50 << 20}"


async def test_pages_of_allowed_origins_may_use_it(tmp_path: Path) -> None:
    async with started_node(tmp_path, server={"allowed_origins": ["https://chat.example"]}) as (_, world):
        http = await world.http()
        asked = "authorization, content-type, tus-resumable, upload-length, upload-metadata, upload-offset"
        preflight = await http.options(
            TUS,
            headers={
                "Origin": "https://chat.example",
                "Access-Control-Request-Method": "PATCH",
                "Access-Control-Request-Headers": asked,
            },
        )
        assert preflight.is_success
        ann = await world.person()
        answer = await ask(ann, "POST", origin="https://chat.example", upload_length="5")
        exposed = answer.headers["access-control-expose-headers"].lower()
        assert {"location", "upload-offset", "content-location"} <= set(exposed.replace(" ", "").split(","))
