"""Lists every key of the settings tree, so that files, docs, commands and tests can walk them."""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct
from pydantic import BaseModel, BeforeValidator, SecretStr
from pydantic.fields import FieldInfo

from goim.config import values
from goim.config.dsn import mask_url, parse_dsn
from goim.config.settings import Settings

_WRITERS: dict[object, Callable[[Any], str]] = {values.duration: values.show_duration, values.size: values.show_size}


class Key(Struct, frozen=True):
    """One key; `variables` has the name to tell people first, `default` is as people would write it."""

    section: str
    name: str
    variables: tuple[str, ...]
    description: str
    default: Any
    is_secret: bool
    field: FieldInfo

    @property
    def path(self) -> str:
        return f"{self.section}.{self.name}"

    def value(self, settings: Settings) -> Any:
        """What it is set to."""
        return getattr(getattr(settings, self.section), self.name)

    def show(self, settings: Settings) -> str:
        """What it is set to, as people would write it, secrets masked."""
        value = self.value(settings)
        if isinstance(value, SecretStr):
            return self._masked(value.get_secret_value())
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, tuple):
            return ", ".join(value)
        return self._writer()(value)

    def plain(self, settings: Settings) -> Any:
        """What it is set to, for JSON: seconds and bytes are numbers, secrets masked."""
        value = self.value(settings)
        return self.show(settings) if isinstance(value, SecretStr) else value

    def _masked(self, secret: str) -> str:
        if not secret:
            return ""
        if self.name == "dsn":
            return parse_dsn(secret).masked()
        return mask_url(secret) if self.name == "uri" else "***"

    def _writer(self) -> Callable[[Any], str]:
        reader = next((part.func for part in self.field.metadata if isinstance(part, BeforeValidator)), None)
        return _WRITERS.get(reader, "{:g}".format if self.field.annotation is float else str)


def sections() -> dict[str, type[BaseModel]]:
    """The sections in order, by name."""
    return {name: type(field.default) for name, field in Settings.model_fields.items()}


@functools.cache
def all_keys() -> dict[str, Key]:
    """Every key in order, by its path."""
    keys = (
        _key(section, name, field)
        for section, model in sections().items()
        for name, field in model.model_fields.items()
    )
    return {key.path: key for key in keys}


def _key(section: str, name: str, field: FieldInfo) -> Key:
    extra = field.json_schema_extra
    own = f"IM_{section}_{name}".upper()
    seed = str(extra["variable"]) if isinstance(extra, dict) else own
    return Key(
        section=section,
        name=name,
        variables=tuple(dict.fromkeys((seed, own))),
        description=field.description or "",
        default=field.default,
        is_secret=field.annotation is SecretStr,
        field=field,
    )


@functools.cache
def variables() -> dict[str, Key]:
    """Every variable and the key that it sets."""
    return {variable: key for key in all_keys().values() for variable in key.variables}


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ "; did you mean X?" if there is something like it, else nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def as_toml() -> str:
    """The commented file: every key with its default, one line on what it does, and its variable."""
    lines = [
        "# Settings of goim. Every key is here with its default: take away the '#' to change it.",
        '# Variables win over this file. Durations are seconds or "90s", "5m", "30d"; sizes bytes or "64KiB", "50MiB".',
        "# For a secret, the variable with _FILE at its end names a file that holds it.",
    ]
    for section, model in sections().items():
        lines += ["", f"# {model.__doc__}", f"[{section}]"]
        for key in all_keys().values():
            if key.section == section:
                lines += [f"# {key.description} ({key.variables[0]})", f"#{key.name} = {_toml(key.default)}"]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
