"""The client's half of a WebSocket as bytes: the opening request, masked frames out, whole frames in."""

from __future__ import annotations

from loadtest.target import Target

TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A
_MASK = 0x5A
_MASKED = bytes(byte ^ _MASK for byte in range(256))
_KEY = bytes((_MASK,)) * 4


def masked(data: bytes) -> bytes:
    """Mask a piece of a payload. All four bytes of the key are the same, so a piece may stand anywhere in its frame."""
    return data.translate(_MASKED)


def head(size: int, first: int = TEXT) -> bytes:
    """What stands before `size` masked bytes."""
    if size < 126:
        return bytes((first, 0x80 | size)) + _KEY
    if size < 65536:
        return bytes((first, 0xFE)) + size.to_bytes(2, "big") + _KEY
    return bytes((first, 0xFF)) + size.to_bytes(8, "big") + _KEY


def frame(payload: bytes, first: int = TEXT) -> bytes:
    """A whole masked frame."""
    return head(len(payload), first) + masked(payload)


def opening(target: Target, device_id: str, token: str) -> bytes:
    """The HTTP request that becomes a WebSocket."""
    return (
        f"GET {target.path}/ws?deviceId={device_id} HTTP/1.1\r\n"
        f"Host: {target.authority}\r\nAuthorization: Bearer {token}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def split(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """The whole frames (first byte, payload) that a server sent, and the bytes of a frame that is not complete yet."""
    frames: list[tuple[int, bytes]] = []
    start, end = 0, len(data)
    while end - start >= 2:
        size, body = data[start + 1], start + 2
        if size >= 126:
            body += 2 if size == 126 else 8
            size = int.from_bytes(data[start + 2 : body], "big")
        stop = body + size
        if body > end or stop > end:
            break
        frames.append((data[start], data[body:stop]))
        start = stop
    return frames, data[start:]
