"""`goimctl storage`: moves everything from one database to another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from goimctl.options import Json, load_settings
from goimctl.output import ExitCode, Failed, count, progress_bars, say, show_json, show_table, warn

if TYPE_CHECKING:
    from collections.abc import Callable

    from goim.app.copying import Compared
    from goim.config import Settings

_FORMS = "a settings file (.toml), sqlite:FOLDER, or mysql:// or tidb://user:password@host:port/database"
_LOG_FORMS = "mongodb://host:27017/database or tidb://user:password@host:4000/database"

group = typer.Typer(
    name="storage",
    help="Where everything is kept: move it from one database to another.",
    epilog="Example: goimctl storage copy --to cluster.toml",
)


@group.callback()
def storage() -> None:
    """Typer takes a group of one command for that command otherwise."""


@group.command(epilog="Example: goimctl storage copy --from sqlite:./data --to cluster.toml")
def copy(
    ctx: typer.Context,
    *,
    source: Annotated[
        str | None, typer.Option("--from", help=f"{_FORMS}; without it: the settings in force.", metavar="WHERE")
    ] = None,
    target: Annotated[str, typer.Option("--to", help=f"{_FORMS}.", metavar="WHERE")],
    from_messages: Annotated[
        str | None, typer.Option(help=f"Where its messages are, if elsewhere: {_LOG_FORMS}.", metavar="URL")
    ] = None,
    to_messages: Annotated[
        str | None, typer.Option(help=f"Where its messages go, if elsewhere: {_LOG_FORMS}.", metavar="URL")
    ] = None,
    state: Annotated[Path, typer.Option(help="Remembers how far the copy is.", metavar="FILE")] = Path(
        "goim-copy.json"
    ),
    as_json: Json = False,
) -> None:
    """Copy everything into an empty database, and compare both.

    Stop the servers first. A copy that broke off goes on where it was when the same is typed again.
    """
    import asyncio

    in_force = load_settings(ctx).settings
    one = in_force if source is None and from_messages is None else _settings(source or "", from_messages, in_force)
    other = _settings(target, to_messages, one)
    try:
        with progress_bars() as tell:
            compared = asyncio.run(_copy(one, other, state, tell))
            _copy_files(one, other, tell)
    except KeyboardInterrupt:
        hint = f"type the same again: {state} remembers how far it is" if state.exists() else None
        raise Failed("interrupted", hint=hint, code=ExitCode.INTERRUPTED) from None
    state.unlink()
    _show(compared, as_json=as_json)
    _tell_what_is_left(one, other)


async def _copy(one: Settings, other: Settings, state: Path, tell: Callable[[str, int, int], None]) -> list[Compared]:
    from goim.app.copying import CopyError, Side, copy, name_of, refuse_in_use
    from goim.app.storage import open_rows

    if name_of(one) == name_of(other):
        raise CopyError("source and target are the same", hint=f"--to takes {_FORMS}")
    for settings in (one, other):
        if _has_folder(settings):
            refuse_in_use(settings.server.data_dir)
    if _has_folder(one) and not one.server.data_dir.exists():
        raise CopyError(f"there is no {one.server.data_dir}", hint="--from says where everything is")
    async with open_rows(one) as (data, log), open_rows(other) as (new_data, new_log):
        return await copy(Side(name_of(one), data, log), Side(name_of(other), new_data, new_log), state, tell)


def _settings(where: str, messages: str | None, like: Settings) -> Settings:
    """The settings of a deployment: those of the file, or those in force with its database instead of theirs."""
    from pydantic import ValidationError

    from goim.config import Settings, load

    if where.endswith(".toml"):
        if not Path(where).exists():
            raise Failed(
                f"there is no {where}", hint=f"goimctl config schema --toml > {where}", code=ExitCode.WRONG_USE
            )
        settings = load(Path(where), {}).settings
        if messages is None:
            return settings
        values = settings.model_dump()
    else:
        values = like.model_dump() | _database(where, like)
    if messages is not None:
        values |= _log(messages)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        why = "; ".join(str(each["msg"]) for each in error.errors())
        raise Failed(why, code=ExitCode.WRONG_USE) from error


def _database(where: str, like: Settings) -> dict[str, Any]:
    from goim.config.dsn import mask_url

    server = like.server.model_dump()
    nothing = {"mysql": like.mysql.model_dump() | {"dsn": ""}, "tidb": {"dsn": ""}, "mongo": {"uri": ""}}
    if where.startswith("sqlite:"):
        folder = where.removeprefix("sqlite:").removeprefix("//")
        return nothing | {"server": server | {"data_dir": folder}, "messages": _messages(like, "sqlite")}
    if where.startswith(("mysql://", "mariadb://")) or "@tcp(" in where or "@unix(" in where:
        return nothing | {"mysql": like.mysql.model_dump() | {"dsn": where}, "messages": _messages(like, "mysql")}
    if where.startswith("tidb://"):
        return nothing | {"tidb": {"dsn": where}, "messages": _messages(like, "tidb")}
    raise Failed(f"{mask_url(where)!r} is no place for everything", hint=f"{_FORMS}", code=ExitCode.WRONG_USE)


def _log(messages: str) -> dict[str, Any]:
    from goim.config.dsn import mask_url

    if messages.startswith(("mongodb://", "mongodb+srv://")):
        return {"mongo": {"uri": messages}, "messages": {"db": "mongodb"}}
    if messages.startswith("tidb://"):
        return {"tidb": {"dsn": messages}, "messages": {"db": "tidb"}}
    raise Failed(f"{mask_url(messages)!r} is no place for messages", hint=_LOG_FORMS, code=ExitCode.WRONG_USE)


def _messages(like: Settings, database: str) -> dict[str, Any]:
    return like.messages.model_dump() | {"db": database}


def _has_folder(settings: Settings) -> bool:
    """Whether some of it is in the embedded databases."""
    from goim.app.mysql_storage import data_dsn

    return data_dsn(settings) is None or settings.message_db == "sqlite"


def _copy_files(one: Settings, other: Settings, tell: Callable[[str, int, int], None]) -> None:
    from goim.app.copying import copy_files

    if one.files.s3_bucket == other.files.s3_bucket == "" and one.server.data_dir != other.server.data_dir:
        copy_files(one.server.data_dir, other.server.data_dir, tell)


def _show(compared: list[Compared], *, as_json: bool) -> None:
    if as_json:
        show_json({"tables": [{"table": each.table, "rows": each.target, "same": each.same} for each in compared]})
        return
    show_table(("TABLE", "ROWS", "COMPARED"), ((each.table, str(each.target), "the same") for each in compared))
    say(f"{count(sum(each.target for each in compared), 'row')} copied and compared")


def _tell_what_is_left(one: Settings, other: Settings) -> None:
    from goim.config import secret_file

    if one.files.s3_bucket != other.files.s3_bucket:
        warn("uploaded files are where they were: copy them into the bucket, or out of it, under the same names")
    own = secret_file(one.server.data_dir)
    if not one.auth.jwt_secret and not other.auth.jwt_secret and not other.is_embedded and own.exists():
        say(f"set IM_JWT_SECRET to what is in {own}, or everybody logs in again")
