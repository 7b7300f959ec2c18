"""Says to which addresses a request may go: what others name must not lead into our own network (SSRF).

The address that was looked at is the one that is connected to: a name that answers differently the second time (DNS
rebinding) is not asked a second time.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from goim.outbound.base import Unreachable

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, in the order to try them."""
_NAT64 = IPv6Network("64:ff9b::/96")


async def system_resolve(host: str, port: int) -> Sequence[str]:
    """What the machine's own resolver says."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # the latter where a name cannot be one
        raise Unreachable("its name is not known") from None
    return [str(each[4][0]) for each in found]


class Guard:
    """Lets public addresses pass, and of the others only those that `allowed` names: hosts, addresses or networks."""

    def __init__(self, allowed: Sequence[str] = (), resolve: Resolve = system_resolve) -> None:
        self._resolve = resolve
        self._networks = [network for text in allowed if (network := _network(text)) is not None]
        self._hosts = {text.lower() for text in allowed if _network(text) is None}

    def names(self, host: str) -> bool:
        """Whether this very host is allowed by the settings, by its name or as an address."""
        address = _address(host)
        return host.lower() in self._hosts if address is None else self._is_listed(address)

    async def addresses(self, host: str, port: int) -> list[str]:
        """Where to connect for a host; `Unreachable` if any of its addresses may not be reached."""
        literal = _address(host)
        found = [str(literal)] if literal is not None else list(await self._resolve(host, port))
        if not found:
            raise Unreachable("its name has no address")
        if host.lower() not in self._hosts:
            for text in found:
                self._check(text)
        return list(dict.fromkeys(found))

    def _check(self, text: str) -> None:
        address = _address(text)
        if address is None or not (_is_public(address) or self._is_listed(address)):
            raise Unreachable("its address is not a public one, and no allow_private names it")

    def _is_listed(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address.version == network.version and address in network for network in self._networks)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text.partition("%")[0])  # an IPv6 address may name its interface
    except ValueError:
        return None


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text)
    except ValueError:
        return None


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address belongs to the internet at large; one that wraps an IPv4 address is what that is."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return _is_public(inner)
        if address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast
