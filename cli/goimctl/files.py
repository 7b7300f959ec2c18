"""`goimctl files`: which files there are, how much they take, and sweeping away what is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from goimctl.office import find_user, in_office
from goimctl.options import Json
from goimctl.output import count, moment, say, show_json, show_record, show_table, size_of

if TYPE_CHECKING:
    from goim.app.office import Office
    from goim.model.files import FileStats, StoredFile
    from goim.services.file_sweep import Swept

group = typer.Typer(
    name="files",
    help="Uploaded files: list them, count them, sweep out old ones.",
    epilog="Example: goimctl files stats",
)


@group.command("list", epilog="Example: goimctl files list --user alice --json")
def list_(
    ctx: typer.Context,
    *,
    user: Annotated[str | None, typer.Option(help="Only those of this user.", metavar="WHO")] = None,
    limit: Annotated[int, typer.Option(help="How many at most.", metavar="N", min=1)] = 100,
    offset: Annotated[int, typer.Option(help="How many to leave out.", metavar="N", min=0)] = 0,
    as_json: Json = False,
) -> None:
    """List the files, the latest first."""

    async def work(office: Office) -> list[StoredFile]:
        owner_id = None if user is None else (await find_user(office, user)).user_id
        return await office.sweeper.page(owner_id, limit + 1, offset)

    found = in_office(ctx, work)
    page = found[:limit]
    next_offset = offset + limit if len(found) > limit else None
    if as_json:
        show_json({"files": [_file(each) for each in page], "nextOffset": next_offset})
        return
    rows = (
        (each.file_id, each.owner_id, size_of(each.size), each.mime_type, moment(each.created_at), each.name)
        for each in page
    )
    show_table(("FILE", "OWNER", "SIZE", "TYPE", "SINCE", "NAME"), rows)
    if next_offset:
        say(f"there are more: the same with --offset {next_offset}")


@group.command(epilog="Example: goimctl files stats --json")
def stats(ctx: typer.Context, *, as_json: Json = False) -> None:
    """Count the files, their bytes and who owns any. Thumbnails are not counted."""

    async def work(office: Office) -> FileStats:
        return await office.sweeper.stats()

    found = in_office(ctx, work)
    size = found.bytes if as_json else size_of(found.bytes)
    show_record({"files": found.files, "bytes": size, "owners": found.owners}, as_json=as_json)


@group.command(epilog="Example: goimctl files sweep")
def sweep(ctx: typer.Context, *, as_json: Json = False) -> None:
    """Remove expired files and what belongs to none.

    A running server does the same every `files.sweep_interval`.
    """

    async def work(office: Office) -> Swept:
        return await office.sweeper.sweep()

    swept = in_office(ctx, work)
    say(f"{count(swept.expired, 'file')} had expired")
    record = {
        "expired": swept.expired,
        "orphans": swept.orphans,
        "partial": swept.partial,
        "broken": swept.broken,
    }
    show_record(record, as_json=as_json)


def _file(file: StoredFile) -> dict[str, object]:
    return {
        "fileId": file.file_id,
        "ownerId": file.owner_id,
        "fileName": file.name,
        "size": file.size,
        "mimeType": file.mime_type,
        "path": file.path,
        "createdAt": file.created_at,
        "expiresAt": file.expires_at,
    }
