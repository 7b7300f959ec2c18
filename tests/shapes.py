"""The shapes of what stands on the wire and in examples of it: what is wrong with one, and whose it is."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import msgspec
from msgspec import inspect

from goim.protocol import calls, pushes, replies, requests
from goim.protocol.envelope import Request

NUMBERS = (inspect.IntType, inspect.FloatType)
PLAIN_TYPES: dict[Any, Any] = {
    inspect.StrType: str,
    inspect.IntType: int,
    inspect.FloatType: (int, float),
    inspect.BoolType: bool,
    inspect.NoneType: type(None),
    inspect.ListType: list,
    inspect.DictType: dict,
}


def tags_of(base: type[msgspec.Struct]) -> dict[str, list[type[msgspec.Struct]]]:
    """Every envelope of the protocol derived from this one, by its action."""
    found: dict[str, list[type[msgspec.Struct]]] = {}
    for envelope in base.__subclasses__():
        if not envelope.__module__.startswith("goim.protocol."):
            continue  # the client has a form of its own
        found.setdefault(str(envelope.__struct_config__.tag), []).append(envelope)
    return found


assert {calls.CallStart, requests.Send} <= {*Request.__subclasses__()}  # imported for the envelopes that they define
REQUESTS, REPLIES, PUSHES = tags_of(Request), tags_of(replies.Reply), tags_of(pushes.Push)


def data_of(envelope: type[msgspec.Struct]) -> list[inspect.Type]:
    """What may be in an envelope; an ack has one of several."""
    kind = get_type_hints(envelope)["data"]
    return [inspect.type_info(each) for each in get_args(kind) or [kind]]


def mismatch(value: Any, wanted: inspect.Type, where: str = "") -> str:
    """What is wrong with an example: another type, a field that there is not, or one that must be there and is not."""
    match wanted:
        case inspect.StructType(fields=fields, tag_field=tag_field):
            if not isinstance(value, dict):
                return f"{where} is no object"
            named = {field.encode_name: field for field in fields}
            missing = {name for name, field in named.items() if field.required} - value.keys()
            unknown = value.keys() - named.keys() - {tag_field}
            if missing or unknown:
                return f"{where}: {missing=} {unknown=}"
            inside = ((value[name], field, f"{where}.{name}") for name, field in named.items() if name in value)
            return next(filter(None, (mismatch(each, field.type, place) for each, field, place in inside)), "")
        case inspect.UnionType(types=types):
            reasons = [mismatch(value, each, where) for each in types]
            return "" if "" in reasons else "; ".join(reasons)
        case inspect.ListType(item_type=item_type) if isinstance(value, list):
            return next(filter(None, (mismatch(each, item_type, f"{where}[]") for each in value)), "")
        case inspect.EnumType(cls=choices):
            return "" if value in [each.value for each in choices] else f"{where}: {value} is none of {choices}"
        case inspect.LiteralType(values=literals):
            return "" if value in literals else f"{where}: {value} is none of {literals}"
        case inspect.RawType():
            return ""
    fits = isinstance(value, PLAIN_TYPES[type(wanted)]) and not (isinstance(value, bool) and type(wanted) in NUMBERS)
    return "" if fits else f"{where}: {value!r} is no {wanted}"
