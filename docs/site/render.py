"""The generated documents as Markdown: every operation with its fields, and every schema once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

Json = dict[str, Any]


def http(document: Json) -> str:
    """OpenAPI: the operations by tag."""
    by_tag: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            by_tag.setdefault(operation["tags"][0], []).append(_operation(f"{method.upper()} {path}", operation))
    parts = [f"## {tag.capitalize()}\n\n" + "\n".join(operations) for tag, operations in by_tag.items()]
    return "\n".join([*parts, _schemas(document)])


def sockets(document: Json) -> str:
    """AsyncAPI: requests with their replies, then pushes, then what only TCP has."""
    operations = document["operations"].values()
    asked = [each for each in operations if each["action"] == "receive" and _channel(each) == "socket"]
    told = [each for each in operations if each["action"] == "send" and _channel(each) == "socket"]
    tcp = [each for each in operations if _channel(each) == "tcp"]
    parts = [("Requests", asked), ("Pushes", told), ("Only over TCP", tcp)]
    listed = [f"## {title}\n\n" + "\n".join(_exchange(each, document) for each in group) for title, group in parts]
    return "\n".join([*listed, _schemas(document)])


def _operation(title: str, operation: Json) -> str:
    public = "" if "security" in operation else " Public."
    lines = [f"### `{title}`\n", f"{operation['description']}{public}\n"]
    if parameters := operation.get("parameters"):
        rows = [
            (_name(each["name"], is_required=each["required"]), each["in"], _type(each["schema"]), _words(each))
            for each in parameters
        ]
        lines.append(_table(("parameter", "in", "type", ""), rows))
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        lines.append(f"Body: {_type(content['schema'])} (`{media}`)\n")
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            kinds = [_type(content.get("schema", {})) for content in response.get("content", {}).values()]
            lines.append(f"{status}: {' or '.join(kinds) or 'nothing'}\n")
    return "\n".join(lines)


def _exchange(operation: Json, document: Json) -> str:
    message = _message(operation["messages"][0], document)
    lines = [f"### `{message['name']}`\n", f"{message.get('summary', '')}\n", f"{_type(message['payload'])}\n"]
    if "reply" in operation:
        replies = [_message(each, document) for each in operation["reply"]["messages"]]
        lines.append(
            "Answered by " + " or ".join(f"`{each['name']}` {_type(each['payload'])}" for each in replies) + "\n"
        )
    payloads = [json.dumps(each["payload"], ensure_ascii=False) for each in message.get("examples", [])]
    lines += [f"```json\n{payload}\n```\n" for payload in payloads]
    return "\n".join(lines)


def _message(reference: Json, document: Json) -> Json:
    found: Json = document["components"]["messages"][reference["$ref"].rpartition("/")[2]]
    return found


def _channel(operation: Json) -> str:
    return str(operation["channel"]["$ref"].rpartition("/")[2])


def _schemas(document: Json) -> str:
    return "## Schemas\n\n" + "\n".join(_schema(*each) for each in sorted(document["components"]["schemas"].items()))


def _schema(name: str, schema: Json) -> str:
    lines = [f"### {_short(name)}\n"]
    if "description" in schema:
        lines.append(f"{schema['description']}\n")
    if not schema.get("properties"):
        return "\n".join([*lines, f"{_type(schema)}\n"])
    required = set(schema.get("required", []))
    rows = [
        (_name(field, is_required=field in required), _type(kind), _words(kind))
        for field, kind in schema["properties"].items()
    ]
    return "\n".join([*lines, _table(("field", "type", ""), rows)])


def _name(name: str, *, is_required: bool) -> str:
    return f"`{name}`" if is_required else f"`{name}?`"


def _words(described: Json) -> str:
    words = str(described.get("description", "")).replace("\n", " ").replace("|", "\\|")
    default = described.get("default", described.get("schema", {}).get("default"))
    return words if default is None else f"{words} (`{json.dumps(default)}` if left out)".strip()


def _type(schema: Json) -> str:
    """A schema in a few words, with links to those that have a name."""
    return " or ".join(dict.fromkeys(_kinds(schema)))


def _kinds(schema: Json) -> Iterator[str]:
    if "$ref" in schema:
        name = _short(schema["$ref"].rpartition("/")[2])
        yield f"[{name}](#{name.lower().replace('.', '')})"
    elif "enum" in schema:
        yield from (f"`{json.dumps(each)}`" for each in schema["enum"])
    elif several := schema.get("anyOf") or schema.get("oneOf"):
        for each in several:
            yield from _kinds(each)
    elif isinstance(schema.get("type"), list):
        yield from schema["type"]
    elif schema.get("type") == "array":
        yield f"list of {_type(schema.get('items', {}))}"
    elif isinstance(schema.get("additionalProperties"), dict):
        yield f"object of {_type(schema['additionalProperties'])}"
    else:
        yield schema.get("type", "any JSON")


def _short(name: str) -> str:
    """Names that two modules have keep their module."""
    return ".".join(name.split(".")[-2:])


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"
