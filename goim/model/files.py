"""Uploaded files: what is kept of them, which names and addresses they have, what of them browsers may show."""

from __future__ import annotations

import re
import unicodedata
from codecs import getincrementaldecoder
from typing import NamedTuple
from urllib.parse import quote

import msgspec
from msgspec import Struct

MAX_NAME = 120
_MAX_EXTENSION = 16
_FORBIDDEN = re.compile(r'[<>:"|?*%]')  # means something to a file system, a shell or a URL
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")  # control characters, and those that turn the direction of a text
_THUMBNAIL = "thumbnail/320.webp"
_FILE_ID = re.compile(r"[0-9a-z]{14}")  # as `ids.new_id` makes them

PREFIX = "/files/"
EVERYBODY = "*"
"""Instead of a conversation (whose id it cannot be): who is logged in may read the file."""
PARTIAL = "partial/"
"""The folder of the blobs for what has not arrived in full yet."""

PLAIN = "application/octet-stream"
"""The type of what is not known to be anything else: browsers only save it."""

TEXT = "text/plain"
"""The type of all text, whatever it is written in: a page or a drawing would run scripts under its own."""
_NOT_IN_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")

IMAGES = {"image/jpeg": "JPEG", "image/png": "PNG", "image/gif": "GIF", "image/webp": "WEBP"}
INLINE = {*IMAGES, "video/mp4", "video/webm", "audio/mpeg", "audio/ogg", "audio/mp4", "audio/webm", "audio/wav"}
"""Types that a browser may show by itself: none of them can run a script. No SVG, no HTML, no PDF."""

WITH_FILES = frozenset({"image", "voice", "video", "file"})
"""Types of messages whose payload may refer to a file."""


class StoredFile(Struct, frozen=True, kw_only=True):
    """An uploaded file. `path` is where its bytes are, `thumbnail` where those of its small picture are ("": none).

    `mime_type` is what the bytes look like, never what the client said. Times are unix milliseconds.
    """

    file_id: str
    owner_id: str
    path: str
    name: str
    size: int
    mime_type: str
    width: int | None = None
    height: int | None = None
    thumbnail: str = ""
    created_at: int
    expires_at: int | None = None

    @property
    def url(self) -> str:
        """Where clients fetch it."""
        return f"{PREFIX}{self.file_id}/{quote(self.name)}"

    @property
    def thumbnail_url(self) -> str | None:
        """Where clients fetch its small picture."""
        return f"{PREFIX}{self.file_id}/{_THUMBNAIL}" if self.thumbnail else None

    @property
    def blobs(self) -> list[str]:
        """Where all its bytes are."""
        return [self.path, self.thumbnail] if self.thumbnail else [self.path]

    def blob_at(self, rest: str) -> str | None:
        """Which of its blobs is meant by what follows the id in a (decoded) address."""
        if rest == self.name:
            return self.path
        return self.thumbnail or None if rest == _THUMBNAIL else None


def kept_by(user_id: str) -> str:
    """In place of a conversation: what somebody keeps among their favourites they may read."""
    return f"kept:{user_id}"


class Grant(NamedTuple):
    """The right to read a file, given to the members of a conversation by a message there, to who keeps such a message
    by its favourite (`kept_by`), or to `EVERYBODY`.

    What no message is named of is never taken away. `ends_at` (unix milliseconds): from then on it is no right.
    """

    file_id: str
    conv_id: str
    from_user_id: str = ""
    client_msg_id: str = ""
    ends_at: int | None = None

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What there is one of."""
        return self[:4]


class FileStats(Struct, frozen=True, kw_only=True):
    """What there is: files, their bytes (without thumbnails), people who own any."""

    files: int
    bytes: int
    owners: int


class _Referring(Struct):
    """What may be an address in the payload of a message."""

    url: str = ""
    thumbnail: str | None = None


_decode_referring = msgspec.json.Decoder(_Referring).decode


# What a track of sound and one of pictures look like: a codec's name in WebM, a handler's in MP4.
_TRACKS = {
    "video/webm": (re.compile(rb"\x86[\x80-\xff]A_[A-Z]"), re.compile(rb"\x86[\x80-\xff]V_[A-Z]")),
    "video/mp4": (re.compile(rb"hdlr.{8}soun", re.DOTALL), re.compile(rb"hdlr.{8}vide", re.DOTALL)),
}


def without_pictures(mime_type: str, head: bytes) -> str:
    """The type of what begins like a film: of a sound if it has no pictures, as browsers record it."""
    tracks = _TRACKS.get(mime_type)
    if tracks is None:
        return mime_type
    sound, pictures = tracks
    is_sound = sound.search(head) is not None and pictures.search(head) is None
    return mime_type.replace("video/", "audio/") if is_sound else mime_type


def is_text(head: bytes) -> bool:
    """Whether what begins like this is text, in UTF-8; its last character may be cut off."""
    try:
        text = getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return bool(text) and _NOT_IN_TEXT.search(text) is None


def blob_path(file_id: str) -> str:
    """Where the bytes of a file are kept: 1,024 folders, so that none gets large. Names of clients never get here."""
    return f"{file_id[-2:]}/{file_id}"


def file_id_of(blob: str) -> str:
    """Whose bytes these are."""
    return blob.rpartition("/")[2].partition(".")[0]


def safe_name(raw: str) -> str:
    """A name that is one path segment everywhere, shows what it is, and keeps its extension."""
    last = unicodedata.normalize("NFC", raw).replace("\\", "/").rpartition("/")[2]
    seen = "".join(character for character in last if unicodedata.category(character) not in _UNSEEN)
    name = _FORBIDDEN.sub("_", seen).strip(" .")
    if len(name) > MAX_NAME:
        stem, dot, extension = name.rpartition(".")
        kept = dot + extension if stem and len(extension) <= _MAX_EXTENSION else ""
        name = name[: MAX_NAME - len(kept)].rstrip(" .") + kept
    return name or "file"


def disposition(name: str, *, is_inline: bool) -> str:
    """The Content-Disposition of a (safe) name: RFC 6266, with an ASCII name for clients that know no other."""
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    return f"{'inline' if is_inline else 'attachment'}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def referenced_files(payload: str, public_url: str = "") -> set[str]:
    """The ids of our files that a payload (JSON) refers to; what cannot be the id of one is left alone.

    Ours is what begins with `/files/`, or with the URL under which this server is known. All else is left alone.
    """
    found = _decode_referring(payload)
    ids = (file_id_at(address, public_url) for address in (found.url, found.thumbnail or ""))
    return {file_id for file_id in ids if file_id is not None}


def file_id_at(address: str, public_url: str = "") -> str | None:
    """The id of the file of ours at an address, if it is one (see `referenced_files`)."""
    if public_url and address.startswith(public_url):
        address = address.removeprefix(public_url)
    if not address.startswith(PREFIX):
        return None
    file_id = address.removeprefix(PREFIX).partition("/")[0]
    return file_id if _FILE_ID.fullmatch(file_id) else None
