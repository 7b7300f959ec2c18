"""`goimctl hooks`: what was not delivered to your servers, sending it again, trying an endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from goimctl.office import in_office
from goimctl.options import Json
from goimctl.output import ExitCode, Failed, count, moment, say, show_json, show_record, show_table

if TYPE_CHECKING:
    from goim.app.hooks import Hooks
    from goim.app.office import Office
    from goim.outbound.base import Answer
    from goim.stores.base_outbox import Parcel

group = typer.Typer(
    name="hooks",
    help="Webhooks and pushes: what failed, send it again, try one.",
    epilog="Example: goimctl hooks list",
)


@group.command("list", epilog="Example: goimctl hooks list --waiting --lane crm --json")
def list_(
    ctx: typer.Context,
    *,
    lane: Annotated[str | None, typer.Option(help="Only of this endpoint.", metavar="NAME")] = None,
    waiting: Annotated[bool, typer.Option("--waiting", help="What waits, instead of what was given up.")] = False,
    limit: Annotated[int, typer.Option(help="How many at most.", metavar="N", min=1)] = 100,
    offset: Annotated[int, typer.Option(help="How many to leave out.", metavar="N", min=0)] = 0,
    as_json: Json = False,
) -> None:
    """List the events that were given up."""

    async def work(office: Office) -> list[Parcel]:
        from goim.stores.base_outbox import ParcelState

        state = ParcelState.WAITING if waiting else ParcelState.DEAD
        return await _hooks(office).outbox.page(state, lane, limit + 1, offset)

    found = in_office(ctx, work)
    page = found[:limit]
    next_offset = offset + limit if len(found) > limit else None
    if as_json:
        show_json({"events": [_event(each) for each in page], "nextOffset": next_offset})
        return
    rows = (
        (each.event_id, each.lane, each.type, moment(each.made_at), str(each.attempts), each.problem) for each in page
    )
    show_table(("EVENT", "LANE", "TYPE", "SINCE", "TRIED", "PROBLEM"), rows)
    if next_offset:
        say(f"there are more: the same with --offset {next_offset}")


@group.command(epilog="Example: goimctl hooks retry --lane crm")
def retry(
    ctx: typer.Context,
    *,
    lane: Annotated[str | None, typer.Option(help="Only of this endpoint.", metavar="NAME")] = None,
    event: Annotated[str | None, typer.Option(help="Only this event.", metavar="ID")] = None,
    as_json: Json = False,
) -> None:
    """Let what was given up wait again, as if it were new. A running server sends it within a second."""

    async def work(office: Office) -> int:
        return await _hooks(office).outbox.revive(lane, event, office.services.clock.now_ms())

    revived = in_office(ctx, work)
    say(f"{count(revived, 'event')} will be sent again")
    show_record({"revived": revived}, as_json=as_json)


@group.command("test", epilog="Example: goimctl hooks test crm")
def try_(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The endpoint, as hooks.endpoints names it.", metavar="NAME")],
    *,
    as_json: Json = False,
) -> None:
    """Send an event to an endpoint at once and say what it answers. Exit code 5 if that is nothing, or no 2xx."""

    async def work(office: Office) -> Answer:
        from goim.outbound.base import Unreachable

        webhooks = _hooks(office).webhooks
        if name not in webhooks.endpoints:
            raise Failed(f"no such endpoint: {name}", hint=f"there are: {', '.join(webhooks.endpoints)}")
        try:
            return await webhooks.test(name)
        except Unreachable as error:
            raise Failed(f"{name}: {error}", code=ExitCode.DEPENDENCY_DOWN) from None

    answer = in_office(ctx, work)
    show_record({"endpoint": name, "status": answer.status, "delivered": answer.is_ok}, as_json=as_json)
    if not answer.is_ok:
        raise Failed(f"{name} answered {answer.status}", code=ExitCode.DEPENDENCY_DOWN)


@group.command(epilog="Example: goimctl hooks secret")
def secret() -> None:
    """Make a secret for hooks.secrets and print it."""
    import secrets

    from goim.config.hooks import secret_text

    typer.echo(secret_text(secrets.token_bytes(32)))


@group.command(epilog="Example: goimctl hooks vapid > vapid.key")
def vapid() -> None:
    """Make a key for push.vapid_private_key and print it."""
    from goim.model.web_push import new_private_key

    typer.echo(new_private_key())


def _hooks(office: Office) -> Hooks:
    if office.hooks is None:
        raise Failed("no hooks are configured", hint="set hooks.endpoints and hooks.secrets, see docs/webhooks.md")
    return office.hooks


def _event(parcel: Parcel) -> dict[str, object]:
    return {
        "eventId": parcel.event_id,
        "lane": parcel.lane,
        "target": parcel.target,
        "type": parcel.type,
        "madeAt": parcel.made_at,
        "dueAt": parcel.due_at,
        "attempts": parcel.attempts,
        "problem": parcel.problem,
    }
