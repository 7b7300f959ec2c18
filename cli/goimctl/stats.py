"""`goimctl stats`: how much there is of what, and how much of it is going on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from goimctl.office import in_office
from goimctl.options import Json, load_settings, local_url
from goimctl.output import plain, say, show_json, show_record, size_of

if TYPE_CHECKING:
    from goim.app.office import Office
    from goim.services.statistics import Totals

_PATIENCE = 5.0


def stats(ctx: typer.Context, *, as_json: Json = False) -> None:
    """Count what there is, measure the databases, ask the server."""

    async def work(office: Office) -> Totals:
        return await office.services.administration.statistics.totals()

    found = in_office(ctx, work)
    url = local_url(load_settings(ctx).settings)
    server = _asked(url)
    if server is None:
        say(f"no figures of the server: {url}/metrics does not answer with them")
    if as_json:
        show_json(plain(found) | {"server": server})
    else:
        show_record(_lines(found, server), as_json=False)


def _lines(found: Totals, server: dict[str, Any] | None) -> dict[str, object]:
    lines: dict[str, object] = {
        "users": found.users.total,
        "admins": found.users.admins,
        "disabled": found.users.disabled,
        "groups": found.groups.total,
        "files": f"{found.files.files}, {size_of(found.files.bytes)}",
    }
    lines |= {f"database {name}": size_of(number) for name, number in found.storage.databases.items()}
    lines["free on disk"] = size_of(found.storage.free_bytes)
    if server is not None:
        lines["connections"] = sum(server["connections"].values())
        lines |= {f"connections {name}": number for name, number in server["connections"].items()}
        lines["messages since start"] = server["messagesSinceStart"]
    return lines


def _asked(url: str) -> dict[str, Any] | None:
    """What the server at `url` counts; None if there is none, or it tells nobody."""
    import http.client
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it is this machine
    try:
        with opener.open(f"{url}/metrics", timeout=_PATIENCE) as answer:
            text = answer.read().decode()
    except (OSError, http.client.HTTPException):
        return None
    return _figures(text)


def _figures(text: str) -> dict[str, Any] | None:
    from prometheus_client.parser import text_string_to_metric_families

    try:
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    except ValueError:
        return None  # something else answers there
    stored = [int(sample.value) for sample in samples if sample.name == "im_commit_batch_size_sum"]
    if not stored:
        return None
    connections = {s.labels["transport"]: int(s.value) for s in samples if s.name == "im_connections"}
    return {"connections": connections, "messagesSinceStart": sum(stored)}
