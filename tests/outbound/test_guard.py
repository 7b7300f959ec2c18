"""What others name must not lead into our own network."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from goim.outbound.base import Unreachable
from goim.outbound.guard import Guard

PRIVATE = [
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "224.0.0.1",
    "239.255.255.250",
    "255.255.255.255",
    "198.18.0.1",
    "192.0.2.1",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
]


def answering(*addresses: str) -> Guard:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return Guard(resolve=resolve)


@pytest.mark.parametrize("address", PRIVATE)
async def test_an_address_that_is_not_public_is_refused_named_or_behind_a_name(address: str) -> None:
    with pytest.raises(Unreachable):
        await Guard().addresses(address, 80)
    with pytest.raises(Unreachable):
        await answering(address).addresses("innocent.test", 80)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822"])
async def test_a_public_address_passes(address: str) -> None:
    assert await Guard().addresses(address, 80) == [address]
    assert await answering(address).addresses("a.test", 80) == [address]


async def test_one_private_address_among_public_ones_refuses_the_name() -> None:
    with pytest.raises(Unreachable):
        await answering("93.184.216.34", "10.0.0.1").addresses("a.test", 80)


@pytest.mark.parametrize("host", ["0x7f000001", "2130706433", "127.1", "localhost", "0"])
async def test_other_spellings_of_this_machine_are_resolved_and_refused(host: str) -> None:
    with pytest.raises(Unreachable):
        await Guard().addresses(host, 80)


async def test_settings_may_allow_hosts_addresses_and_networks() -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["10.0.0.7"]

    guard = Guard(["app.internal", "10.1.0.0/16", "fd00::/8", "192.168.0.9"], resolve)
    assert await guard.addresses("App.Internal", 80) == ["10.0.0.7"]
    assert await guard.addresses("10.1.2.3", 80) == ["10.1.2.3"]
    assert await guard.addresses("fd00::5", 80) == ["fd00::5"]
    assert await guard.addresses("192.168.0.9", 80) == ["192.168.0.9"]
    for host in ("other.internal", "10.2.0.1", "192.168.0.8"):
        with pytest.raises(Unreachable):
            await guard.addresses(host, 80)


async def test_a_name_without_an_address_is_unreachable() -> None:
    with pytest.raises(Unreachable):
        await answering().addresses("a.test", 80)
    with pytest.raises(Unreachable):
        await Guard().addresses("no-such-name.invalid", 80)
    with pytest.raises(Unreachable):
        await Guard().addresses("a" * 80 + ".test", 80)
