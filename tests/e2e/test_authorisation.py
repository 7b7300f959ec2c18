"""Who may do what: every action and every route, asked by everybody; not mine looks exactly like not there."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import pytest_asyncio
from litestar.routes import ASGIRoute, HTTPRoute
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from goim.actions.table import ACTIONS
from goim.app.node import Node
from goim.errors import HTTP_STATUS, ErrorCode
from goim.rest.routes import build_api
from tests.client import Person
from tests.e2e.scene import GHOSTS, ROLES, TEXT, TUS, Names, Scene, filled, set_scene
from tests.node import started_node

pytestmark = pytest.mark.asyncio(loop_scope="module")

# fmt: off
WORDS = {
    "no": "UNAUTHORIZED", "none": "NOT_FOUND", "out": "NOT_GROUP_MEMBER", "low": "FORBIDDEN", "hush": "MUTED",
    "block": "BLOCKED", "alien": "NOT_FRIEND", "wrong": "BAD_CREDENTIALS", "taken": "USERNAME_TAKEN",
    "busy": "CALL_BUSY",
}
# Who may?          nobody stranger blocked former left  kicked muted member admin owner
ANYBODY         = "  ok     ok      ok      ok     ok    ok     ok    ok     ok    ok   "
REGISTERED      = "  no     ok      ok      ok     ok    ok     ok    ok     ok    ok   "
NOT_THEIRS      = "  no     none    none    none   none  none   none  none   none  none "
HIDDEN          = "  none   none    none    none   none  none   none  none   none  none "
# … in the group: for actions and messages it is not there for those outside, for its own routes they are outside
READERS         = "  no     none    none    none   none  none   ok    ok     ok    ok   "
SPEAKERS        = "  no     none    none    none   none  none   hush  ok     ok    ok   "
HOLDERS         = "  none   none    none    none   none  none   ok    ok     ok    ok   "
LOUD            = "  no     none    none    none   none  none   hush  hush   ok    ok   "
REMOVERS        = "  no     none    none    none   none  none   low   low    ok    ok   "
AUTHORS         = "  no     none    none    none   none  none   ok    ok     ok    ok   "
NOT_AUTHORS     = "  no     none    none    none   none  none   hush  low    low   low  "
EDITORS         = "  no     none    none    none   none  none   hush  ok     ok    ok   "
INSIDERS        = "  no     out     out     out    out   out    ok    ok     ok    ok   "
ADMINS          = "  no     out     out     out    out   out    low   low    ok    ok   "
OWNERS          = "  no     out     out     out    out   out    low   low    low   ok   "
DECIDERS        = "  no     out     out     out    out   out    low   low    none  none "
LEAVERS         = "  no     out     out     out    out   out    ok    ok     ok    low  "
NOBODY_INSIDE   = "  no     out     out     out    out   out    low   low    low   low  "
NOWHERE_INSIDE  = "  no     none    none    none   none  none   none  none   none  none "
# … with Ann: the blocked one and the former friend still read what was said; only the owner is her friend
ANNS_READERS    = "  no     none    ok      ok     none  none   none  none   none  ok   "
ANNS_WRITERS    = "  no     none    block   alien  none  none   none  none   none  ok   "
ANNS_FRIENDS    = "  no     alien   block   alien  alien alien  alien alien  alien ok   "
ANNS_CALLERS    = "  no     alien   block   alien  alien alien  alien alien  alien busy "
ANNS_REMARKS    = "  no     none    ok      none   none  none   none  none   none  ok   "
ANNS_ADMIRERS   = "  no     ok      block   ok     ok    ok     ok    ok     ok    ok   "
ANNS_COMPANY    = "  no     blank   blank   blank  blank blank  ok    ok     ok    ok   "
NOT_ANN         = "  no     none    low     low    none  none   none  none   none  low  "
YANS_FRIENDS    = "  no     none    none    none   none  none   none  none   none  ok   "
# … who runs goim: none of these, whatever they are in a group, and whether what they ask for is there or not
OPERATORS       = "  no     low     low     low    low   low    low   low    low    low  "
# … who says what is wrong
WRONG_PASSWORD  = "  no     wrong   wrong   wrong  wrong wrong  wrong wrong  wrong wrong"
WRONG_TOKEN     = "  no     no      no      no     no    no     no    no     no    no   "
TAKEN_NAME      = "  taken  taken   taken   taken  taken taken  taken taken  taken taken"
BLANK_SYNC      = "  no     blank   blank   blank  blank blank  blank blank  blank blank"
GROUP_SYNC      = "  no     blank   blank   blank  blank blank  ok    ok     ok    ok   "
ANN_SYNC        = "  no     blank   ok      ok     blank blank  blank blank  blank ok   "
# fmt: on


@dataclass(frozen=True)
class Row:
    """A request as a template over the names of the scene, and what becomes of it for each role.

    `request` is an action or `METHOD /path`. `has_content` tells a good answer with something in it from an empty one.
    `group` is where it happens: the one that all rows share, a new one for the row or for each role (where the request
    would spoil it for others), or a silent one. `login` gives each role a session of its own to spend. `ghosts` are
    the names that are replaced by names of nothing, to see that the answer stays the same.
    """

    request: str
    who: str
    data: Any = None
    has_content: Callable[[Any], Any] = lambda _: True
    group: str = "shared"
    login: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    form: Any = None
    ghosts: Sequence[str] = tuple(GHOSTS)

    @property
    def expected(self) -> dict[str, str]:
        return dict(zip(ROLES, (WORDS.get(word, word) for word in self.who.split()), strict=True))

    @property
    def is_http(self) -> bool:
        return "/" in self.request

    def filled(self, names: Names) -> tuple[str, Any]:
        """The request as one of them makes it."""
        return filled(self.request, names), filled(self.data, names)

    def is_hidden(self, answer: Answer, role: str) -> bool:
        """Whether what was asked for must look as if it were not there. (Nor do strangers learn who is there.)"""
        outcome = self.outcome(answer)
        return outcome == "NOT_FOUND" or (outcome == "NOT_FRIEND" and role == "stranger")

    def outcome(self, answer: Answer) -> str:
        """The word for what came back."""
        if not answer.is_good:
            return answer.code
        return "ok" if self.has_content(answer.body) else "blank"


TUS_BYTES = TUS | {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
IN_GROUP = {"groupId": "{group}"}
TO_ANN = {"convType": "c2c", "to": "{ann}"}
ONE = {"seq": 1}
HELLO = {"payload": {"text": "Hello"}}
STREAM = {"type": "stream", "payload": {"text": ""}}
SDP = {"type": "offer", "sdp": "v=0"}
PUSH = {"web_push": True, "vapid_subject": "mailto:ops@goim.test"}
KEYS = {  # of the example in RFC 8291, §5: the same in every run
    "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
}
BROWSER = {"type": "webpush", "endpoint": "https://push.invalid/", "keys": KEYS, "deviceId": "browser"}

ACTION_ROWS = [
    Row("send", SPEAKERS, IN_GROUP | TEXT),
    Row("send", SPEAKERS, {"convId": "{conv}"} | TEXT),
    Row("send", LOUD, IN_GROUP | TEXT, group="silent"),
    Row("send", ANNS_FRIENDS, TO_ANN | TEXT),
    Row("send", ANNS_WRITERS, {"convId": "{pair}"} | TEXT),
    Row("send", NOT_THEIRS, {"convId": "{theirs}"} | TEXT),
    Row("send", NOT_THEIRS, {"convId": "{theirs}", "convType": "c2c"} | TEXT),
    Row("recall", REMOVERS, {"convId": "{conv}", "serverMsgId": "{message}"}, group="new"),
    Row("recall", AUTHORS, {"convId": "{conv}", "serverMsgId": "{mine}"}, group="new"),
    Row("recall", NOT_ANN, {"convId": "{pair}", "serverMsgId": "{pair_message}"}),
    Row("recall", NOT_THEIRS, {"convId": "{theirs}", "serverMsgId": "{theirs_message}"}),
    Row("recall", NOWHERE_INSIDE, {"convId": "{conv}", "serverMsgId": "{theirs_message}"}, ghosts=["theirs_message"]),
    Row("edit", NOT_AUTHORS, {"convId": "{conv}", "serverMsgId": "{message}"} | HELLO),
    Row("edit", NOT_THEIRS, {"convId": "{theirs}", "serverMsgId": "{theirs_message}"} | HELLO),
    Row("edit", EDITORS, {"convId": "{conv}", "serverMsgId": "{mine}"} | HELLO, group="new"),
    Row("react", SPEAKERS, {"convId": "{conv}", "serverMsgId": "{message}", "emoji": "👍"}),
    Row("react", ANNS_WRITERS, {"convId": "{pair}", "serverMsgId": "{pair_message}", "emoji": "👍"}),
    Row("react", NOT_THEIRS, {"convId": "{theirs}", "serverMsgId": "{theirs_message}", "emoji": "👍"}),
    Row("start_stream", SPEAKERS, IN_GROUP | STREAM),
    Row("start_stream", LOUD, IN_GROUP | STREAM, group="silent"),
    Row("start_stream", ANNS_FRIENDS, TO_ANN | STREAM),
    Row("start_stream", ANNS_WRITERS, {"convId": "{pair}"} | STREAM),
    Row("start_stream", NOT_THEIRS, {"convId": "{theirs}"} | STREAM),
    Row("stream_chunk", NOT_THEIRS, {"streamId": "{stream}", "delta": "!"}),
    Row("end_stream", NOT_THEIRS, {"streamId": "{stream}"}),
    Row("read", READERS, {"convId": "{conv}"} | ONE),
    Row("read", ANNS_READERS, {"convId": "{pair}"} | ONE),
    Row("read", NOT_THEIRS, {"convId": "{theirs}"} | ONE),
    Row("subscribe_group", READERS, IN_GROUP),
    Row("sync", GROUP_SYNC, {"convs": [{"convId": "{conv}"}]}, lambda reply: reply["data"]["convs"]),
    Row("sync", ANN_SYNC, {"convs": [{"convId": "{pair}"}]}, lambda reply: reply["data"]["convs"]),
    Row("sync", BLANK_SYNC, {"convs": [{"convId": "{theirs}"}]}, lambda reply: reply["data"]["convs"]),
    Row("typing", SPEAKERS, {"convId": "{conv}", "typing": True}),
    Row("typing", ANNS_WRITERS, {"convId": "{pair}", "typing": True}),
    Row("typing", NOT_THEIRS, {"convId": "{theirs}", "typing": True}),
    Row("ping", REGISTERED, {}),
    Row("call_start", ANNS_CALLERS, {"to": "{ann}", "type": "audio"}),
    Row("call_answer", NOT_THEIRS, {"callId": "{call}"}),
    Row("call_reject", NOT_THEIRS, {"callId": "{call}"}),
    Row("call_end", NOT_THEIRS, {"callId": "{call}"}),
    Row("webrtc_signaling", NOT_THEIRS, {"callId": "{call}", "to": "{ann}"} | SDP),
]

ANY_USER, ANY_GROUP = "/api/admin/users/{ann}", "/api/admin/groups/{group}"
ADMIN_REQUESTS: list[tuple[str, Any]] = [
    ("GET /api/admin/users", None),
    ("GET /api/admin/users?limit=0", None),
    ("POST /api/admin/users", {"username": "somebody", "password": "{password}"}),
    ("POST /api/admin/users", {"username": 1}),
    (f"GET {ANY_USER}", None),
    (f"DELETE {ANY_USER}", None),
    (f"POST {ANY_USER}/disable", None),
    (f"POST {ANY_USER}/enable", None),
    (f"PUT {ANY_USER}/password", {"password": "{password}"}),
    (f"GET {ANY_USER}/sessions", None),
    (f"DELETE {ANY_USER}/sessions", None),
    (f"DELETE {ANY_USER}/sessions/{{message}}", None),
    (f"GET {ANY_USER}/devices", None),
    (f"DELETE {ANY_USER}/devices/{{device}}", None),
    ("GET /api/admin/groups", None),
    ("POST /api/admin/groups", {"name": "Runs", "ownerId": "{ann}"}),
    (f"GET {ANY_GROUP}", None),
    (f"DELETE {ANY_GROUP}", None),
    (f"GET {ANY_GROUP}/members", None),
    (f"POST {ANY_GROUP}/members", {"userIds": ["{yan}"]}),
    (f"PUT {ANY_GROUP}/members/{{ann}}", {"role": "admin"}),
    (f"DELETE {ANY_GROUP}/members/{{ann}}", None),
    ("GET /api/admin/stats", None),
]
GROUP = "/api/groups/{group}"
SOMEBODY = f"{GROUP}/members/{{ann}}"
ROUTE_ROWS = [
    Row("GET /healthz", ANYBODY),
    Row("GET /readyz", ANYBODY),
    Row("GET /metrics", ANYBODY),
    Row("GET /schema", ANYBODY),
    Row("GET /schema/openapi.json", ANYBODY),
    Row("GET /schema/assets/{asset}", ANYBODY),
    Row("GET /schema/{page}", ANYBODY),
    Row("POST /api/register", TAKEN_NAME, {"username": "{ann_name}", "password": "{password}"}),
    Row("POST /api/login", ANYBODY, {"username": "{ann_name}", "password": "{password}"}),
    Row("POST /api/token/refresh", WRONG_TOKEN, {"refreshToken": "none"}),
    Row("POST /api/logout", REGISTERED, login=True),
    Row("GET /api/users/me", REGISTERED),
    Row("PUT /api/users/me", REGISTERED, {"avatarUrl": ""}),
    Row("PUT /api/users/me/password", WRONG_PASSWORD, {"oldPassword": "not mine", "newPassword": "{password}"}),
    Row("DELETE /api/users/me", WRONG_PASSWORD, {"password": "not mine"}),
    Row("GET /api/users/{ann}", REGISTERED),
    Row("GET /api/users/search?q={ann_name}", REGISTERED, None, lambda data: data["users"]),
    Row("GET /api/users/me/devices", REGISTERED),
    Row("DELETE /api/users/me/devices/{device}", NOT_THEIRS),
    Row("POST /api/users/me/push", REGISTERED, BROWSER),
    Row("GET /api/users/me/push", REGISTERED),
    Row("GET /api/users/me/push/key", REGISTERED),
    Row("DELETE /api/users/me/push/{device}", NOT_THEIRS),
    Row("GET /api/presence?userIds={ann}", ANNS_COMPANY, None, lambda data: data["presence"]),
    Row("POST /api/friends", ANNS_ADMIRERS, {"friendId": "{zoe}"}),
    Row("GET /api/friends", REGISTERED),
    Row("GET /api/friends/requests", REGISTERED),
    Row("PUT /api/friends/{ann}", ANNS_REMARKS, {"remark": "Ann"}),
    Row("DELETE /api/friends/{yan}", YANS_FRIENDS),
    Row("POST /api/blocks/{xim}", REGISTERED),
    Row("GET /api/blocks", REGISTERED),
    Row("DELETE /api/blocks/{xim}", REGISTERED),
    Row("POST /api/groups", REGISTERED, {"name": "Runs"}),
    Row("GET /api/groups", REGISTERED),
    Row(f"GET {GROUP}", REGISTERED),
    Row(f"PUT {GROUP}", ADMINS, {"name": "Walks"}),
    Row(f"DELETE {GROUP}", OWNERS, group="new"),
    Row(f"POST {GROUP}/join", REGISTERED, group="new"),
    Row(f"POST {GROUP}/leave", LEAVERS, group="new"),
    Row(f"POST {GROUP}/mute", ADMINS, {"muted": False}),
    Row(f"GET {GROUP}/members", INSIDERS),
    Row(f"POST {GROUP}/members", INSIDERS, {"userIds": ["{yan}"]}),
    Row(f"PUT {SOMEBODY}", ADMINS, {"muteUntil": 0}),
    Row(f"PUT {SOMEBODY}", OWNERS, {"role": "member"}),
    Row(f"PUT {SOMEBODY}", OWNERS, {"role": "owner"}, group="new"),
    Row(f"DELETE {SOMEBODY}", ADMINS, group="each"),
    Row(f"DELETE {GROUP}/members/{{owner}}", NOBODY_INSIDE),
    Row(f"GET {GROUP}/requests", ADMINS),
    Row(f"POST {GROUP}/requests/{{yan}}", DECIDERS, {"accept": True}, ghosts=[]),
    Row("GET /api/groups/invitations", REGISTERED),
    Row("DELETE /api/groups/invitations/{group}", NOT_THEIRS),
    Row(f"GET {GROUP}/notices", INSIDERS),
    Row(f"POST {GROUP}/notices", ADMINS, {"title": "Sunday", "content": "We walk."}),
    Row("GET /api/conversations", REGISTERED),
    *(
        Row(f"POST /api/conversations/{conv}/{what}", who, data)
        for what, data in (("pin", {"pinned": True}), ("mute", {"muted": False}), ("draft", {"draft": "Dear"}))
        for conv, who in (("{conv}", READERS), ("{pair}", ANNS_READERS), ("{theirs}", NOT_THEIRS))
    ),
    Row("POST /api/conversations/delete", READERS, {"convId": "{conv}"}, group="new"),
    Row("POST /api/conversations/delete", NOT_THEIRS, {"convId": "{theirs}"}),
    Row("POST /api/messages", SPEAKERS, IN_GROUP | TEXT),
    Row("POST /api/messages", LOUD, IN_GROUP | TEXT, group="silent"),
    Row("POST /api/messages", ANNS_FRIENDS, TO_ANN | TEXT),
    Row("POST /api/messages", ANNS_WRITERS, {"convId": "{pair}"} | TEXT),
    Row("POST /api/messages", NOT_THEIRS, {"convId": "{theirs}"} | TEXT),
    Row("POST /api/messages/recall", REMOVERS, {"convId": "{conv}", "serverMsgId": "{message}"}, group="new"),
    Row("POST /api/messages/recall", NOT_ANN, {"convId": "{pair}", "serverMsgId": "{pair_message}"}),
    Row("POST /api/messages/recall", NOT_THEIRS, {"convId": "{theirs}", "serverMsgId": "{theirs_message}"}),
    Row("POST /api/messages/edit", NOT_AUTHORS, {"convId": "{conv}", "serverMsgId": "{message}"} | HELLO),
    Row("POST /api/messages/edit", EDITORS, {"convId": "{conv}", "serverMsgId": "{mine}"} | HELLO, group="new"),
    Row("POST /api/messages/edit", NOT_THEIRS, {"convId": "{theirs}", "serverMsgId": "{theirs_message}"} | HELLO),
    Row("POST /api/messages/read", READERS, {"convId": "{conv}"} | ONE),
    Row("POST /api/messages/read", ANNS_READERS, {"convId": "{pair}"} | ONE),
    Row("POST /api/messages/read", NOT_THEIRS, {"convId": "{theirs}"} | ONE),
    Row("GET /api/messages/{message}/readers?convId={conv}", READERS),
    Row("GET /api/messages/{pair_message}/readers?convId={pair}", ANNS_READERS),
    Row("GET /api/messages/{theirs_message}/readers?convId={theirs}", NOT_THEIRS),
    Row("GET /api/messages/search?q=hello", REGISTERED),
    Row("GET /api/messages/search?q=hello&convId={conv}", READERS, None, lambda page: page["messages"]),
    Row("GET /api/messages/search?q=hello&convId={pair}", ANNS_READERS, None, lambda page: page["messages"]),
    Row("GET /api/messages/search?q=hello&convId={theirs}", NOT_THEIRS),
    Row("GET /api/messages/history?convId={conv}", READERS, None, lambda page: page["messages"]),
    Row("GET /api/messages/history?convId={pair}", ANNS_READERS, None, lambda page: page["messages"]),
    Row("GET /api/messages/history?convId={theirs}", NOT_THEIRS),
    Row("POST /api/files/upload", REGISTERED, form={"file": ("a.txt", b"words")}),
    Row("GET /api/files", REGISTERED),
    Row("GET /api/files/{secret}", NOT_THEIRS),
    Row("DELETE /api/files/{secret}", NOT_THEIRS),
    Row("GET /api/files/{secret}/link", NOT_THEIRS),
    Row("GET /api/files/{sent}/link", READERS),
    Row("GET /files/{secret_path}", HIDDEN),
    Row("GET /files/{sent_path}", HOLDERS),
    Row("HEAD /files/{secret_path}", HIDDEN),
    Row("HEAD /files/{sent_path}", HOLDERS),
    Row("POST /api/files/tus", REGISTERED, headers=TUS | {"Upload-Length": "5"}),
    Row("HEAD /api/files/tus/{partial}", NOT_THEIRS, headers=TUS),
    Row("PATCH /api/files/tus/{partial}", NOT_THEIRS, headers=TUS_BYTES),
    Row("DELETE /api/files/tus/{partial}", NOT_THEIRS, headers=TUS),
    Row("POST /api/files/tus/{partial}", NOT_THEIRS, headers=TUS_BYTES | {"X-HTTP-Method-Override": "PATCH"}),
    Row("POST /api/favorites/message", READERS, {"messageId": "{message}", "convId": "{conv}"}),
    Row("POST /api/favorites/message", ANNS_READERS, {"messageId": "{pair_message}", "convId": "{pair}"}),
    Row("POST /api/favorites/message", NOT_THEIRS, {"messageId": "{theirs_message}", "convId": "{theirs}"}),
    Row(
        "POST /api/favorites/message", NOWHERE_INSIDE, {"messageId": "{theirs_message}", "convId": "{conv}"}, ghosts=[]
    ),
    Row("POST /api/favorites/custom", REGISTERED, {"title": "Tea", "content": "green"}),
    Row("POST /api/favorites/custom", READERS, {"title": "Tea", "content": "green", "convId": "{conv}"}),
    Row("GET /api/favorites", REGISTERED),
    Row("GET /api/favorites/search?keyword=tea", REGISTERED),
    Row("GET /api/favorites/stats", REGISTERED),
    Row("DELETE /api/favorites/{theirs_message}", NOT_THEIRS),
    Row("GET /api/unread/summary", REGISTERED),
    Row("POST /api/unread/mark_all_read", REGISTERED),
    Row("GET /api/webrtc/ice-servers", REGISTERED),
    Row("GET /api/webrtc/current-call", NOT_THEIRS),
    *(Row(request, OPERATORS, data) for request, data in ADMIN_REQUESTS),
]


class Stage:
    """The scene, and how to ask something as one of the people in it."""

    def __init__(self, node: Node, scene: Scene) -> None:
        self.node = node
        self.scene = scene
        self._groups: dict[tuple[Any, ...], dict[str, Names]] = {}

    async def names(self, row: Row, role: str) -> Names:
        """What everything is called for a role, in the group that the row wants."""
        names = self.scene.names(role)
        if row.group == "shared":
            return names
        key = (row.request, row.who, role if row.group == "each" else "")
        if key not in self._groups:
            self._groups[key] = await self.scene.new_group(is_silent=row.group == "silent")
        return names | self._groups[key][role]

    async def ask(self, row: Row, role: str, names: Names) -> Answer:
        """One request of one of them."""
        request, data = row.filled(names)
        if row.is_http:
            return await self._ask_http(row, role, request, data)
        if role == "nobody":
            return await self._knock()
        reply = await self.scene.sockets[role].exchange({"action": request, "data": data})
        return Answer(reply["action"] != "error", {key: value for key, value in reply.items() if key != "id"})

    async def _ask_http(self, row: Row, role: str, request: str, data: Any) -> Answer:
        method, path = request.split(" ")
        person = Person(self.scene.ann.http) if role == "nobody" else self.scene.cast[role]
        if row.login and role != "nobody":
            person = await self.scene.world.log_in(person)
        headers = {"Authorization": f"Bearer {person.token}"} if person.token else {}
        send = person.http.build_request(method, path, json=data, files=row.form, headers=headers | dict(row.headers))
        return answer_of(await person.http.send(send))

    async def _knock(self) -> Answer:
        """A socket without a token is refused before it opens."""
        url = self.scene.world.base_url.replace("http", "ws", 1)
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{url}/ws", proxy=None)
        response = refused.value.response
        assert response.status_code == 401
        return Answer(False, json.loads(response.body or b""))


@dataclass(frozen=True)
class Answer:
    """What came back: good or a refusal, with everything in it."""

    is_good: bool
    body: Any

    @property
    def code(self) -> str:
        """The error code, wherever it stands."""
        code: str = self.body.get("data", self.body)["code"]
        return code


OF_STATUS = {401: "UNAUTHORIZED", 404: "NOT_FOUND"}
"""What an answer without a body can say."""


def answer_of(response: httpx.Response) -> Answer:
    """An HTTP answer. Whatever refuses is a problem whose code goes with its status."""
    is_json = "json" in response.headers.get("content-type", "")
    body: Any = response.json() if is_json and response.content else response.text
    if response.is_success:
        return Answer(True, body)
    assert response.headers["content-type"] == "application/problem+json"
    if response.request.method == "HEAD":
        return Answer(False, {"code": OF_STATUS[response.status_code]})
    assert response.status_code == body["status"] == HTTP_STATUS[ErrorCode(body["code"])]
    return Answer(False, body)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with started_node(tmp_path_factory.mktemp("stage"), calls={"ring_timeout": "1h"}, push=PUSH) as (node, world):
        yield Stage(node, await set_scene(world))


@pytest.mark.parametrize("row", [*ACTION_ROWS, *ROUTE_ROWS], ids=lambda row: f"{row.request} {row.data or ''}")
async def test_everybody_gets_the_outcome_of_the_table(stage: Stage, row: Row) -> None:
    outcomes = {}
    for role in ROLES:
        names = await stage.names(row, role)
        answer = await stage.ask(row, role, names)
        outcomes[role] = row.outcome(answer)
        ghosts = names | {name: GHOSTS[name] for name in row.ghosts}
        if row.is_hidden(answer, role) and row.filled(ghosts) != row.filled(names):
            assert await stage.ask(row, role, ghosts) == answer, f"{role} can tell that it is there"
    assert outcomes == row.expected


async def test_every_action_has_a_row() -> None:
    assert {action.name for action in ACTIONS.values()} == {row.request for row in ACTION_ROWS}


async def test_every_route_has_a_row(stage: Stage) -> None:
    api = build_api(stage.node.services, stage.node.readiness, more=[stage.node.gateway.route()])
    routes: set[str] = set()
    for route in api._app.routes:  # type: ignore[attr-defined]  # the Litestar app inside the counter of requests
        if isinstance(route, HTTPRoute):
            routes |= {f"{method} {shape_of(route.path)}" for method in route.route_handler_map if method != "OPTIONS"}
        else:
            assert isinstance(route, ASGIRoute)
            assert route.path == "/ws", "sockets are asked by the rows of actions"
    assert routes == {shape_of(row.request.partition("?")[0]) for row in ROUTE_ROWS}


def shape_of(route: str) -> str:
    """A route or a request with what stands for a parameter left blank."""
    return re.sub(r"\{[^}]*\}", "{}", route)
