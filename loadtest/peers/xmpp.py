"""As much of XMPP as a client of a load test speaks: what it writes, and where what it reads begins and ends.

No parser: it takes what servers write, who escape each `>` of a text or an attribute, and no stanza within another of
its name, which they write only when asked for an archive or for copies to other devices. What it cannot make out stays
unread, so that a message in it is missed and counted as lost.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator

_NAME = re.compile(rb"</?([^\s/>]+)")
_ATTRIBUTE = rb"""\s%s=['"]([^'"]*)"""
_ID, _KIND, _COUNT = (re.compile(_ATTRIBUTE % name) for name in (b"id", b"type", b"h"))
_SLASH = ord("/")
_UNCLOSED = (b"?xml", b"stream:stream")

OPEN = (
    b"<?xml version='1.0'?><stream:stream to='%s' version='1.0' xmlns='jabber:client' "
    b"xmlns:stream='http://etherx.jabber.org/streams'>"
)
BIND = b"<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>bench</resource></bind></iq>"
ENABLE = b"<enable xmlns='urn:xmpp:sm:3'/>"
PLEASE_ACK = b"<r xmlns='urn:xmpp:sm:3'/>"
ACK = b"<a xmlns='urn:xmpp:sm:3' h='%d'/>"
HERE = b"<presence/><iq type='get' id='here'><ping xmlns='urn:xmpp:ping'/></iq>"
JOIN = b"<presence to='%s/%s'><x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x></presence>"
_MEMBERS = b"<iq type='set' id='members' to='%s'><query xmlns='http://jabber.org/protocol/muc#admin'>%s</query></iq>"
_MEMBER = b"<item affiliation='member' jid='%s'/>"


def stanzas(data: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The whole elements of a stream, each with its name, and what is left of the last."""
    found: list[tuple[bytes, bytes]] = []
    start = data.find(b"<")
    while start >= 0:
        head = data.find(b">", start)
        name = _name(data, start)
        if head >= 0 and data[head - 1] != _SLASH and name not in _UNCLOSED:
            last = data.find(b"</%s>" % name, head)
            head = last + len(name) + 2 if last >= 0 else -1
        if head < 0:
            return found, data[start:]
        found.append((name, data[start : head + 1]))
        start = data.find(b"<", head)
    return found, b""


def _name(data: bytes, start: int) -> bytes:
    if data.startswith(b"<message ", start):
        return b"message"
    found = _NAME.match(data, start)
    return found[1] if found else b""


def id_of(stanza: bytes) -> bytes:
    return _first(_ID, stanza)


def kind_of(stanza: bytes) -> bytes:
    """Its `type`."""
    return _first(_KIND, stanza)


def count_of(ack: bytes) -> int:
    """How many stanzas the server says it has taken."""
    return int(_first(_COUNT, ack) or -1)


def plain(username: str, password: str) -> bytes:
    """A login whose password is told as it is: only for loopback."""
    secret = b64encode(f"\0{username}\0{password}".encode())
    return b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>" % secret


def message(to: str, kind: str) -> tuple[bytes, bytes]:
    """A message in two pieces: its id stands between them, and `</body></message>` after its text."""
    return b"<message to='%s' type='%s' id='" % (to.encode(), kind.encode()), b"'><body>"


def members(room: str, jids: Iterator[str]) -> bytes:
    """What makes these people members of a room."""
    return _MEMBERS % (room.encode(), b"".join(_MEMBER % jid.encode() for jid in jids))


def _first(pattern: re.Pattern[bytes], stanza: bytes) -> bytes:
    found = pattern.search(stanza, 0, stanza.find(b">"))
    return found[1] if found else b""
