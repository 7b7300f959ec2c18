"""Files as people bring and fetch them."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import httpx
from PIL import Image

from tests.client import Person


def picture(size: tuple[int, int] = (640, 480)) -> bytes:
    out = BytesIO()
    Image.new("RGB", size, (255, 0, 0)).save(out, "PNG")
    return out.getvalue()


def bearer(person: Person) -> dict[str, str]:
    return {"Authorization": f"Bearer {person.token}"}


async def post_form(person: Person, data: bytes, name: str = "a.bin", **more: Any) -> httpx.Response:
    return await person.http.post(
        "/api/files/upload", files={"file": (name, data, "text/html")}, headers=bearer(person), **more
    )


async def upload(person: Person, data: bytes = b"0123456789", name: str = "a.bin") -> dict[str, Any]:
    answer = await post_form(person, data, name)
    assert answer.status_code == 201, answer.text
    view: dict[str, Any] = answer.json()
    return view


async def fetch(url: str, person: Person, method: str = "GET", **headers: str) -> httpx.Response:
    return await person.http.request(method, url, headers=bearer(person) | headers)
