"""Reads the values people write into settings: durations, sizes, comma lists, addresses."""

from __future__ import annotations

import math
import re

from msgspec import Struct

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES = {"b": 1, "kb": 1000, "kib": 1 << 10, "mb": 1000**2, "mib": 1 << 20, "gb": 1000**3, "gib": 1 << 30}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhd]))+")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([a-z]*)")

URL = re.compile(r"https?://[^\s?#@/][^\s?#@]*")


class Address(Struct, frozen=True):
    """Where something listens; an empty host is every interface of the machine."""

    host: str
    port: int

    def with_port(self, port: int) -> str:
        """As people write it, with this port."""
        return f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"


def duration(value: object) -> float:
    """Seconds, of a number or of "90s", "5m", "1h30m", "30d"; "off" is 0."""
    if isinstance(value, str):
        text = value.strip().lower()
        if text == "off":
            return 0.0
        if _DURATION.fullmatch(text):
            return sum(float(number) * _SECONDS[unit] for number, unit in re.findall(r"([\d.]+)(ms|[smhd])", text))
    seconds = _number(value)
    if seconds is None:
        raise ValueError('must be a duration: seconds, or a text like "90s", "5m", "30d"')
    return seconds


def size(value: object) -> int:
    """Bytes, of a number or of "64KiB", "50MiB", "1GB"."""
    found = _SIZE.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if found and found[2] in _BYTES:
        return int(float(found[1]) * _BYTES[found[2]])
    number = _number(value)
    if number is None or number != int(number):
        raise ValueError('must be a size: bytes, or a text like "64KiB", "50MiB"')
    return int(number)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def show_duration(seconds: float) -> str:
    """The shortest text that `duration` reads as `seconds`."""
    if not seconds:
        return "off"
    for unit in ("d", "h", "m"):
        if seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:g}{unit}"
    return f"{seconds:g}s"


def show_size(number: int) -> str:
    """The shortest text that `size` reads as `number`."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number and number % factor == 0:
            return f"{number // factor}{unit}"
    return str(number)


def comma_list(value: object) -> object:
    """The items of "a, b" without empty ones; a real list stays as it is."""
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


def address(text: str) -> Address:
    """Read "host:port", "[::1]:port", or ":port" for every interface."""
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError('must be an address: "host:port", or ":port" for every interface')
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError('must have its IPv6 address in brackets, like "[::1]:8080"')
    return Address(host, int(port))
