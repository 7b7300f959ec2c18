"""Files that want to be more than files: nothing of them runs in a browser, nothing leaves its folder."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.client import World
from tests.node import started_node
from tests.uploads import bearer, fetch, picture, post_form, upload

pytestmark = pytest.mark.asyncio(loop_scope="module")

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>'
HTML = b"<!DOCTYPE html><html><script>fetch('/api/users/me')</script></html>"
SCRIPT_IN_GIF = b"GIF89a/*" + bytes(20) + b"*/=1;alert(1)//;"
PDF = b"%PDF-1.7\n1 0 obj << /OpenAction << /S /JavaScript /JS (app.alert(1)) >> >>"
XML = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>'
EXE = b"MZ" + bytes(100)
WASM = b"\x00asm\x01\x00\x00\x00"


def png_of(width: int, height: int) -> bytes:
    """A PNG that says it is this large and brings next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def files_in(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "data",
    [SVG, HTML, SCRIPT_IN_GIF, PDF, XML, EXE, WASM, png_of(60_000, 60_000), png_of((1 << 31) - 1, 1)],
    ids=["SVG", "HTML", "script in GIF", "PDF", "XML", "EXE", "WASM", "bomb", "wide bomb"],
)
@pytest.mark.parametrize("name", ["cat.png", "cat.svg", "cat.html"])
async def test_a_browser_can_only_save_what_could_run(town: World, data: bytes, name: str) -> None:
    ann = await town.person()
    view = await upload(ann, data, name)
    assert "width" not in view
    answer = await fetch(view["url"], ann)
    assert answer.content == data
    kind = answer.headers["content-type"].partition(";")[0]
    assert kind == "text/plain" or kind.startswith("application/"), "what runs nothing"
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"


async def test_a_real_picture_with_a_page_behind_it_is_a_picture_and_nothing_else(town: World) -> None:
    ann = await town.person()
    view = await upload(ann, picture() + HTML, "cat.html")
    answer = await fetch(view["url"], ann)
    assert (view["mimeType"], answer.headers["content-type"]) == ("image/png", "image/png")
    assert answer.headers["x-content-type-options"] == "nosniff"
    small = await fetch(view["thumbnail"], ann)
    assert HTML not in small.content


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("../../../../etc/cron.d/x", "x"),
        ("..\\..\\windows\\x.ini", "x.ini"),
        ("/etc/passwd", "passwd"),
        ("a\x00.png", "a.png"),
        ("..", "file"),
        ("x" * 300 + ".png", "x" * 116 + ".png"),
        ("jwt_secret", "jwt_secret"),
        ("%2e%2e%2fx", "_2e_2e_2fx"),
        ('x"; filename="y', "x_; filename=_y"),
    ],
)
async def test_no_name_leads_anywhere(tmp_path: Path, raw: str, name: str) -> None:
    async with started_node(tmp_path / "data") as (_, world):
        ann = await world.person()
        before = files_in(tmp_path)
        value = raw.replace("\\", "\\\\").replace('"', '\\"')
        body = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{value}"\r\n\r\nx\r\n--b--\r\n'
        headers = bearer(ann) | {"Content-Type": "multipart/form-data; boundary=b"}
        answer = await ann.http.post("/api/files/upload", content=body.encode(), headers=headers)
        view = answer.json()
        assert view["fileName"] == name
        assert (await fetch(view["url"], ann)).content == b"x"
        (made,) = files_in(tmp_path) - before
        assert made == tmp_path / "data/files" / view["fileId"][-2:] / view["fileId"]


async def test_no_address_leads_out_of_the_files(town: World) -> None:
    ann = await town.person()
    view = await upload(ann, name="a.txt")
    folder, file_id = view["fileId"][-2:], view["fileId"]
    for path in (
        f"{file_id}/../../../jwt_secret",
        f"{file_id}/..%2f..%2fjwt_secret",
        f"{file_id}/%2e%2e/%2e%2e/jwt_secret",
        f"../files/{file_id}/a.txt/..",
        f"{folder}/{file_id}",
        f"{file_id}/a.txt%00",
        f"{file_id}%00/a.txt",
        f"{file_id}\\a.txt",
        "..%2f..%2f..%2fetc%2fpasswd",
        quote("'; DROP TABLE im_files; --") + "/a.txt",
        "x" * 5000 + "/a.txt",
    ):
        request = ann.http.build_request("GET", "/", headers=bearer(ann))
        request.url = request.url.copy_with(raw_path=f"/files/{path}".encode())  # as it is, nothing made tidy
        answer = await ann.http.send(request)
        assert answer.status_code in (400, 404), path
        assert answer.json()["code"] in ("NOT_FOUND", "INVALID"), path
    assert (await fetch(view["url"], ann)).status_code == 200


async def test_what_the_client_says_of_the_type_is_not_believed(town: World) -> None:
    ann = await town.person()
    answer = await post_form(ann, picture(), "cat.png")  # sent as text/html
    assert answer.json()["mimeType"] == "image/png"
