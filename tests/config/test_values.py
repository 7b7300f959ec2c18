"""Durations, sizes, lists and addresses as people write them."""

from __future__ import annotations

import pytest

from goim.config.values import Address, address, comma_list, duration, show_duration, show_size, size


@pytest.mark.parametrize(
    ("written", "seconds"),
    [(300, 300), ("300", 300), (1.5, 1.5), ("5m", 300), ("1h30m", 5400), ("30d", 2592000), ("250ms", 0.25), ("off", 0)],
)
def test_a_duration_is_seconds_or_a_text_with_units(written: object, seconds: float) -> None:
    assert duration(written) == seconds


@pytest.mark.parametrize(
    "written", [-1, "-5m", "5 minutes", "", "m", True, [5], float("inf"), float("nan"), "nan", None]
)
def test_what_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="must be a duration"):
        duration(written)


@pytest.mark.parametrize(
    ("written", "number"),
    [(1024, 1024), ("1024", 1024), ("64KiB", 65536), ("50 MiB", 52428800), ("1gb", 10**9), ("1.5KiB", 1536)],
)
def test_a_size_is_bytes_or_a_text_with_a_unit(written: object, number: int) -> None:
    assert size(written) == number


@pytest.mark.parametrize("written", [-1, 1.5, "big", "5 bananas", True, None, ""])
def test_what_is_no_size_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="must be a size"):
        size(written)


@pytest.mark.parametrize("seconds", [0, 0.5, 45, 60, 90, 300, 3600, 86400, 2592000])
def test_a_shown_duration_reads_as_itself(seconds: float) -> None:
    assert duration(show_duration(seconds)) == seconds


@pytest.mark.parametrize("number", [0, 1, 1000, 1024, 131072, 1 << 20, 50 << 20, 3 << 30])
def test_a_shown_size_reads_as_itself(number: int) -> None:
    assert size(show_size(number)) == number


def test_a_comma_list_drops_blanks_and_a_real_list_stays() -> None:
    assert comma_list("a, b,,c ") == ["a", "b", "c"]
    assert comma_list("") == []
    assert comma_list(["a,b"]) == ["a,b"]


@pytest.mark.parametrize(
    ("written", "host", "port"),
    [
        (":8080", "", 8080),
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("[::1]:80", "::1", 80),
        ("im.example:443", "im.example", 443),
    ],
)
def test_an_address_may_leave_out_the_host(written: str, host: str, port: int) -> None:
    assert address(written) == Address(host, port)


@pytest.mark.parametrize("written", ["8080", "host", "host:", ":99999", ":-1", "::1:80", ":٣"])
def test_what_is_no_address_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"must (be an address|have its IPv6 address in brackets)"):
        address(written)
