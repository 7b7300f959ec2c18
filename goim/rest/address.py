"""Where a request comes from: the socket's peer, or what a proxy that we trust says about it."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from litestar import Request

_UNKNOWN = "unknown"


class Addresses:
    """Tells clients apart. `trusted` are addresses or networks of proxies, whose X-Forwarded-For is believed."""

    def __init__(self, trusted: Sequence[str]) -> None:
        self._trusted = [ip_network(each, strict=False) for each in trusted]

    def of(self, request: Request[Any, Any, Any]) -> str:
        """The client's address; of IPv6 its /64, which is what one customer has."""
        client = request.client
        address = _parse(client.host if client is not None else "")
        # one list, whether a proxy adds to the client's header or writes one of its own below it
        hops = ",".join(request.headers.getall("x-forwarded-for", [])).split(",")
        while address is not None and self._is_trusted(address) and hops:
            address = _parse(hops.pop().strip()) or address
        return _UNKNOWN if address is None else _bucket(address)

    def _is_trusted(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._trusted)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _bucket(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((address, 64), strict=False))
