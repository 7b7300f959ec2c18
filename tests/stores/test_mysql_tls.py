"""A MySQL-family server that is spoken to by TLS only."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from goim.config.dsn import Dsn
from goim.errors import StoreDown
from goim.stores.mysql import MysqlEngine
from tests.mysql_server import own_server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 127.0.0.1, signed by itself."""
    folder = tmp_path_factory.mktemp("certificate")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=goim"
    files = ("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem")
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    return folder / "cert.pem"


@pytest.fixture(scope="module")
def dsn(certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dsn]:
    keys = (f"--ssl-cert={certificate}", f"--ssl-key={certificate.parent / 'key.pem'}")
    with own_server(tmp_path_factory.mktemp("tls"), *keys, "--require-secure-transport=ON") as server:
        yield server.database("goim")


async def cipher(dsn: Dsn) -> str:
    async with MysqlEngine(dsn) as engine:
        [(_, name)] = await engine.fetch_rows("SHOW STATUS LIKE 'Ssl_cipher'")
        return str(name)


async def test_a_certificate_that_nobody_signed_is_taken_if_that_is_said(dsn: Dsn) -> None:
    assert await cipher(replace(dsn, params={"tls": "skip-verify"}))
    with pytest.raises(StoreDown, match="CERTIFICATE_VERIFY_FAILED"):
        await cipher(replace(dsn, params={"tls": "true"}))


async def test_a_certificate_that_the_machine_trusts_is_taken(
    dsn: Dsn, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert await cipher(replace(dsn, params={"tls": "true"}))
    with pytest.raises(StoreDown, match="CERTIFICATE_VERIFY_FAILED"):
        await cipher(replace(dsn, host="localhost", params={"tls": "true"}))


async def test_who_comes_without_tls_is_not_let_in(dsn: Dsn) -> None:
    """MySQL says why; MariaDB says no more than to somebody whom it does not know."""
    with pytest.raises(StoreDown, match=r"add \?tls=true|Access denied"):
        await cipher(dsn)
