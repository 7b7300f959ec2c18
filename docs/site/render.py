"""The generated documents as Markdown: every operation with its fields, and every schema once."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from docs.site.texts import Say

Json = dict[str, Any]


class Reference:
    """One document as a page, in the language that `say` says things in."""

    def __init__(self, document: Json, say: Say) -> None:
        self._document = document
        self._translated = say

    def http(self) -> str:
        """OpenAPI: the operations by tag."""
        by_tag: dict[str, list[str]] = {}
        for path, methods in self._document["paths"].items():
            for method, operation in methods.items():
                written = self._operation(f"{method.upper()} {path}", operation)
                by_tag.setdefault(operation["tags"][0], []).append(written)
        parts = [f"## {self._say(tag.capitalize())}\n\n" + "\n".join(operations) for tag, operations in by_tag.items()]
        return "\n".join([*parts, self._schemas()])

    def sockets(self) -> str:
        """AsyncAPI: requests with their replies, then pushes, then what only TCP has."""
        operations = self._document["operations"].values()
        asked = [each for each in operations if each["action"] == "receive" and _channel(each) == "socket"]
        told = [each for each in operations if each["action"] == "send" and _channel(each) == "socket"]
        tcp = [each for each in operations if _channel(each) == "tcp"]
        parts = [("Requests", asked), ("Pushes", told), ("Only over TCP", tcp)]
        listed = [f"## {self._say(title)}\n\n" + "\n".join(map(self._exchange, group)) for title, group in parts]
        return "\n".join([*listed, self._schemas()])

    def _say(self, text: str, **parts: str) -> str:
        """In words, with the parts where their names stand in braces."""
        words = self._translated(inspect.cleandoc(text)) if text else ""
        return words.format(**parts) if parts else words

    def _operation(self, title: str, operation: Json) -> str:
        words = self._say(operation["description"])
        lines = [
            f"### `{title}`\n",
            words if "security" in operation else self._say("{words} Public.", words=words),
            "",
        ]
        if parameters := operation.get("parameters"):
            rows = [
                (
                    _name(each["name"], is_required=each["required"]),
                    self._say(each["in"]),
                    self._type(each["schema"]),
                    self._words(each),
                )
                for each in parameters
            ]
            lines.append(table((self._say("parameter"), self._say("in"), self._say("type"), ""), rows))
        for media, content in operation.get("requestBody", {}).get("content", {}).items():
            body = self._say("Body: {kind} (`{media}`)", kind=self._type(content["schema"]), media=media)
            lines.append(f"{body}\n")
        for status, response in operation["responses"].items():
            if status.startswith("2"):
                kinds = [self._type(content.get("schema", {})) for content in response.get("content", {}).values()]
                lines.append(f"{status}: {self._either(kinds) or self._say('nothing')}\n")
        return "\n".join(lines)

    def _exchange(self, operation: Json) -> str:
        message = self._message(operation["messages"][0])
        summary = self._say(message.get("summary", ""))
        lines = [f"### `{message['name']}`\n", f"{summary}\n", f"{self._type(message['payload'])}\n"]
        if "reply" in operation:
            replies = [self._message(each) for each in operation["reply"]["messages"]]
            named = self._either([f"`{each['name']}` {self._type(each['payload'])}" for each in replies])
            lines.append(self._say("Answered by {replies}", replies=named) + "\n")
        payloads = [json.dumps(each["payload"], ensure_ascii=False) for each in message.get("examples", [])]
        lines += [f"```json\n{payload}\n```\n" for payload in payloads]
        return "\n".join(lines)

    def _message(self, reference: Json) -> Json:
        found: Json = self._document["components"]["messages"][reference["$ref"].rpartition("/")[2]]
        return found

    def _schemas(self) -> str:
        schemas = sorted(self._document["components"]["schemas"].items())
        return f"## {self._say('Schemas')}\n\n" + "\n".join(self._schema(*each) for each in schemas)

    def _schema(self, name: str, schema: Json) -> str:
        lines = [f"### {_short(name)}\n"]
        if "description" in schema:
            lines.append(f"{self._say(schema['description'])}\n")
        if not schema.get("properties"):
            return "\n".join([*lines, f"{self._type(schema)}\n"])
        required = set(schema.get("required", []))
        rows = [
            (_name(field, is_required=field in required), self._type(kind), self._words(kind))
            for field, kind in schema["properties"].items()
        ]
        return "\n".join([*lines, table((self._say("field"), self._say("type"), ""), rows)])

    def _words(self, described: Json) -> str:
        words = self._say(described.get("description", "")).replace("\n", " ").replace("|", "\\|")
        default = described.get("default", described.get("schema", {}).get("default"))
        if default is None:
            return words
        return self._say("{words} (`{default}` if left out)", words=words, default=json.dumps(default)).strip()

    def _type(self, schema: Json) -> str:
        """A schema in a few words, with links to those that have a name."""
        return self._either(dict.fromkeys(self._kinds(schema)))

    def _kinds(self, schema: Json) -> Iterator[str]:
        if "$ref" in schema:
            name = _short(schema["$ref"].rpartition("/")[2])
            yield f"[{name}](#{name.lower().replace('.', '')})"
        elif "enum" in schema:
            yield from (f"`{json.dumps(each)}`" for each in schema["enum"])
        elif several := schema.get("anyOf") or schema.get("oneOf"):
            for each in several:
                yield from self._kinds(each)
        elif isinstance(schema.get("type"), list):
            yield from map(self._say, schema["type"])
        elif schema.get("type") == "array":
            yield self._say("list of {kind}", kind=self._type(schema.get("items", {})))
        elif isinstance(schema.get("additionalProperties"), dict):
            yield self._say("object of {kind}", kind=self._type(schema["additionalProperties"]))
        else:
            yield self._say(schema.get("type", "any JSON"))

    def _either(self, several: Iterable[str]) -> str:
        """One of these."""
        first, *others = several or [""]
        for each in others:
            first = self._say("{one} or {other}", one=first, other=each)
        return first


def _channel(operation: Json) -> str:
    return str(operation["channel"]["$ref"].rpartition("/")[2])


def _name(name: str, *, is_required: bool) -> str:
    return f"`{name}`" if is_required else f"`{name}?`"


def _short(name: str) -> str:
    """Names that two modules have keep their module."""
    return ".".join(name.split(".")[-2:])


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """The rows below their head."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"
