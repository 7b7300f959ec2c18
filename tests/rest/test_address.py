"""Where a request comes from, as far as anybody can be believed."""

from __future__ import annotations

from typing import Any

import pytest
from litestar import Request

from goim.rest.address import Addresses


def _address(trusted: list[str], peer: str | None, forwarded: str | None = None) -> str:
    headers = [] if forwarded is None else [(b"x-forwarded-for", forwarded.encode())]
    scope: Any = {"type": "http", "headers": headers, "client": None if peer is None else (peer, 1234)}
    request: Request[Any, Any, Any] = Request(scope)
    return Addresses(trusted).of(request)


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "address"),
    [
        ([], "192.0.2.1", None, "192.0.2.1"),
        ([], "192.0.2.1", "10.0.0.1", "192.0.2.1"),
        (["10.0.0.0/8"], "192.0.2.1", "203.0.113.5", "192.0.2.1"),
        (["10.0.0.1"], "10.0.0.1", "203.0.113.5", "203.0.113.5"),
        (["10.0.0.1"], "10.0.0.1", "1.1.1.1, 203.0.113.5", "203.0.113.5"),
        (["10.0.0.0/8"], "10.0.0.1", "1.1.1.1, 203.0.113.5, 10.0.0.2", "203.0.113.5"),
        (["10.0.0.0/8"], "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        (["10.0.0.1"], "10.0.0.1", None, "10.0.0.1"),
        (["10.0.0.1"], "10.0.0.1", "", "10.0.0.1"),
        (["10.0.0.1"], "10.0.0.1", "203.0.113.5, nonsense", "203.0.113.5"),
        ([], "2001:db8:1:2:3:4:5:6", None, "2001:db8:1:2::/64"),
        ([], "2001:db8:1:2::9", None, "2001:db8:1:2::/64"),
        ([], "::ffff:192.0.2.1", None, "192.0.2.1"),
        (["10.0.0.1"], "::ffff:10.0.0.1", "203.0.113.5", "203.0.113.5"),
        ([], None, "203.0.113.5", "unknown"),
        ([], "/run/goim.sock", None, "unknown"),
    ],
)
def test_only_what_a_trusted_proxy_says_is_believed(
    trusted: list[str], peer: str | None, forwarded: str | None, address: str
) -> None:
    assert _address(trusted, peer, forwarded) == address


def test_a_header_that_the_client_sent_does_not_hide_the_one_that_a_proxy_wrote_below_it() -> None:
    headers = [(b"x-forwarded-for", b"192.0.2.66"), (b"x-forwarded-for", b"203.0.113.5")]
    scope: Any = {"type": "http", "headers": headers, "client": ("10.0.0.1", 1234)}
    assert Addresses(["10.0.0.1"]).of(Request(scope)) == "203.0.113.5"
