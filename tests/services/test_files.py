"""Files are taken in with what they are found to be, and given to those who may read them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from io import BytesIO
from urllib.parse import unquote

import pytest
from msgspec import UNSET
from PIL import Image

from goim.errors import ErrorCode, GoimError
from goim.model.files import Grant, blob_path
from goim.services.file_links import LinkSigner, Signature
from goim.stores.base import Taken
from tests.services.cabinet import Cabinet, open_cabinet, picture, pieces  # noqa: F401
from tests.services.house import refused

WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(24)
MP4 = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + bytes(64)


async def test_an_upload_is_described_kept_and_listed(cabinet: Cabinet) -> None:
    view = await cabinet.upload(data=b"%PDF-1.7 rest", name="../../re port.pdf")
    assert view.file_name == "re port.pdf"
    assert view.url == f"/files/{view.file_id}/re%20port.pdf"
    assert (view.size, view.mime_type, view.created_at) == (13, "application/pdf", cabinet.clock.now_ms())
    assert (view.expires_at, view.width, view.thumbnail) == (None, UNSET, UNSET)
    assert await cabinet.read(unquote(view.url)) == b"%PDF-1.7 rest"
    assert await cabinet.desk.page("ann", 20, 0) == [view]
    assert await cabinet.desk.own("ann", view.file_id) == view
    assert await cabinet.stored() == {blob_path(view.file_id)}


@pytest.mark.parametrize(
    ("data", "mime_type"),
    [
        (WAV, "audio/wav"),
        (MP4, "video/mp4"),
        (b"OggS" + bytes(30), "audio/ogg"),
        (b"ID3\x03" + bytes(30), "audio/mpeg"),
        (b"PK\x03\x04" + bytes(30), "application/zip"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "text/plain"),
        (b"<!DOCTYPE html><script>alert(1)</script>", "text/plain"),
        (b"", "application/octet-stream"),
        (b"plain text", "text/plain"),
        (("一" * 5000).encode()[:8192], "text/plain"),
        ("plain text".encode("utf-16"), "application/octet-stream"),
        (b"plain\x00text", "application/octet-stream"),
        (b"caf\xe9 au lait", "application/octet-stream"),
    ],
)
async def test_the_type_is_what_the_bytes_say_whatever_the_name_says(
    cabinet: Cabinet, data: bytes, mime_type: str
) -> None:
    view = await cabinet.upload(data=data, name="innocent.png")
    assert view.mime_type == mime_type
    opened = await cabinet.desk.open(f"{view.file_id}/innocent.png", "ann", None)
    assert opened.disposition.startswith("inline" if mime_type.startswith(("audio", "video")) else "attachment")


async def test_the_type_is_found_however_small_the_chunks_are(cabinet: Cabinet) -> None:
    data = picture()
    view = await cabinet.desk.upload("ann", "a", pieces(*(data[at : at + 1] for at in range(len(data)))))
    assert (view.mime_type, view.size, view.width) == ("image/png", len(data), 640)
    assert await cabinet.read(view.url) == data


@pytest.mark.parametrize(
    ("kind", "mode", "mime_type"),
    [
        ("PNG", "RGBA", "image/png"),
        ("PNG", "P", "image/png"),
        ("PNG", "1", "image/png"),
        ("JPEG", "RGB", "image/jpeg"),
        ("JPEG", "CMYK", "image/jpeg"),
        ("GIF", "P", "image/gif"),
        ("WEBP", "RGB", "image/webp"),
    ],
)
async def test_a_picture_gets_its_measures_and_a_small_copy(
    cabinet: Cabinet, kind: str, mode: str, mime_type: str
) -> None:
    view = await cabinet.upload(data=picture(kind, mode), name="p")
    assert (view.mime_type, view.width, view.height) == (mime_type, 640, 480)
    assert view.thumbnail == f"/files/{view.file_id}/thumbnail/320.webp"
    with Image.open(BytesIO(await cabinet.read(view.thumbnail))) as small:
        assert (small.format, small.size) == ("WEBP", (320, 240))


async def test_a_picture_on_its_side_is_measured_and_shown_upright_and_its_small_copy_tells_nothing(
    cabinet: Cabinet,
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned to the right by a quarter
    exif[0x010F] = "Spy Camera"
    view = await cabinet.upload(data=picture("JPEG", exif=exif))
    assert (view.width, view.height) == (480, 640)
    assert isinstance(view.thumbnail, str)
    with Image.open(BytesIO(await cabinet.read(view.thumbnail))) as small:
        assert small.size == (240, 320)
        corners = [small.getpixel(at) for at in ((5, 5), (234, 5), (5, 314))]
        assert not small.getexif()
    reds = [corner[0] > 200 for corner in corners if isinstance(corner, tuple)]
    assert reds == [False, True, False]


async def test_a_small_picture_is_not_made_larger(cabinet: Cabinet) -> None:
    view = await cabinet.upload(data=picture(size=(20, 10)))
    assert isinstance(view.thumbnail, str)
    with Image.open(BytesIO(await cabinet.read(view.thumbnail))) as small:
        assert small.size == (20, 10)


@pytest.mark.parametrize("size", [(8001, 4000), (20_000, 20_000)], ids=["too large", "far too large"])
async def test_what_would_unpack_to_gigabytes_is_kept_as_plain_bytes(cabinet: Cabinet, size: tuple[int, int]) -> None:
    bomb = picture(mode="1", size=size)
    assert len(bomb) < 100_000
    view = await cabinet.upload(data=bomb, name="bomb.png")
    assert (view.mime_type, view.width, view.thumbnail) == ("application/octet-stream", UNSET, UNSET)
    opened = await cabinet.desk.open(f"{view.file_id}/bomb.png", "ann", None)
    assert opened.disposition.startswith("attachment")
    assert await cabinet.read(view.url) == bomb


@pytest.mark.parametrize(
    "data",
    [
        picture()[:-40],
        picture()[:60],
        b"GIF89a/*<script>alert(1)</script>*/",
        b"\x89PNG\r\n\x1a\n<html>",
        b"\xff\xd8\xff",
    ],
    ids=["cut off", "header alone", "script in GIF", "page in PNG", "three bytes"],
)
async def test_what_only_begins_like_a_picture_is_kept_as_plain_bytes(cabinet: Cabinet, data: bytes) -> None:
    view = await cabinet.upload(data=data, name="a.png")
    assert (view.mime_type, view.width) == ("application/octet-stream", UNSET)


async def test_too_many_bytes_are_refused_and_nothing_of_them_is_kept() -> None:
    async with Cabinet(max_bytes=10_000).open() as cabinet:
        with refused(ErrorCode.TOO_LARGE):
            await cabinet.desk.upload("ann", "a", pieces(b"x" * 9_000, b"x" * 1_001))
        assert await cabinet.stored() == set()
        assert await cabinet.desk.page("ann", 20, 0) == []
        assert (await cabinet.upload(data=b"x" * 10_000)).size == 10_000


async def test_an_upload_that_breaks_off_leaves_nothing(cabinet: Cabinet) -> None:
    async def broken() -> object:
        yield b"x" * 20_000
        raise GoimError(ErrorCode.INVALID, "gone")

    with refused(ErrorCode.INVALID):
        await cabinet.desk.upload("ann", "a", broken())  # type: ignore[arg-type]
    assert await cabinet.stored() == set()
    assert await cabinet.desk.page("ann", 20, 0) == []


async def test_one_id_is_one_file(cabinet: Cabinet) -> None:
    await cabinet.desk.keep("ann", "f1", "a", pieces(b"first"))
    with pytest.raises(Taken):
        await cabinet.desk.keep("ann", "f1", "a", pieces(b"first"))


async def test_pages_are_of_ones_own_files_latest_first(cabinet: Cabinet) -> None:
    mine = []
    for number in range(3):
        mine.append((await cabinet.upload(name=f"{number}.txt")).file_id)
        cabinet.clock.advance(1)
    await cabinet.upload("bob")
    assert [view.file_id for view in await cabinet.desk.page("ann", 2, 0)] == [mine[2], mine[1]]
    assert [view.file_id for view in await cabinet.desk.page("ann", 2, 2)] == [mine[0]]


async def test_a_deleted_file_is_gone_for_everybody_with_its_bytes(cabinet: Cabinet) -> None:
    conv_id = await cabinet.talk("ann", "bob")
    view = await cabinet.upload(data=picture())
    await cabinet.sharing.share("ann", {Grant(view.file_id, conv_id)})
    link = await cabinet.desk.link("ann", view.file_id)
    await cabinet.desk.delete("ann", view.file_id)
    assert await cabinet.stored() == set()
    for user_id in ("ann", "bob"):
        with refused(ErrorCode.NOT_FOUND):
            await cabinet.read(view.url, user_id)
    signature = Signature(link.expires_at, link.url.rpartition("=")[2])
    with refused(ErrorCode.NOT_FOUND):
        await cabinet.desk.open(f"{view.file_id}/a.bin", None, signature)
    with refused(ErrorCode.NOT_FOUND):
        await cabinet.desk.delete("ann", view.file_id)


async def test_nobody_else_sees_lists_or_deletes_my_file(cabinet: Cabinet) -> None:
    view = await cabinet.upload()
    for ask in (cabinet.desk.own, cabinet.desk.delete, cabinet.desk.link):
        with refused(ErrorCode.NOT_FOUND):
            await ask("bob", view.file_id)
        with refused(ErrorCode.NOT_FOUND):
            await ask("bob", "x" * 1000)
    assert await cabinet.desk.page("bob", 20, 0) == []
    assert await cabinet.read(view.url) == b"some bytes"


async def test_members_read_and_link_what_was_sent_to_them_but_do_not_own_it(cabinet: Cabinet) -> None:
    view = await cabinet.upload()
    await cabinet.sharing.share("ann", {Grant(view.file_id, await cabinet.talk("ann", "bob"))})
    assert await cabinet.read(view.url, "bob") == b"some bytes"
    assert (await cabinet.desk.link("bob", view.file_id)).url.startswith(view.url)
    with refused(ErrorCode.NOT_FOUND):
        await cabinet.desk.delete("bob", view.file_id)
    with refused(ErrorCode.NOT_FOUND):
        await cabinet.read(view.url, "eve")
    with refused(ErrorCode.NOT_FOUND):
        await cabinet.read(view.url, None)


async def test_erasing_an_account_takes_all_its_files_and_nobody_elses(cabinet: Cabinet) -> None:
    for number in range(250):
        await cabinet.desk.keep("ann", f"f{number}", "a", pieces(b"x"))
    kept = await cabinet.upload("bob")
    await cabinet.desk.erase("ann")
    assert await cabinet.desk.page("ann", 20, 0) == []
    assert await cabinet.stored() == {blob_path(kept.file_id)}
    await cabinet.desk.erase("ann")


async def test_a_file_that_comes_while_its_owner_is_erased_is_not_kept(cabinet: Cabinet) -> None:
    async def slowly() -> AsyncIterator[bytes]:
        yield b"x"
        cabinet.erased.add("ann")
        await cabinet.desk.erase("ann")
        yield b"y"

    with refused(ErrorCode.UNAUTHORIZED):
        await cabinet.desk.upload("ann", "a", slowly())
    assert await cabinet.stored() == set()
    assert await cabinet.files.page("ann", 20, 0) == []


async def test_an_address_must_be_right_to_the_last_letter(cabinet: Cabinet) -> None:
    view = await cabinet.upload(name="a.txt")
    for rest in ("", "b.txt", "a.txt/", "../a.txt", "thumbnail/320.webp"):
        with refused(ErrorCode.NOT_FOUND):
            await cabinet.desk.open(f"{view.file_id}/{rest}", "ann", None)


async def test_bytes_that_are_gone_are_not_found(cabinet: Cabinet) -> None:
    view = await cabinet.upload(data=picture(), name="a.png")
    await cabinet.blobs.delete([blob_path(view.file_id), f"{blob_path(view.file_id)}.thumbnail"])
    for address in (view.url, view.thumbnail):
        with refused(ErrorCode.NOT_FOUND):
            await cabinet.read(str(address))


# links


async def test_a_link_opens_the_file_and_its_small_picture_until_it_expires(cabinet: Cabinet) -> None:
    view = await cabinet.upload(data=picture(), name="a.png")
    link = await cabinet.desk.link("ann", view.file_id)
    assert link.expires_at == cabinet.clock.now_ms() + 3_600_000
    proof = link.url.removeprefix(f"{view.url}?expires={link.expires_at}&signature=")
    assert link.thumbnail == f"{view.thumbnail}?expires={link.expires_at}&signature={proof}"
    signature = Signature(link.expires_at, proof)
    for rest in ("a.png", "thumbnail/320.webp"):
        assert (await cabinet.desk.open(f"{view.file_id}/{rest}", None, signature)).size > 0
    cabinet.clock.advance(3_600)
    with refused(ErrorCode.NOT_FOUND):
        await cabinet.desk.open(f"{view.file_id}/a.png", None, signature)


async def test_a_signature_is_good_for_nothing_but_what_was_signed(cabinet: Cabinet) -> None:
    view, other = await cabinet.upload(name="a"), await cabinet.upload(name="a")
    good = cabinet.signer.sign(view.file_id, cabinet.clock.now_ms() + 1000)
    forged = [
        cabinet.signer.sign(other.file_id, good.expires),
        Signature(good.expires + 1, good.proof),
        Signature(good.expires, good.proof[:-1]),
        Signature(good.expires, good.proof + "="),
        Signature(good.expires, "ä"),
        Signature(good.expires, ""),
        LinkSigner("another secret").sign(view.file_id, good.expires),
    ]
    assert (await cabinet.desk.open(f"{view.file_id}/a", None, good)).size == 10
    for signature in forged:
        with refused(ErrorCode.NOT_FOUND):
            await cabinet.desk.open(f"{view.file_id}/a", None, signature)
        assert (await cabinet.desk.open(f"{view.file_id}/a", "ann", signature)).size == 10  # by her own right


# time


async def test_a_file_expires_when_it_was_said_to() -> None:
    async with Cabinet(retention="1d").open() as cabinet:
        view = await cabinet.upload()
        assert view.expires_at == view.created_at + 86_400_000
        cabinet.clock.advance(86_399)
        assert await cabinet.read(view.url) == b"some bytes"
        cabinet.clock.advance(1)
        with refused(ErrorCode.NOT_FOUND):
            await cabinet.read(view.url)
        with refused(ErrorCode.NOT_FOUND):
            await cabinet.desk.link("ann", view.file_id)
        assert await cabinet.desk.page("ann", 20, 0) == []


async def test_a_retention_that_is_set_later_holds_for_what_was_there_before(cabinet: Cabinet) -> None:
    view = await cabinet.upload()
    cabinet.clock.advance(86_400)
    cabinet.rules.__dict__["retention"] = 3_600.0  # as if the node had been started anew
    with refused(ErrorCode.NOT_FOUND):
        await cabinet.read(view.url)
