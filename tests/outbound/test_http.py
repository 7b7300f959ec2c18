"""Requests to other people's servers, over real sockets."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from goim.outbound.base import Unreachable
from goim.outbound.guard import Guard
from goim.outbound.http import MAX_ANSWER, HttpPoster
from tests.process import free_port
from tests.receiver import Receiver, receiving

LOCAL = ["127.0.0.0/8"]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as each:
        yield each


@pytest.fixture
async def poster() -> AsyncIterator[HttpPoster]:
    made = HttpPoster(Guard(LOCAL))
    async with made.running():
        yield made


async def test_a_body_and_its_headers_arrive_and_the_answer_comes_back(receiver: Receiver, poster: HttpPoster) -> None:
    receiver.answer = lambda _: (201, b"thanks")
    receiver.headers = {"retry-after": "7"}
    answer = await poster.post(receiver.url("/in?a=1"), {"x-mine": "1"}, b'{"a":1}', within=5)
    assert (answer.status, answer.body, answer.is_ok, answer.retry_after) == (201, b"thanks", True, 7.0)
    [got] = receiver.got
    assert (got.path, got.body, got.headers["x-mine"]) == ("/in?a=1", b'{"a":1}', "1")
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"


async def test_a_redirect_is_an_answer_and_is_not_followed(receiver: Receiver, poster: HttpPoster) -> None:
    receiver.answer = lambda _: (302, b"")
    receiver.headers = {"location": receiver.url("/elsewhere")}
    answer = await poster.post(receiver.url("/in"), {}, b"x", within=5)
    assert (answer.status, answer.is_ok) == (302, False)
    assert [each.path for each in receiver.got] == ["/in"]


async def test_an_answer_without_end_is_cut_off(receiver: Receiver, poster: HttpPoster) -> None:
    receiver.answer = lambda _: (200, b"x" * (MAX_ANSWER + 1))
    with pytest.raises(Unreachable, match="too long"):
        await poster.post(receiver.url(), {}, b"x", within=5)
    receiver.answer = lambda _: (200, b"x" * MAX_ANSWER)
    assert len((await poster.post(receiver.url(), {}, b"x", within=5)).body) == MAX_ANSWER


async def test_who_does_not_answer_in_time_is_left(receiver: Receiver, poster: HttpPoster) -> None:
    receiver.held = asyncio.Event()
    with pytest.raises(Unreachable, match=r"no answer within 0\.05 s"):
        await poster.post(receiver.url(), {}, b"x", within=0.05)


async def test_nobody_there_is_unreachable_without_telling_the_url(poster: HttpPoster) -> None:
    with pytest.raises(Unreachable) as caught:
        await poster.post(f"http://127.0.0.1:{free_port()}/secret-path", {}, b"x", within=5)
    assert "secret-path" not in str(caught.value)


async def test_a_private_address_is_not_connected_to(receiver: Receiver) -> None:
    strict = HttpPoster(Guard())
    async with strict.running():
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises(Unreachable, match="not a public one"):
                await strict.post(receiver.url(host=host), {}, b"x", within=5)
    assert receiver.got == []


async def test_the_address_that_was_looked_at_is_the_one_connected_to(receiver: Receiver) -> None:
    """DNS rebinding: the name answers with an address that is allowed, and with another one when asked again."""
    answers = [["127.0.0.2"], ["127.0.0.1"]]
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return answers[min(len(asked), 2) - 1]

    poster = HttpPoster(Guard(["127.0.0.2"], rebinding))
    async with receiving("127.0.0.2", receiver.port) as looked_at, poster.running():
        url = receiver.url("/in", "rebinding.test")
        assert (await poster.post(url, {}, b"x", within=5)).is_ok
        assert asked == ["rebinding.test"]
        assert [each.headers["host"] for each in looked_at.got] == [f"rebinding.test:{receiver.port}"]
    poster = HttpPoster(Guard(["127.0.0.2"], rebinding))
    async with poster.running():
        with pytest.raises(Unreachable, match="not a public one"):
            await poster.post(url, {}, b"x", within=5)
    assert receiver.got == []


@pytest.mark.parametrize("addresses", [["127.0.0.1", "127.0.0.3"], ["127.0.0.3", "127.0.0.1"]])
async def test_each_address_of_a_name_is_tried(receiver: Receiver, addresses: list[str]) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    poster = HttpPoster(Guard(LOCAL, resolve))
    async with poster.running():
        assert (await poster.post(receiver.url(host="two.test"), {}, b"x", within=5)).is_ok


async def test_proxies_of_the_environment_are_not_used(
    receiver: Receiver, poster: HttpPoster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        assert (await poster.post(receiver.url(), {}, b"x", within=5)).is_ok
        assert (len(proxy.got), len(receiver.got)) == (0, 1)


async def test_nothing_of_a_request_is_logged(
    receiver: Receiver, poster: HttpPoster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await poster.post(receiver.url("/secret-path"), {}, b"secret", within=5)
    assert "secret" not in caplog.text


def certificate(folder: Path, name: str) -> Path:
    """A certificate for a name, signed by itself, with its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / f"{name}.pem"
    path.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return path


async def test_tls_goes_by_the_name_though_the_address_is_pinned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = certificate(tmp_path, "app.test")
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(path)

    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    trusting = ssl.create_default_context(cafile=str(path))
    poster = HttpPoster(Guard(LOCAL, resolve), trusting)
    async with receiving(context=serving) as receiver, poster.running():
        assert (await poster.post(receiver.url("/in", "app.test"), {}, b"x", within=5)).is_ok
        assert [each.sni for each in receiver.got] == ["app.test"]
        with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
            await poster.post(receiver.url("/in", "other.test"), {}, b"x", within=5)
    strict = HttpPoster(Guard(LOCAL, resolve))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    ours = HttpPoster(Guard(LOCAL, resolve))
    async with receiving(context=serving) as receiver, ours.running():
        assert (await ours.post(receiver.url("/in", "app.test"), {}, b"x", within=5)).is_ok
    async with receiving(context=serving) as receiver, strict.running():
        with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
            await strict.post(receiver.url("/in", "app.test"), {}, b"x", within=5)
