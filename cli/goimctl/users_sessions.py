"""The commands of `goimctl users` about where somebody is logged in: sessions and devices, shown and ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from goimctl.office import find_user, in_office
from goimctl.options import Json
from goimctl.output import Failed, moment, plain, say, show_json, show_table
from goimctl.users_rights import Who

if TYPE_CHECKING:
    from goim.app.office import Office
    from goim.model.users import Session
    from goim.services.devices import DeviceView


def add_to(group: typer.Typer) -> None:
    """Add these commands to `users`."""
    group.command(epilog="Example: goimctl users sessions bob --end-all")(sessions)
    group.command(epilog="Example: goimctl users devices bob --end phone")(devices)


def sessions(
    ctx: typer.Context,
    who: Who,
    *,
    end: Annotated[list[str] | None, typer.Option(help="End this one (may be repeated).", metavar="SESSION")] = None,
    end_all: Annotated[bool, typer.Option("--end-all", help="End all of them.")] = False,
    as_json: Json = False,
) -> None:
    """List somebody's sessions, or end some. Their tokens stop working and their sockets close."""

    async def work(office: Office) -> list[Session]:
        user = await find_user(office, who)
        desk = office.services.sessions
        living = await desk.of_user(user.user_id)
        ending = {session.session_id for session in living} if end_all else set(end or ())
        unknown = ending - {session.session_id for session in living}
        if unknown:
            raise Failed(
                f"{user.username} has no session {', '.join(sorted(unknown))}",
                hint=f"goimctl users sessions {user.username}",
            )
        await desk.end(ending)
        if ending or end_all:
            say(f"{len(ending)} ended")
        return [session for session in living if session.session_id not in ending]

    left = in_office(ctx, work)
    if as_json:
        from goim.services.admin_views import admin_session

        show_json({"sessions": plain([admin_session(session) for session in left])})
    elif left or not (end or end_all):
        rows = ((s.session_id, s.device_id or "", moment(s.created_at), moment(s.expires_at)) for s in left)
        show_table(("SESSION", "DEVICE", "SINCE", "UNTIL"), rows)


def devices(
    ctx: typer.Context,
    who: Who,
    *,
    end: Annotated[list[str] | None, typer.Option(help="Put this one out (may be repeated).", metavar="DEVICE")] = None,
    as_json: Json = False,
) -> None:
    """List somebody's devices, or put some out.

    The sessions of a device that is put out end, and it is forgotten.
    Which of them are connected just now only the server knows; a connected one was last seen when it came.
    """

    async def work(office: Office) -> list[DeviceView]:
        user = await find_user(office, who)
        known = await office.services.devices.of_user(user.user_id)
        unknown = set(end or ()) - {device.device_id for device in known}
        if unknown:
            raise Failed(
                f"{user.username} has no device {', '.join(sorted(unknown))}",
                hint=f"goimctl users devices {user.username}",
            )
        for device_id in dict.fromkeys(end or ()):
            await office.services.devices.put_out(user.user_id, device_id)
            say(f"{device_id} is out")
        return [device for device in known if device.device_id not in (end or ())]

    left = in_office(ctx, work)
    if as_json:
        show_json({"devices": [_device(device) for device in left]})
    elif left or not end:
        rows = ((d.device_id, d.transport, moment(d.connected_at), moment(d.last_seen)) for d in left)
        show_table(("DEVICE", "TRANSPORT", "CONNECTED", "LAST SEEN"), rows)


def _device(device: DeviceView) -> dict[str, object]:
    return {
        "deviceId": device.device_id,
        "transport": device.transport,
        "connectedAt": device.connected_at,
        "lastSeen": device.last_seen,
    }
