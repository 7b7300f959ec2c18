"""The sockets as AsyncAPI 3: structs and tables say what there is, `docs/protocol.md` in words and by example."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec

from goim import __version__
from goim.actions.table import ACTIONS
from goim.protocol import calls
from goim.protocol.envelope import Request
from goim.protocol.pushes import Close, Push
from goim.protocol.replies import AuthOk, Error, Reply
from goim.protocol.requests import Auth

Json = dict[str, Any]
Envelope = type[msgspec.Struct]

PROTOCOL = Path(__file__).parents[1] / "protocol.md"
ABOUT = """\
What goes over WebSocket and TCP: one JSON object (an envelope) a WebSocket message or TCP line. Seen from the server:
it receives requests, answers each with one reply or an `error` that repeats its `id`, and sends pushes unasked.
`operations` name the reply of each request. What a client may rely on is said in the page on the protocol."""
_TCP_ONLY = {Auth, AuthOk, Close}
_SCHEMA = "#/components/schemas/{name}"
_ID = {"type": ["string", "number", "null"], "description": "The client's own; the answer repeats it."}


def document() -> Json:
    """The whole description."""
    assert issubclass(calls.CallStart, Request)  # imported for the envelopes that it defines
    envelopes = [*_derived(Request), *_derived(Reply), *_derived(Push)]
    payloads, schemas = _schemas(envelopes)
    text = PROTOCOL.read_text(encoding="utf-8")
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "goim over sockets",
            "version": __version__,
            "description": ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": _servers(),
        "channels": {
            "socket": _socket([each for each in envelopes if each not in _TCP_ONLY]),
            "tcp": _tcp([Auth, AuthOk, Error, Close]),
        },
        "operations": _operations(),
        "components": {
            "messages": {each.__name__: _message(each, payloads[each], text) for each in envelopes},
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": "An access token."}},
        },
    }


def _derived(base: Envelope) -> list[Envelope]:
    return [each for each in base.__subclasses__() if each.__module__.startswith("goim.protocol.")]


def _servers() -> Json:
    return {
        "websocket": {
            "host": "127.0.0.1:8080",
            "pathname": "/ws",
            "protocol": "ws",
            "description": "The token comes as a header, as the subprotocol `bearer.<token>`, or as `?token=`.",
            "security": [{"$ref": "#/components/securitySchemes/bearer"}],
        },
        "tcp": {
            "host": "127.0.0.1:9000",
            "protocol": "tcp",
            "description": "One envelope a line, at most 128 KiB; TLS where a certificate is configured.",
        },
    }


def _socket(envelopes: list[Envelope]) -> Json:
    query = {"deviceId": {"type": "string", "minLength": 1, "maxLength": 64}, "token": {"type": "string"}}
    return {
        "address": None,
        "description": "A connection that has said who it is, over either transport.",
        "servers": [{"$ref": "#/servers/websocket"}, {"$ref": "#/servers/tcp"}],
        "messages": _named(envelopes),
        "bindings": {"ws": {"method": "GET", "query": {"type": "object", "properties": query}}},
    }


def _tcp(envelopes: list[Envelope]) -> Json:
    return {
        "address": None,
        "description": "What only TCP has: the first line says who it is, the last one why the server ends it.",
        "servers": [{"$ref": "#/servers/tcp"}],
        "messages": _named(envelopes),
    }


def _named(envelopes: list[Envelope]) -> Json:
    return {each.__name__: {"$ref": f"#/components/messages/{each.__name__}"} for each in envelopes}


def _operations() -> Json:
    asked = {
        action.name: _operation("receive", "socket", request, [action.reply, Error] if action.reply else [Error])
        for request, action in ACTIONS.items()
    }
    told = {
        f"push_{each.__struct_config__.tag}": _operation("send", "socket", each)
        for each in _derived(Push)
        if each not in _TCP_ONLY
    }
    first_and_last = {
        "auth": _operation("receive", "tcp", Auth, [AuthOk, Error]),
        "close": _operation("send", "tcp", Close),
    }
    return asked | told | first_and_last


def _operation(action: str, channel: str, message: Envelope, replies: list[Envelope] | None = None) -> Json:
    here = {"$ref": f"#/channels/{channel}"}

    def named(envelope: Envelope) -> Json:
        return {"$ref": f"#/channels/{channel}/messages/{envelope.__name__}"}

    operation: Json = {"action": action, "channel": here, "messages": [named(message)]}
    if replies:
        operation["reply"] = {"channel": here, "messages": [named(each) for each in replies]}
    return operation


def _message(envelope: Envelope, payload: Json, text: str) -> Json:
    tag = str(envelope.__struct_config__.tag)
    summary, examples = _in_words(envelope, tag, text)
    found: Json = {"name": tag, "title": tag, "summary": summary} if summary else {"name": tag, "title": tag}
    found["payload"] = payload
    if examples:
        found["examples"] = [{"payload": each} for each in examples]
    return found


def _in_words(envelope: Envelope, tag: str, text: str) -> tuple[str, list[Json]]:
    """The first sentence of its section in the protocol, and the first example frame."""
    arrow = "→" if issubclass(envelope, Request) else "←"
    if envelope in _TCP_ONLY:
        return "", list(_frames(_below(text, "## TCP"), arrow, tag))[:1]
    part = _below(text, "## Pushes" if issubclass(envelope, Push) else "## Requests")
    if issubclass(envelope, Reply):
        return "", list(_frames(text, arrow, tag))[:1]
    own = _below(part, f"### `{tag}`")
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", own.partition("```")[0].strip())
    return re.split(r"(?<=\.)\s", " ".join(words.split()), maxsplit=1)[0].rstrip(":"), list(_frames(own, arrow, tag))[
        :1
    ]


def _below(text: str, heading: str) -> str:
    level = heading.partition(" ")[0]
    found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{len(level)}}} |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{PROTOCOL.name} has no section {heading}"
    return found[1]


def _frames(text: str, arrow: str, tag: str) -> Iterator[Json]:
    for line in text.splitlines():
        if line.startswith(arrow):
            frame = json.loads(line.removeprefix(arrow))
            if frame["action"] == tag:
                yield frame


def _schemas(envelopes: list[Envelope]) -> tuple[dict[Envelope, Json], Json]:
    """Where the schema of each is, and all schemas."""
    kinds = {each: _choices(get_type_hints(each)["data"]) for each in envelopes}
    single = [each for each in envelopes if not kinds[each]]
    parts = [part for each in envelopes for part in kinds[each]]
    references, components = msgspec.json.schema_components([*single, *parts], ref_template=_SCHEMA)
    where = dict(zip([*single, *parts], references, strict=True))
    for each in set(envelopes) - set(single):  # msgspec decodes one of several into these, but does not describe them
        where[each] = {"$ref": _SCHEMA.format(name=each.__name__)}
        data = {"anyOf": [where[part] for part in kinds[each]]}
        properties = {"action": {"enum": [each.__struct_config__.tag]}, "id": _ID, "data": data}
        components[each.__name__] = {"type": "object", "properties": properties, "required": ["action", "data"]}
    for schema in components.values():
        if "description" in schema:  # Python 3.13 takes the indentation out of docstrings, earlier ones leave it
            schema["description"] = inspect.cleandoc(schema["description"])
        if {"action", "id"} <= schema.get("properties", {}).keys():
            schema["properties"]["id"] = _ID
    return where, components


def _choices(data: Any) -> tuple[Any, ...]:
    """What the data of an envelope may be, if it is one of several. That it may be null, msgspec describes."""
    choices = get_args(data)
    return () if type(None) in choices else choices
