"""People who speak Matrix: each waits in `/sync` for what is new, or puts one message after another into a room."""

from __future__ import annotations

from collections import deque
from urllib.parse import quote

import msgspec

from loadtest.peers import matrix
from loadtest.peers.talking import Client, Part, PeerIdling, PeerTalking
from loadtest.plan import Person
from loadtest.sockets import Loop

_WAIT = 30.0
_DONE = 200


class MatrixClient(Client):
    """One connection. Who speaks does not wait for what is new: nobody else says anything to them.

    The next message goes out when the one before is answered, as clients do that keep their messages in order; a
    wider window waits in the client.
    """

    def __init__(self, loop: Loop, person: Person, address: dict[str, str], text: str, part: Part) -> None:
        self._room = quote(address.get("roomId", ""))
        self._waiting: deque[int] = deque()
        self._asked = 0
        self._since = ""
        self._rest = b""
        super().__init__(loop, person, address, text, part)

    def connected(self) -> None:
        self._sync(0.0)

    def send(self, number: int) -> None:
        self._waiting.append(number)
        if not self._asked:
            self._put()

    def feed(self, data: bytes, now: float) -> None:
        self._rest += data
        while (found := matrix.answer(self._rest)) is not None:
            status, body, self._rest = found
            if self._asked:
                self._answered(status, now)
            else:
                self._news(status, body, now)

    def _put(self) -> None:
        own = self.part.own
        assert own is not None
        self._asked = self._waiting.popleft()
        number = own.id_of(self._asked)
        path = f"/_matrix/client/v3/rooms/{self._room}/send/m.room.message/{number}"
        content = {"msgtype": "m.text", "body": self.text, "number": number}
        self._request("PUT", path, msgspec.json.encode(content))

    def _answered(self, status: int, now: float) -> None:
        number, self._asked = self._asked, 0
        self.part.answered(number, now, "" if status == _DONE else f"HTTP {status}")
        if self._waiting and not self._asked:
            self._put()

    def _news(self, status: int, body: bytes, now: float) -> None:
        if status != _DONE:
            raise ConnectionError(f"refused: {status} {body.decode(errors='replace')[:200]}")
        sync = matrix.read_sync(body)
        is_first, self._since = not self._since, sync.next_batch
        if is_first:
            self.ready()
        else:
            self._hear(sync, now)
        if self.part.own is None:
            self._sync(_WAIT)

    def _hear(self, sync: matrix.Sync, now: float) -> None:
        for room in sync.rooms.join.values():
            for content in (event.content for event in room.timeline.events):
                self.part.heard(content.number, now, is_intact=content.body == self.text)

    def _sync(self, seconds: float) -> None:
        self._request("GET", matrix.sync(self._since, seconds))

    def _request(self, method: str, path: str, body: bytes = b"") -> None:
        self.write(matrix.request(method, path, self.loop.target.authority, self.person.token, body))


class MatrixTalking(PeerTalking):
    """Pairs and rooms that talk."""

    client = MatrixClient


class MatrixIdling(PeerIdling):
    """People who wait for what is new."""

    client = MatrixClient
