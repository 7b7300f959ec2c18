"""Finds the settings file and the `IM_*` variables, and says of every value where it came from."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, field
from pydantic import ValidationError

from goim.config.keys import Key, all_keys, did_you_mean, sections, variables
from goim.config.secret import weakness
from goim.config.settings import Settings
from goim.errors import ConfigError

_DEFAULT_FILE = Path("goimctl.toml")


class Source(Struct, frozen=True):
    """Where a value came from; `name` is a path or the name of a variable."""

    kind: Literal["default", "file", "variable"]
    name: str = "default"

    def __str__(self) -> str:
        return self.name


class Loaded(Struct, frozen=True, kw_only=True):
    """The settings, the file they were read from (if any), where each key came from, and what looks odd."""

    settings: Settings
    path: Path | None
    sources: Mapping[str, Source]
    warnings: tuple[str, ...]


class _Found(Struct):
    """Values as they were written, and all that is wrong with where they stand."""

    values: dict[str, tuple[object, Source]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def load(config_path: Path | None, environ: Mapping[str, str]) -> Loaded:
    """Read `config_path`, else `$GOIM_CONFIG`, else `./goimctl.toml`, else nothing; variables win over the file.

    `ConfigError` names every unknown key and wrong value, one a line.
    """
    path = _find_file(config_path, environ)
    found = _Found()
    if path is not None:
        _read_file(path, found)
    _read_variables(environ, found)
    settings = _validate(found)
    if found.problems or settings is None:
        raise ConfigError("\n".join(found.problems))
    sources = {name: found.values[name][1] if name in found.values else Source("default") for name in all_keys()}
    if reason := _unused_secret(settings):
        found.warnings.append(f"auth.jwt_secret (from {sources['auth.jwt_secret']}) is not used: it {reason}")
    return Loaded(settings=settings, path=path, sources=sources, warnings=tuple(found.warnings))


def _find_file(config_path: Path | None, environ: Mapping[str, str]) -> Path | None:
    asked = config_path or environ.get("GOIM_CONFIG")
    if asked:
        if not Path(asked).exists():
            raise ConfigError(f"{asked}: no such file (from {'--config' if config_path else 'GOIM_CONFIG'})")
        return Path(asked)
    # whatever is there is meant: a folder (Docker makes one of a file that is not there), a link that leads nowhere
    return _DEFAULT_FILE if os.path.lexists(_DEFAULT_FILE) else None


def _read_file(path: Path, found: _Found) -> None:
    try:
        tree = tomllib.loads(_text_of(path))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {_why(error)}") from error
    for section, table in tree.items():
        if section not in sections():
            found.problems.append(f"{path}: unknown {_describe(section, table)}{_nearest(section, table)}")
        elif not isinstance(table, dict):
            found.problems.append(f"{path}: {section} must be a section: [{section}]")
        else:
            _read_section(path, section, table, found)


def _text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8-sig")  # editors on Windows begin a file with a mark of its encoding


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    return getattr(error, "strerror", None) or str(error)


def _describe(name: str, value: object) -> str:
    return f"section [{name}]" if isinstance(value, dict) else f"key {name}"


def _nearest(name: str, value: object) -> str:
    if isinstance(value, dict):
        return did_you_mean(f"[{name}]", [f"[{section}]" for section in sections()])
    paths = {key.name: key.path for key in all_keys().values()}
    return f"; did you mean {paths[name]}?" if name in paths else did_you_mean(name, all_keys())


def _read_section(path: Path, section: str, table: dict[str, Any], found: _Found) -> None:
    for name, value in table.items():
        full = f"{section}.{name}"
        if full in all_keys():
            found.values[full] = (value, Source("file", str(path)))
        else:
            found.problems.append(f"{path}: unknown key {full}{did_you_mean(full, all_keys())}")


def _read_variables(environ: Mapping[str, str], found: _Found) -> None:
    given: dict[str, str] = {}  # which variable set a key already
    for name in sorted(name for name in environ if name.startswith("IM_")):
        key, value = _read_variable(name, environ[name], found)
        if key is None:
            continue
        earlier = given.setdefault(key.path, name)
        if earlier != name and found.values[key.path][0] != value:
            found.problems.append(f"{earlier} and {name} both set {key.path}, to different values")
        found.values[key.path] = (value, Source("variable", name))


def _read_variable(name: str, value: str, found: _Found) -> tuple[Key | None, str]:
    if key := variables().get(name):
        return key, value
    key = variables().get(name.removesuffix("_FILE"))
    if key is None or not key.is_secret:
        found.warnings.append(f"{name} is not a setting{did_you_mean(name, variables())}")
        return None, ""
    try:
        return key, _text_of(Path(value)).strip()
    except (OSError, ValueError) as error:
        found.problems.append(f"{name}: {value} cannot be read: {_why(error)}")
        return None, ""


def _validate(found: _Found) -> Settings | None:
    tree: dict[str, dict[str, object]] = {}
    for path, (value, _) in found.values.items():
        section, name = path.split(".")
        tree.setdefault(section, {})[name] = value
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        found.problems += dict.fromkeys(_explain(detail["loc"], detail["msg"], found) for detail in details)
        return None


def _explain(loc: tuple[int | str, ...], message: str, found: _Found) -> str:
    reason = message.removeprefix("Value error, ").replace("Input should", "must", 1)
    if not loc:
        return reason
    path = f"{loc[0]}.{loc[1]}"
    value, source = found.values[path]
    shown = "" if all_keys()[path].is_secret else f" = {value!r}"
    return f"{path}{shown} (from {source}): {reason}"


def _unused_secret(settings: Settings) -> str | None:
    """Why the embedded default makes a secret of its own although one is set."""
    secret = settings.auth.jwt_secret.get_secret_value()
    return weakness(secret) if secret and settings.is_embedded else None
