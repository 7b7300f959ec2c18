"""goim in pages of others, as `docs/guides/embed.md` says: in a frame, and by the module."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, expect

from tests.client import PASSWORD
from tests.deploy.proxies import needed, replaced
from tests.node import started_node
from tests.pages import blocks, page
from tests.process import answers, free_port

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHAT, SHOP = "https://chat.example.org", "https://shop.example.org"
GUIDE = blocks(page("docs/guides/embed.md"))
NGINX = """
daemon off; user {user}; pid {folder}/pid; error_log {folder}/log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    upstream goim {{ server {node}; }}
    {outside}
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://goim; }}
        {inside}
    }}
}}
"""


def shown(language: str) -> list[str]:
    return [block.text for block in GUIDE if block.language == language]


@contextlib.asynccontextmanager
async def nginx(folder: Path, node: str, shop: str) -> AsyncIterator[str]:
    """A proxy that does what the guide says; only addresses and files are others."""
    port = free_port()
    (folder / "shop.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><title>Shop</title></svg>')
    outside, inside = shown("nginx")
    conf = NGINX.format(
        user=getpass.getuser(),
        folder=folder,
        node=urlsplit(node).netloc,
        port=port,
        outside=replaced(outside, {SHOP: shop}),
        inside=replaced(inside, {"/etc/nginx/shop.svg": str(folder / "shop.svg")}),
    )
    (folder / "nginx.conf").write_text(conf)
    command = [needed("nginx", "nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.DEVNULL)
    try:
        async with asyncio.timeout(20):
            while not await answers(port):
                assert process.returncode is None, (folder / "log").read_text()
                await asyncio.sleep(0.02)  # noqa: TID251 it has no way to tell another process
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def site(pages: dict[str, str]) -> AsyncIterator[str]:
    """A server of somebody else's, with these pages (JSON where they begin with a brace); they may be changed."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readline()).decode().split()[1]
        while (await reader.readline()).strip():
            pass  # its headers
        body = pages.get(path, "")
        kind = "application/json" if body.startswith("{") else "text/html"
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n"
        writer.write((head + body).encode())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_page_that_the_proxy_allows_frames_the_client_in_its_own_colours(
    browser: Browser, tmp_path: Path
) -> None:
    (frame,) = (text for text in shown("html") if text.startswith("<iframe"))
    pages: dict[str, str] = {}
    async with (
        site(pages) as shop,
        site(pages) as other,
        started_node(tmp_path) as (_, world),
        nginx(tmp_path, world.base_url, shop) as url,
    ):
        pages["/"] = frame.replace(f"{CHAT}/", f"{url}/")
        opened = await browser.new_page()
        await opened.goto(f"{shop}/")
        login = opened.frame_locator("iframe").get_by_role("button", name="Log in")
        await expect(login).to_have_css("background-color", "rgb(11, 110, 79)")
        assert "<title>Shop</title>" in (await (await world.http()).get(f"{url}/web/icon.svg")).text
        await opened.goto(f"{other}/")
        await expect(opened.locator("iframe")).to_be_visible()
        assert await login.count() == 0, "another page may not frame it"
        await opened.close()


async def test_the_page_of_the_guide_talks_with_a_session_from_its_own_server(browser: Browser, tmp_path: Path) -> None:
    (body,) = (text for text in shown("html") if "<script" in text)
    pages: dict[str, str] = {}
    async with (
        site(pages) as shop,
        started_node(tmp_path, server={"allowed_origins": [shop]}) as (_, world),
    ):
        customer, seller = await world.circle(2)
        device = await world.device(seller)
        login = {"username": customer.username, "password": PASSWORD, "deviceId": "web-1"}
        given = await customer.post("/api/login", login)
        session = {name: given[name] for name in ("token", "refreshToken", "userId")}
        session |= {"username": customer.username, "deviceId": "web-1", "to": seller.user_id}
        pages |= {"/": body.replace(CHAT, world.base_url), "/chat-session": json.dumps(session)}
        opened = await browser.new_page()
        await opened.goto(f"{shop}/")
        await opened.wait_for_function("() => document.querySelector('form').onsubmit")
        await opened.get_by_label("Message").fill("is it in stock?")
        await opened.get_by_role("button", name="Send").click()
        assert (await device.push("message"))["payload"] == {"text": "is it in stock?"}
        await seller.post("/api/messages", seller.text(customer, "<b>yes</b>"))
        await expect(opened.locator("#said li")).to_have_text(["is it in stock?", "<b>yes</b>"])
        await opened.close()
