"""The people of `goimctl bench` for locust: its web page, its reports, its way over several machines.

Each registers, finds a friend and a group among those of the same process, then mostly reads, sometimes writes, rarely
uploads; who stops is erased. Every delivery is checked to come once and in order.
"""

from __future__ import annotations

import json
import secrets
from time import perf_counter
from typing import Any, ClassVar

import gevent
import websocket
from locust import HttpUser, between, task

_PASSWORD_BYTES = 16
_GROUP_SIZE = 20
_UPLOAD_BYTES = 65536
_PATIENCE = 30.0


class Person(HttpUser):
    """Reads 80 % of the time, writes to a friend 15 %, to a group 5 %, and uploads now and then."""

    wait_time = between(1, 3)
    alone: ClassVar[list[Person]] = []
    group: ClassVar[list[str]] = []  # the group that has room, once for each place in it

    def on_start(self) -> None:
        self._number = 0
        self._sent: dict[str, float] = {}
        self._seqs: dict[str, int] = {}
        self._socket: websocket.WebSocket | None = None
        self.conv_id = self.user_id = ""
        account = {"username": f"bench-{secrets.token_hex(8)}", "password": secrets.token_urlsafe(_PASSWORD_BYTES)}
        self._password = account["password"]
        self._ask("POST", "/api/register", account)
        login = self._ask("POST", "/api/login", account)
        self.user_id = login["userId"]
        self.client.headers["Authorization"] = f"Bearer {login['token']}"
        self._connect(login["token"])
        self._find_friend()
        self._join_group()

    def on_stop(self) -> None:
        if self in Person.alone:
            Person.alone.remove(self)
        if self.user_id:
            self._ask("DELETE", "/api/users/me", {"password": self._password})
        if self._socket is not None:
            self._socket.close()

    @task(40)
    def read_history(self) -> None:
        if self.conv_id:
            self._ask("GET", f"/api/messages/history?convId={self.conv_id}", name="/api/messages/history")

    @task(20)
    def list_conversations(self) -> None:
        self._ask("GET", "/api/conversations")

    @task(20)
    def sync(self) -> None:
        self._say("sync", {"convs": [{"convId": conv_id, "fromSeq": seq} for conv_id, seq in self._seqs.items()]})

    @task(15)
    def write_to_friend(self) -> None:
        if self.conv_id:
            self._send(self.conv_id)

    @task(5)
    def write_to_group(self) -> None:
        self._send(f"group:{self._group_id}")

    @task(1)
    def upload(self) -> None:
        self.client.post("/api/files/upload", files={"file": ("bench.bin", secrets.token_bytes(_UPLOAD_BYTES))})

    # before

    def _find_friend(self) -> None:
        """Two who are alone become friends; the one who came first is told by the other."""
        if not Person.alone:
            Person.alone.append(self)
            return
        other = Person.alone.pop()
        self._ask("POST", "/api/friends", {"friendId": other.user_id})
        other._ask("POST", "/api/friends", {"friendId": self.user_id})
        self.conv_id = other.conv_id = "c2c:" + ":".join(sorted((self.user_id, other.user_id)))
        data = {"convType": "c2c", "to": other.user_id, "type": "text", "payload": {"text": "hello"}}
        self._ask("POST", "/api/messages", data)

    def _join_group(self) -> None:
        if Person.group:
            self._group_id = Person.group.pop()
            self._ask("POST", f"/api/groups/{self._group_id}/join", {}, name="/api/groups/[id]/join")
        else:
            self._group_id = self._ask("POST", "/api/groups", {"name": "bench"})["groupId"]
            Person.group.extend([self._group_id] * (_GROUP_SIZE - 1))

    def _connect(self, token: str) -> None:
        url = f"{self.host or ''}".replace("http", "ws", 1).rstrip("/") + "/ws?deviceId=locust"
        begun = perf_counter()
        self._socket = websocket.create_connection(
            url, header=[f"Authorization: Bearer {token}"], timeout=_PATIENCE, suppress_origin=True
        )
        self._socket.settimeout(None)
        self._note("handshake", begun)
        gevent.spawn(self._listen, self._socket)

    # by socket

    def _send(self, conv_id: str) -> None:
        text = f"{perf_counter()!r} " + "x" * 80  # all who meet are in this process, and have its clock
        self._number += 1
        name = f"{self.user_id}-{self._number}"
        self._say("send", {"convId": conv_id, "type": "text", "clientMsgId": name, "payload": {"text": text}})

    def _say(self, action: str, data: dict[str, Any]) -> None:
        if self._socket is not None:
            number = secrets.token_hex(4)
            self._sent[number] = perf_counter()
            self._socket.send(json.dumps({"action": action, "id": number, "data": data}))

    def _listen(self, link: websocket.WebSocket) -> None:
        """Until the socket ends."""
        while True:
            try:
                text = link.recv()
            except (OSError, websocket.WebSocketException):
                return
            if not text:
                return
            self._hear(json.loads(text))

    def _hear(self, frame: dict[str, Any]) -> None:
        action, data = frame["action"], frame.get("data", {})
        begun = self._sent.pop(frame.get("id") or "", None)
        if begun is not None:
            refusal = RuntimeError(data.get("code")) if action == "error" else None
            self._note("send" if action == "ack" else action, begun, refusal)
        elif action == "message" and data["type"] == "text" and data["payload"]["text"] != "hello":
            newest = self._seqs.get(data["convId"], 0)
            wrong = RuntimeError("doubled or out of order") if data["seq"] <= newest else None
            self._seqs[data["convId"]] = max(newest, data["seq"])
            self._note("delivery", float(data["payload"]["text"].split()[0]), wrong)

    def _note(self, name: str, begun: float, error: Exception | None = None) -> None:
        self.environment.events.request.fire(
            request_type="WS",
            name=name,
            response_time=(perf_counter() - begun) * 1000,
            response_length=0,
            exception=error,
            context={},
        )

    # by HTTP

    def _ask(self, method: str, path: str, body: object = None, name: str = "") -> Any:
        answer = self.client.request(method, path, json=body, name=name or path)
        return answer.json() if answer.ok and answer.content else {}
