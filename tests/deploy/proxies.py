"""nginx and HAProxy with the examples of `deploy/`: addresses, ports, files and users are the test's, no more."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.process import PATIENCE, ROOT, answers, free_port

DEPLOY = ROOT / "deploy"
KINDS = ("nginx", "haproxy")


def needed(program: str, package: str) -> str:
    """Where a program is. Skip where there is none; in CI there has to be."""
    if found := shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"):
        return found
    reason = f"no {program} (Debian and Ubuntu: apt-get install {package})"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def replaced(text: str, changes: dict[str, str]) -> str:
    """The text with every pattern replaced; one that is not there any more is an error of the test."""
    for pattern, new in changes.items():
        text, times = re.subn(pattern, new, text, flags=re.MULTILINE)
        assert times, f"the example has no {pattern}"
    return text


@dataclass
class Proxy:
    """One of the two, as the example sets it up, between the test and some nodes."""

    kind: str
    folder: Path
    nodes: Sequence[int]
    tcp_nodes: Sequence[int] = ()

    def __post_init__(self) -> None:
        self.program = needed(self.kind, self.kind)
        self.folder.mkdir()
        self.port = free_port()
        self.tcp_port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.log = self.folder / "log"
        self.certificate = self.folder / "goim.crt"
        self._make_certificate()

    def configure(self, changes: dict[str, str]) -> list[str]:
        """Write its configuration, changed further, and return the command that runs it."""
        text = replaced(_nginx(self) if self.kind == "nginx" else _haproxy(self), changes)
        file = self.folder / "conf"
        file.write_text(text)
        if self.kind == "nginx":
            return [self.program, "-p", str(self.folder), "-c", str(file), "-g", "daemon off;"]
        return [self.program, "-db", "-f", str(file)]

    @contextlib.asynccontextmanager
    async def running(self, changes: dict[str, str] | None = None) -> AsyncIterator[str]:
        """Listens while the context is open; says where."""
        command = self.configure(changes or {})
        with self.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        try:
            async with asyncio.timeout(PATIENCE):
                while not await answers(self.port):
                    assert process.returncode is None, self.log.read_text()
                    await asyncio.sleep(0.02)  # noqa: TID251 it has no way to tell another process
            yield self.url
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()

    def logged(self) -> str:
        """Everything it has written down."""
        return "".join(path.read_text() for path in self.folder.glob("*log"))

    def _make_certificate(self) -> None:
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=goim"
        key = self.folder / "goim.key"
        extra = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(self.certificate)]
        subprocess.run([*command.split(), *extra], check=True, capture_output=True)
        (self.folder / "goim.pem").write_text(self.certificate.read_text() + key.read_text())


def _nginx(proxy: Proxy) -> str:
    folder = proxy.folder
    servers = "\n".join(f"server 127.0.0.1:{port} max_fails=2 fail_timeout=5s;" for port in proxy.nodes)
    ours = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi"))
    return replaced(
        (DEPLOY / "nginx/nginx.conf").read_text(),
        {
            r"^user www-data;": "user root;" if os.geteuid() == 0 else "",
            r"/run/nginx\.pid": f"{folder}/pid",
            r"worker_processes auto;": "worker_processes 1;",
            r"worker_rlimit_nofile 200000;": "",
            r"worker_connections 100000;": "worker_connections 500;",
            r"/var/log/nginx/(access|error)\.log": rf"{folder}/\1.log",
            r"/etc/nginx/goim\.(crt|key)": rf"{folder}/goim.\1",
            r"^http \{": f"http {{\n{ours}uwsgi_temp_path {folder}/uwsgi;\nscgi_temp_path {folder}/scgi;",
            r"listen \[::\].*": "",
            r"listen 443 ssl;": f"listen 127.0.0.1:{proxy.port} ssl;",
            r"listen 80;": f"listen 127.0.0.1:{free_port()};",
            r"(server 10\.0\.0\.1\d:8080 max_fails=2 fail_timeout=5s;\s+)+": f"{servers}\n",
        },
    )


def _haproxy(proxy: Proxy) -> str:
    servers = "\n".join(f"    server node{n} 127.0.0.1:{port}" for n, port in enumerate(proxy.nodes))
    tcp_servers = "\n".join(
        f"    server node{n} 127.0.0.1:{tcp} check port {port}"
        for n, (tcp, port) in enumerate(zip(proxy.tcp_nodes, proxy.nodes, strict=False))
    )
    return replaced(
        (DEPLOY / "haproxy/haproxy.cfg").read_text(),
        {
            r"^    (user|group) haproxy\n": "",
            r"log /dev/log local0": "log stdout format raw local0",
            r"maxconn 200000": "maxconn 500",
            r"/etc/haproxy/goim\.pem": f"{proxy.folder}/goim.pem",
            r":::443 v4v6": f"127.0.0.1:{proxy.port}",
            r":::9443 v4v6": f"127.0.0.1:{proxy.tcp_port}",
            r"(^    server \S+ \S+:8080\n)+": f"{servers}\n",
            r"(^    server \S+ \S+:9000 .*\n)+": f"{tcp_servers}\n",
        },
    )
