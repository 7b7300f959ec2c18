"""Files over HTTP: in by upload, out to those who may have them."""

from __future__ import annotations

import asyncio
import json
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from goim.rest import uploads
from tests.client import Person, World
from tests.node import started_node
from tests.uploads import bearer, fetch, picture, post_form, upload

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORM = "multipart/form-data; boundary=b"


async def test_an_upload_is_answered_with_all_there_is_to_know(town: World) -> None:
    ann = await town.person()
    view = await upload(ann, b"0123456789", "../../my notes.txt")
    assert view == {
        "fileId": view["fileId"],
        "url": f"/files/{view['fileId']}/my%20notes.txt",
        "fileName": "my notes.txt",
        "size": 10,
        "mimeType": "text/plain",
        "createdAt": view["createdAt"],
        "expiresAt": None,
    }
    shown = await upload(ann, picture(), "p.png")
    assert (shown["mimeType"], shown["width"], shown["height"]) == ("image/png", 640, 480)
    assert shown["thumbnail"] == f"/files/{shown['fileId']}/thumbnail/320.webp"
    assert await ann.get("/api/files") == {"files": [shown, view]}
    assert await ann.get(f"/api/files/{view['fileId']}") == view


async def test_the_list_comes_in_parts(town: World) -> None:
    ann = await town.person()
    ids = [(await upload(ann))["fileId"] for _ in range(3)]
    assert [view["fileId"] for view in (await ann.get("/api/files", limit=2, offset=1))["files"]] == [ids[1], ids[0]]
    for wrong in ({"limit": 0}, {"limit": "x"}, {"offset": -1}):
        answer = await ann.http.get("/api/files", params=wrong, headers=bearer(ann))
        assert (answer.status_code, answer.json()["code"]) == (400, "INVALID")


async def test_the_bytes_come_back_harmless(town: World) -> None:
    ann = await town.person()
    view = await upload(ann, b"<script>alert(1)</script>", "x.html")
    answer = await fetch(view["url"], ann)
    assert answer.content == b"<script>alert(1)</script>"
    assert dict(answer.headers) | {"date": ""} == {
        "date": "",
        "content-type": "text/plain; charset=utf-8",
        "content-length": "25",
        "content-disposition": "attachment; filename=\"x.html\"; filename*=UTF-8''x.html",
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox; default-src 'none'",
        "cache-control": "private, no-cache, no-transform",
        "accept-ranges": "bytes",
        "etag": f'"{view["fileId"]}"',
    }


async def test_pictures_are_shown_and_have_a_small_copy(town: World) -> None:
    ann = await town.person()
    view = await upload(ann, picture(), "p.png")
    answer = await fetch(view["url"], ann, **{"accept-encoding": "gzip, br"})
    assert answer.content == picture()
    assert (answer.headers["content-type"], answer.headers.get("content-encoding")) == ("image/png", None)
    assert answer.headers["content-disposition"].startswith("inline;")
    small = await fetch(view["thumbnail"], ann)
    assert small.headers["content-type"] == "image/webp"
    with Image.open(BytesIO(small.content)) as image:
        assert image.size == (320, 240)
    assert small.headers["etag"] != answer.headers["etag"]


async def test_a_large_file_goes_in_and_out_in_pieces(town: World) -> None:
    ann = await town.person()
    data = bytes(range(256)) * 50_000
    view = await upload(ann, data)
    assert (await fetch(view["url"], ann)).content == data
    part = await fetch(view["url"], ann, range="bytes=6000000-12000000")
    assert part.content == data[6_000_000:12_000_001]


# who may


async def test_only_those_may_have_it_who_are_told_so(town: World) -> None:
    ann, bob, eve = await town.person(), await town.person(), await town.person()
    view = await upload(ann)
    link = await ann.get(f"/api/files/{view['fileId']}/link")
    nobody = await town.http()
    assert (await nobody.get(link["url"])).content == b"0123456789"
    assert (await nobody.get(link["url"], headers={"Authorization": "Bearer nonsense"})).content == b"0123456789"
    refused = [
        await fetch(view["url"], eve),
        await fetch(view["url"], bob, range="bytes=0-1"),
        await fetch(view["url"], bob, "HEAD"),
        await fetch(view["url"], bob, **{"if-none-match": f'"{view["fileId"]}"'}),
        await nobody.get(view["url"]),
        await nobody.get(view["url"], headers={"Authorization": "Bearer nonsense"}),
        await nobody.get(view["url"], params={"token": ann.token}),
        await nobody.get(link["url"].replace("signature=", "signature=x")),
        await nobody.get(link["url"].replace("expires=", "expires=1")),
        await nobody.get(f"{view['url']}?expires=99999999999999&signature="),
        await nobody.get(f"{view['url']}?expires=x&signature=y"),
        await nobody.get(f"{view['url']}?expires={'9' * 5000}&signature=y"),
        await fetch("/files/none/a.bin", ann),
        await fetch("/files/", ann),
        await fetch(f"/files/{view['fileId']}", ann),
        await fetch(f"/files/{view['fileId']}/b.bin", ann),
    ]
    for answer in refused:
        assert answer.status_code == 404, answer.request.url
        if answer.request.method != "HEAD":
            assert answer.json()["code"] == "NOT_FOUND"
    told = {answer.json()["detail"] for answer in refused if answer.request.method != "HEAD"}
    assert len(told - {"Nothing matches the given URI"}) == 1, "what is there and what is not must look alike"


