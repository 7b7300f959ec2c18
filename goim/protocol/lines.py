"""Framing of the TCP side, without a socket: one envelope a line."""

from __future__ import annotations


class LineTooLong(Exception):
    """A line exceeds what a frame may have."""


class Lines:
    """Takes bytes as they come, gives whole lines without their end (`\\n` or `\\r\\n`); empty lines are left out."""

    __slots__ = ("_limit", "_partial")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._partial = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are whole now; `LineTooLong` as soon as one, whole or not, is longer than the limit."""
        *whole, self._partial = (self._partial + data).split(b"\n")
        lines = [line.removesuffix(b"\r") for line in whole]
        if len(self._partial) > self._limit or any(len(line) > self._limit for line in lines):
            raise LineTooLong
        return [line for line in lines if line]
