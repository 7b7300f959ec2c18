"""A client of goim for Python programs: bots, tests, terminals. It needs nothing of the server but the wire."""

from goim.client.answers import Message
from goim.client.client import Client
from goim.client.cursors import Cursor, Cursors, FileCursors, MemoryCursors
from goim.client.errors import SessionOver, Unreachable
from goim.client.events import Connected, Disconnected, Event, MessagePush, OtherPush, StreamText
from goim.client.link import Timing
from goim.client.streams import Stream
from goim.client.texts import text_of
from goim.errors import ErrorCode, GoimError

__all__ = [
    "Client",
    "Connected",
    "Cursor",
    "Cursors",
    "Disconnected",
    "ErrorCode",
    "Event",
    "FileCursors",
    "GoimError",
    "MemoryCursors",
    "Message",
    "MessagePush",
    "OtherPush",
    "SessionOver",
    "Stream",
    "StreamText",
    "Timing",
    "Unreachable",
    "text_of",
]