async def test_what_is_mine_is_nobody_elses(town: World) -> None:
    ann, bob = await town.friends(None, None)
    view = await upload(ann)
    for method, path in (("GET", ""), ("GET", "/link"), ("DELETE", "")):
        answer = await fetch(f"/api/files/{view['fileId']}{path}", bob, method)
        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
    assert (await bob.get("/api/files"))["files"] == []
    await ann.delete(f"/api/files/{view['fileId']}")
    assert (await fetch(view["url"], ann)).status_code == 404
    assert (await fetch(f"/api/files/{view['fileId']}", ann, "DELETE")).status_code == 404
    assert (await ann.get("/api/files"))["files"] == []


async def test_an_erased_account_takes_its_files_along(town: World) -> None:
    ann = await town.person()
    view = await upload(ann)
    link = await ann.get(f"/api/files/{view['fileId']}/link")
    await ann.delete("/api/users/me", {"password": "correct horse"})
    assert (await ann.http.get(link["url"])).status_code == 404


# parts, copies, heads


async def test_parts_are_served_as_asked(town: World) -> None:
    ann = await town.person()
    url = (await upload(ann))["url"]
    etag = (await fetch(url, ann)).headers["etag"]
    part = await fetch(url, ann, range="bytes=2-4")
    assert (part.status_code, part.content) == (206, b"234")
    assert (part.headers["content-range"], part.headers["content-length"]) == ("bytes 2-4/10", "3")
    assert (await fetch(url, ann, range="bytes=-2")).content == b"89"
    beyond = await fetch(url, ann, range="bytes=10-")
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, "bytes */10")
    assert beyond.json()["status"] == 416
    assert (await fetch(url, ann, range="bytes=0-1,3-4")).status_code == 200
    assert (await fetch(url, ann, range="bytes=2-4", **{"if-range": etag})).status_code == 206
    changed = await fetch(url, ann, range="bytes=2-4", **{"if-range": '"other"'})
    assert (changed.status_code, changed.content) == (200, b"0123456789")


async def test_a_good_copy_is_not_sent_again(town: World) -> None:
    ann = await town.person()
    url = (await upload(ann))["url"]
    etag = (await fetch(url, ann)).headers["etag"]
    answer = await fetch(url, ann, **{"if-none-match": f'"x", W/{etag}'})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert "content-length" not in answer.headers or answer.headers["content-length"] == "0"
    assert (await fetch(url, ann, **{"if-none-match": '"x"'})).status_code == 200


@pytest.mark.parametrize("data", [b"0123456789", b"", picture()], ids=["plain", "empty", "picture"])
async def test_a_head_says_what_a_get_would(town: World, data: bytes) -> None:
    ann = await town.person()
    view = await upload(ann, data, "a.png")
    for url in filter(None, (view["url"], view.get("thumbnail"))):
        head, got = await fetch(url, ann, "HEAD"), await fetch(url, ann)
        assert (head.status_code, head.content) == (200, b"")
        assert {**head.headers, "date": ""} == {**got.headers, "date": ""}
        assert int(head.headers["content-length"]) == len(got.content)


async def test_a_connection_is_good_for_more_after_a_file(town: World) -> None:
    ann = await town.person()
    view = await upload(ann, picture())
    for method in ("GET", "HEAD", "GET"):
        assert (await fetch(view["url"], ann, method)).status_code == 200
    assert (await ann.get("/api/files"))["files"] == [view]


# limits and broken forms


async def test_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    async with started_node(tmp_path, files={"max_bytes": 100_000}) as (_, world):
        ann = await world.person()
        assert (await upload(ann, b"x" * 100_000))["size"] == 100_000
        over = await post_form(ann, b"x" * 100_001)
        assert (over.status_code, over.json()["code"]) == (413, "TOO_LARGE")
        reader, writer = await asyncio.open_connection("127.0.0.1", int(world.base_url.rpartition(":")[2]))
        head = f"POST /api/files/upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ann.token}\r\n"
        head += "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 9000000000\r\n\r\n"
        writer.write(head.encode())
        async with asyncio.timeout(15):
            assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
        writer.close()
        await writer.wait_closed()


