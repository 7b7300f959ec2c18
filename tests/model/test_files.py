"""Names that are safe everywhere, and addresses that are ours."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goim.model.files import (
    MAX_NAME,
    StoredFile,
    blob_path,
    disposition,
    file_id_of,
    referenced_files,
    safe_name,
    without_pictures,
)
from tests.thinking import UNHURRIED


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("photo.png", "photo.png"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("C:\\Users\\ann\\report.docx", "report.docx"),
        ("a\x00b.png", "ab.png"),
        ("evil\r\nSet-Cookie: x=1.txt", "evilSet-Cookie_ x=1.txt"),
        ("invoice\u202egpj.exe", "invoicegpj.exe"),
        ('<script>alert("x")</script>.html', "script_.html"),
        ("100%.txt", "100_.txt"),
        (".bashrc", "bashrc"),
        ("  spaced name .txt  ", "spaced name .txt"),
        ("图片 😀.png", "图片 😀.png"),
        ("e\u0301.png", "é.png"),
        ("", "file"),
        ("..", "file"),
        ("/", "file"),
        ("x/", "file"),
        ("a" * 300 + ".png", "a" * 116 + ".png"),
        ("a." + "b" * 300, "a." + "b" * 118),
    ],
)
def test_a_name_from_outside_becomes_one_that_is_safe(raw: str, name: str) -> None:
    assert safe_name(raw) == name


@UNHURRIED
@given(st.text(max_size=400))
def test_whatever_comes_the_name_is_one_printable_segment(raw: str) -> None:
    name = safe_name(raw)
    assert 0 < len(name) <= MAX_NAME
    assert not set(name) & set('/\\<>:"|?*%\x00\r\n')
    assert name not in (".", "..")
    assert safe_name(name) == name
    disposition(name, is_inline=True).encode("latin-1")


def file(name: str = "a b.png", thumbnail: str = "") -> StoredFile:
    return StoredFile(
        file_id="f1",
        owner_id="ann",
        path="f1/f1",
        name=name,
        size=1,
        mime_type="image/png",
        thumbnail=thumbnail,
        created_at=1,
    )


def test_an_address_leads_to_the_bytes_or_the_small_picture_and_nowhere_else() -> None:
    plain, picture = file(), file(thumbnail="f1/f1.thumbnail")
    assert plain.url == "/files/f1/a%20b.png"
    assert plain.thumbnail_url is None
    assert picture.thumbnail_url == "/files/f1/thumbnail/320.webp"
    assert plain.blob_at("a b.png") == "f1/f1"
    assert plain.blob_at("thumbnail/320.webp") is None
    assert picture.blob_at("thumbnail/320.webp") == "f1/f1.thumbnail"
    for other in ("", "a b.png/", "A B.png", "../f2/a b.png", "thumbnail"):
        assert picture.blob_at(other) is None


def test_a_blob_says_whose_it_is() -> None:
    assert blob_path("0123abc") == "bc/0123abc"
    assert file_id_of("bc/0123abc") == file_id_of("bc/0123abc.thumbnail") == "0123abc"


@pytest.mark.parametrize(
    ("name", "is_inline", "header"),
    [
        ("a.png", True, "inline; filename=\"a.png\"; filename*=UTF-8''a.png"),
        ("图 x.pdf", False, "attachment; filename=\"_ x.pdf\"; filename*=UTF-8''%E5%9B%BE%20x.pdf"),
        ("a'b;c.txt", False, "attachment; filename=\"a'b;c.txt\"; filename*=UTF-8''a%27b%3Bc.txt"),
    ],
)
def test_a_name_is_told_to_old_clients_and_new_ones(name: str, is_inline: bool, header: str) -> None:
    assert disposition(name, is_inline=is_inline) == header


@pytest.mark.parametrize(
    ("payload", "ids"),
    [
        ({"url": "/files/f1f1f1f1f1f1f1/a.png"}, {"f1f1f1f1f1f1f1"}),
        (
            {"url": "/files/f1f1f1f1f1f1f1/a.png", "thumbnail": "/files/f2f2f2f2f2f2f2/thumbnail/320.webp"},
            {"f1f1f1f1f1f1f1", "f2f2f2f2f2f2f2"},
        ),
        ({"url": "/files/f1f1f1f1f1f1f1/a.png?expires=1&signature=x", "thumbnail": None}, {"f1f1f1f1f1f1f1"}),
        ({"url": "https://chat.example/files/f1f1f1f1f1f1f1/a.png"}, {"f1f1f1f1f1f1f1"}),
        ({"url": "https://elsewhere.example/files/f1f1f1f1f1f1f1/a.png"}, set()),
        ({"url": "https://chat.example.evil/files/f1f1f1f1f1f1f1/a.png"}, set()),
        ({"url": "//chat.example/files/f1f1f1f1f1f1f1/a.png"}, set()),
        ({"url": "data:image/png;base64,AAAA"}, set()),
        ({"url": "…"}, set()),
        ({"url": "files/f1f1f1f1f1f1f1/a.png"}, set()),
        ({"url": "/files/"}, set()),
        ({"url": "/files/../files/f1f1f1f1f1f1f1/a.png"}, set()),
        ({"url": "/files/%66%31/a.png"}, set()),
        ({"url": "/files/F1'--/a.png"}, set()),
    ],
)
def test_only_addresses_of_ours_refer_to_files(payload: dict[str, str], ids: set[str]) -> None:
    assert referenced_files(json.dumps(payload), "https://chat.example") == ids


def test_without_a_known_url_only_bare_addresses_are_ours() -> None:
    assert referenced_files('{"url":"https://chat.example/files/f1f1f1f1f1f1f1/a.png","size":1,"name":"x"}') == set()
    assert referenced_files('{"duration":1,"url":"/files/f1f1f1f1f1f1f1/a.png"}') == {"f1f1f1f1f1f1f1"}


@pytest.mark.parametrize(
    ("mime_type", "head", "is_sound"),
    [
        ("video/webm", b"\x1aE\xdf\xa3webm\xae\x86\x86A_OPUSc\xa2", True),
        ("video/webm", b"\x1aE\xdf\xa3webm\xae\x86\x86A_OPUS\xae\x86\x85V_VP9", False),
        ("video/webm", b"\x1aE\xdf\xa3webm\x1fC\xb6u", False),
        ("video/mp4", b"ftypiso5moovtrakhdlr\0\0\0\0\0\0\0\nsoun", True),
        ("video/mp4", b"ftypisomhdlr\0\0\0\0\0\0\0\0videhdlr\0\0\0\0\0\0\0\0soun", False),
        ("video/mp4", b"ftypisommdat and the rest at the end", False),
        ("image/png", b"\x86\x86A_OPUS", False),
    ],
)
def test_what_has_sound_only_is_no_film(mime_type: str, head: bytes, is_sound: bool) -> None:
    assert without_pictures(mime_type, head) == (mime_type.replace("video", "audio") if is_sound else mime_type)
