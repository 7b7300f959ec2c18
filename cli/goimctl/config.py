"""`goimctl config`: which settings are in force and where each came from, whether they are right, which there are."""

from __future__ import annotations

from typing import Annotated

import typer

from goim.errors import ConfigError
from goimctl.options import Json, load_settings
from goimctl.output import show_json, show_table

group = typer.Typer(
    name="config",
    help="Settings: what is in force, whether it is right, what there is.",
    epilog="Example: goimctl config show",
)


@group.command(epilog="Example: IM_WS_SEND_QPS=50 goimctl config show --json")
def show(ctx: typer.Context, *, as_json: Json = False) -> None:
    """Show every setting and where it came from.

    Secrets are masked. In JSON durations are seconds and sizes bytes.
    """
    from goim.config import all_keys

    loaded = load_settings(ctx)
    keys = all_keys()
    if as_json:
        values = {
            path: {"value": key.plain(loaded.settings), "from": str(loaded.sources[path])} for path, key in keys.items()
        }
        show_json({"file": loaded.path, "settings": values})
    else:
        rows = ((path, key.show(loaded.settings), str(loaded.sources[path])) for path, key in keys.items())
        show_table(("SETTING", "VALUE", "FROM"), rows)


@group.command(epilog="Example: goimctl config check --config /etc/goim.toml")
def check(ctx: typer.Context, *, as_json: Json = False) -> None:
    """Check the settings without starting a server.

    Every mistake is named, and the exit code is 2 if there is one.
    """
    try:
        loaded = load_settings(ctx)
    except ConfigError as error:
        if as_json:
            show_json({"ok": False, "errors": error.message.splitlines()})
        raise
    if as_json:
        show_json({"ok": True, "file": loaded.path, "warnings": loaded.warnings})
    else:
        typer.echo(f"ok: {loaded.path or 'no file, the defaults'} and the variables")


@group.command(epilog="Example: goimctl config schema --toml > goimctl.toml")
def schema(
    *,
    as_json: Json = False,
    as_toml: Annotated[bool, typer.Option("--toml", help="Print the commented file with every default.")] = False,
) -> None:
    """List every setting there is.

    With --json: a JSON Schema of the file, for editors. With --toml: the file itself.
    """
    from goim.config import Settings, all_keys
    from goim.config import as_toml as commented_file

    if as_toml:
        typer.echo(commented_file(), nl=False)
    elif as_json:
        show_json(Settings.model_json_schema())
    else:
        keys = all_keys().values()
        show_table(
            ("SETTING", "VARIABLE", "WHAT IT DOES"), ((key.path, key.variables[0], key.description) for key in keys)
        )