async def test_too_large_without_a_length_is_refused_on_the_way(tmp_path: Path) -> None:
    async with started_node(tmp_path, files={"max_bytes": 100_000}) as (_, world):
        ann = await world.person()
        reader, writer = await asyncio.open_connection("127.0.0.1", int(world.base_url.rpartition(":")[2]))
        head = f"POST /api/files/upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ann.token}\r\n"
        head += f"Content-Type: {FORM}\r\nTransfer-Encoding: chunked\r\n\r\n"
        part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"x" * 100_001
        writer.write(head.encode() + f"{len(part):x}\r\n".encode() + part + b"\r\n")
        async with asyncio.timeout(15):  # the end of the body never comes
            assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
        writer.close()
        await writer.wait_closed()
        assert (await ann.get("/api/files"))["files"] == []
    assert stored_files(tmp_path) == []


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b"--b--"),
        (FORM, b""),
        (FORM, b"--b--\r\n"),
        (FORM, b'--b\r\nContent-Disposition: form-data; name="other"\r\n\r\nx\r\n--b--\r\n'),
        (FORM, b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nhalf a fi'),
        (FORM, b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nwhole\r\n--b\r\n'),
        (FORM, b'--b\r\nContent-Disposition: form-data; name="file"; filename="\xff\xfe"\r\n\r\nx\r\n--b--\r\n'),
        (FORM, b"--b\r\n\r\nx\r\n--b--\r\n"),
        (FORM, b"--b\r\n" + b"X-Long: " + b"x" * 10_000 + b"\r\n\r\nx\r\n--b--\r\n"),
        (FORM, b"\x00" * 10_000),
    ],
)
async def test_what_is_no_whole_form_with_a_file_is_invalid(town: World, content_type: str, body: bytes) -> None:
    ann = await town.person()
    answer = await ann.http.post(
        "/api/files/upload", content=body, headers=bearer(ann) | {"Content-Type": content_type}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID"), answer.text
    assert (await ann.get("/api/files"))["files"] == []


async def test_other_fields_of_the_form_are_no_matter(town: World) -> None:
    ann = await town.person()
    answer = await ann.http.post(
        "/api/files/upload",
        data={"before": "x" * 1000},
        files=[("other", ("b", b"not this one")), ("file", ("a.txt", b"this one")), ("file", ("c", b"nor this"))],
        headers=bearer(ann),
    )
    view = answer.json()
    assert (view["fileName"], view["size"]) == ("a.txt", 8)
    assert (await fetch(view["url"], ann)).content == b"this one"


async def test_a_name_may_come_as_rfc_5987_says(town: World) -> None:
    ann = await town.person()
    body = b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename*=UTF-8''%E5%9B%BE.png\r\n\r\nx\r\n--b--\r\n"
    answer = await ann.http.post("/api/files/upload", content=body, headers=bearer(ann) | {"Content-Type": FORM})
    assert answer.json()["fileName"] == "图.png"


async def _open_upload(world: World, person: Person) -> asyncio.StreamWriter:
    """The beginning of an upload on a socket of its own."""
    _, writer = await asyncio.open_connection("127.0.0.1", int(world.base_url.rpartition(":")[2]))
    head = f"POST /api/files/upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {person.token}\r\n"
    head += f"Content-Type: {FORM}\r\nContent-Length: 1000000\r\n\r\n"
    writer.write(head.encode() + b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n')
    writer.write(b"x" * 20_000)
    await writer.drain()
    return writer


async def test_a_client_that_goes_away_leaves_nothing_behind(tmp_path: Path) -> None:
    async with started_node(tmp_path) as (_, world):
        ann = await world.person()
        writer = await _open_upload(world, ann)
        writer.close()
        await writer.wait_closed()
        assert (await ann.get("/api/files"))["files"] == []
    assert stored_files(tmp_path) == []


def stored_files(folder: Path) -> list[Path]:
    return [path for path in (folder / "files").rglob("*") if path.is_file()]


async def test_a_client_that_stalls_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "PATIENCE", 0.2)
    async with started_node(tmp_path) as (_, world):
        ann = await world.person()
        reader, writer = await asyncio.open_connection("127.0.0.1", int(world.base_url.rpartition(":")[2]))
        head = f"POST /api/files/upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ann.token}\r\n"
        writer.write(f"{head}Content-Type: {FORM}\r\nContent-Length: 1000\r\n\r\n--b".encode())
        async with asyncio.timeout(15):
            answer = await reader.readuntil(b"}")
        writer.close()
        await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 400")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["detail"] == "the upload broke off"


async def test_without_a_token_nothing_is_read(town: World) -> None:
    http = await town.http()
    answer = await http.post("/api/files/upload", files={"file": b"x"})
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED")
