"""`goimctl migrate`: brings the schema of the databases up to this version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from goimctl.databases import databases
from goimctl.options import Json, load_settings
from goimctl.output import Failed, count, moment, say, show_json, show_table, working

if TYPE_CHECKING:
    from collections.abc import Sequence

    from goim.config import Settings
    from goim.stores.migrate import Migration, Status

group = typer.Typer(
    name="migrate",
    help="The schema: bring it up, see how it stands. Alone it is the same as `migrate up`.",
    epilog="Example: goimctl migrate --dry-run",
)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say which files would be applied.")]


@group.callback(invoke_without_command=True)
def migrate(ctx: typer.Context, *, dry_run: DryRun = False) -> None:
    if ctx.invoked_subcommand is None:
        _up(ctx, dry_run=dry_run)


@group.command(epilog="Example: goimctl migrate up --dry-run")
def up(ctx: typer.Context, *, dry_run: DryRun = False) -> None:
    """Apply what is not applied yet. Of several at once each file is applied by one."""
    _up(ctx, dry_run=dry_run)


def _up(ctx: typer.Context, *, dry_run: bool) -> None:
    import asyncio
    import signal

    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # neither leaves half a file
    settings = load_settings(ctx).settings
    with working("Migrating"):
        applied = asyncio.run(_apply(settings, dry_run=dry_run))
    for database, migration in applied:
        typer.echo(f"{database}: {migration.file_name}")
    done = "to be applied" if dry_run else "applied"
    say(f"{count(len(applied), 'file')} {done}" if applied else "the schema is up to date")


async def _apply(settings: Settings, *, dry_run: bool) -> Sequence[tuple[str, Migration]]:
    async with databases(settings, only_look=dry_run) as all_of_them:
        return [(each.name, file) for each in all_of_them for file in await each.migrator.up(dry_run=dry_run)]


@group.command(epilog="Example: goimctl migrate status --json")
def status(ctx: typer.Context, *, as_json: Json = False) -> None:
    """Show how every file stands. Applied, pending, edited after it was applied, or dirty (half applied)."""
    import asyncio

    found = asyncio.run(_status(load_settings(ctx).settings))
    if as_json:
        show_json({"files": [_file(database, each) for database, each in found]})
        return
    rows = (
        (database, each.migration.file_name, each.state, "" if each.applied_at is None else moment(each.applied_at))
        for database, each in found
    )
    show_table(("DATABASE", "FILE", "STATE", "APPLIED"), rows)


async def _status(settings: Settings) -> list[tuple[str, Status]]:
    async with databases(settings, only_look=True) as all_of_them:
        return [(each.name, status) for each in all_of_them for status in await each.migrator.status()]


def _file(database: str, status: Status) -> dict[str, object]:
    return {
        "database": database,
        "version": status.migration.version,
        "file": status.migration.file_name,
        "state": status.state,
        "appliedAt": status.applied_at,
    }


@group.command(epilog="Example: goimctl migrate resolve 3")
def resolve(
    ctx: typer.Context, version: Annotated[int, typer.Argument(help="The number of the file.", metavar="VERSION")]
) -> None:
    """Take a half-applied file as applied. Finish it by hand first."""
    import asyncio

    asyncio.run(_resolve(load_settings(ctx).settings, version))
    say(f"version {version} counts as applied")


async def _resolve(settings: Settings, version: int) -> None:
    async with databases(settings, only_look=True) as all_of_them:
        for database in all_of_them:
            if any(status.migration.version == version for status in await database.migrator.status()):
                return await database.migrator.resolve(version)
    raise Failed(f"there is no version {version}", hint="goimctl migrate status")
