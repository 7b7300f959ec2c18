"""`goimctl doctor`: looks whether everything goim needs is there and well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from goimctl.options import Json, load_settings
from goimctl.output import ExitCode, Failed, show_json, show_table, tell_failure, working

if TYPE_CHECKING:
    from goimctl.findings import Finding


def doctor(
    ctx: typer.Context,
    *,
    server: Annotated[bool, typer.Option(help="Also ask the server whether it is well.")] = True,
    as_json: Json = False,
) -> None:
    """Check everything that goim needs. The exit code is 3 if something is wrong, and stderr says what to do."""
    import asyncio

    from goim.logs import configure
    from goimctl.checks import all_findings
    from goimctl.findings import State

    settings = load_settings(ctx).settings
    configure("critical", settings.log.format)  # what a library calls an error is a finding here
    with working("Looking"):
        findings = asyncio.run(all_findings(settings, ask_server=server))
    wrong = [finding for finding in findings if finding.state is State.WRONG]
    if as_json:
        show_json({"ok": not wrong, "checks": [_plain(finding) for finding in findings]})
    else:
        show_table(("CHECK", "STATE", "FOUND"), ((each.name, each.state, _found(each)) for each in findings))
    for finding in wrong:
        tell_failure(Failed(f"{finding.name}: {finding.found}", hint=finding.way_out))
    if wrong:
        raise typer.Exit(ExitCode.UNHEALTHY)


def _plain(finding: Finding) -> dict[str, object]:
    return {
        "name": finding.name,
        "state": finding.state,
        "found": finding.found,
        "latencyMs": finding.latency_ms,
        "wayOut": finding.way_out,
    }


def _found(finding: Finding) -> str:
    found = finding.found if finding.latency_ms is None else f"{finding.found}, {finding.latency_ms} ms"
    return f"{found} ({finding.way_out})" if finding.state == "note" and finding.way_out else found
