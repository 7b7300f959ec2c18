"""What all commands have in common: `--config` wherever it stands, `--json`, and the settings they lead to."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from goimctl.output import ExitCode, Failed, warn

if TYPE_CHECKING:
    from goim.config import Loaded, Settings

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


class ConfigAnywhere(TyperGroup):
    """Takes `--config FILE` before and after the command: `goimctl serve --config FILE` is what people type."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _config_first(args))


def _config_first(args: list[str]) -> list[str]:
    """Move `--config FILE` and `--config=FILE` to the front; what follows `--` belongs to the command."""
    end = args.index("--") if "--" in args else len(args)
    for place, arg in enumerate(args[:end]):
        length = 1 if arg.startswith("--config=") else 2 if arg == "--config" else 0
        if length:
            return args[place : place + length] + args[:place] + args[place + length :]
    return args


def load_settings(ctx: typer.Context) -> Loaded:
    """The settings this command runs with; what looks odd in them is told, what is wrong ends the command."""
    from goim.config import load

    loaded = load(ctx.obj, os.environ)
    for warning in loaded.warnings:
        warn(warning)
    return loaded


def local_url(settings: Settings) -> str:
    """Where a server with these settings is reached from this machine."""
    listen = settings.server.listen
    host = local_host(listen.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{listen.port}"


def server_url(ctx: typer.Context, given: str | None) -> str:
    """The server that a command talks to: the one that was named, else the one configured here."""
    address = given or local_url(load_settings(ctx).settings)
    if not address.startswith(("http://", "https://")):
        raise Failed(f"{address} is no URL of a server", hint="--url http://host:port", code=ExitCode.WRONG_USE)
    return address


@contextlib.contextmanager
def server_at(url: str) -> Iterator[None]:
    """Where something is asked of a server: says what to type if nothing answers there."""
    from goim.client import Unreachable

    try:
        yield
    except Unreachable as error:
        raise Failed(str(error), hint=way_to(url), code=ExitCode.DEPENDENCY_DOWN) from None


def way_to(url: str) -> str:
    """What to type when nothing answers at a URL."""
    from goim.client.http import is_local

    return "goimctl serve" if is_local(url) else "--url http://host:port, if it is elsewhere"


def local_host(host: str) -> str:
    """One's own address where one listens: that of the machine itself for all that it has."""
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
