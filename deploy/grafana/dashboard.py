"""Makes goim.json, the dashboard: `python deploy/grafana/dashboard.py > deploy/grafana/goim.json`."""

from __future__ import annotations

import itertools
import json
import string
import sys

from grafana_foundation_sdk.builders.common import VizLegendOptions
from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, QueryVariable, Row
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.timeseries import Panel
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DataSourceRef, VariableRefresh

SOURCE = DataSourceRef(type_val="prometheus", uid="${source}")
NODES = 'job=~"$job"'

Query = tuple[str, str]
"""PromQL and what its lines are called; `{}` in it stands for the jobs that are shown."""

ROWS: dict[str, list[tuple[str, str, list[Query]]]] = {
    "Messages": [
        ("Requests from sockets", "reqps", [("sum by (action) (rate(im_ws_messages_total{}[5m]))", "{{action}}")]),
        ("Deliveries", "ops", [("sum by (instance) (rate(im_deliveries_total{}[5m]))", "{{instance}}")]),
        (
            "From send to ack",
            "ms",
            [
                (f"histogram_quantile({share}, sum by (le) (rate(im_send_latency_ms_bucket{{}}[5m])))", name)
                for share, name in ((0.5, "half"), (0.99, "99 of 100"))
            ],
        ),
        ("Refused requests", "reqps", [("sum by (code) (rate(im_errors_total{}[5m]))", "{{code}}")]),
    ],
    "Connections": [
        ("Connections", "short", [("sum by (instance, transport) (im_connections{})", "{{instance}} {{transport}}")]),
        ("Ended by the server", "cps", [("sum by (code) (rate(im_closes_total{}[5m]))", "{{code}}")]),
        ("Waiting for slow readers", "bytes", [("sum by (instance) (im_send_queue_bytes{})", "{{instance}}")]),
        (
            "HTTP",
            "reqps",
            [("sum by (route, status) (rate(im_http_seconds_count{}[5m]))", "{{route}} {{status}}")],
        ),
    ],
    "Database": [
        (
            "One commit",
            "s",
            [
                (f"histogram_quantile({share}, sum by (le) (rate(im_commit_seconds_bucket{{}}[5m])))", name)
                for share, name in ((0.5, "half"), (0.99, "99 of 100"))
            ],
        ),
        (
            "Messages in a commit",
            "short",
            [("sum(rate(im_commit_batch_size_sum{}[5m])) / sum(rate(im_commit_batch_size_count{}[5m]))", "mean")],
        ),
        ("Commits done again", "ops", [("sum by (instance) (rate(im_commit_retries_total{}[5m]))", "{{instance}}")]),
    ],
    "Between the nodes": [
        ("Told to other nodes", "ops", [("sum by (instance) (rate(im_bus_published_total{}[5m]))", "{{instance}}")]),
        ("Heard from other nodes", "ops", [("sum by (instance) (rate(im_bus_received_total{}[5m]))", "{{instance}}")]),
        ("Way of a ping", "s", [("im_bus_lag_seconds{}", "{{instance}}")]),
        (
            "Trouble with Redis",
            "short",
            [
                ("sum(increase(im_bus_dropped_total{}[5m]))", "could not be told"),
                ("sum(increase(im_bus_reconnects_total{}[5m]))", "connected again"),
                ("sum(increase(im_bus_replayed_total{}[5m]))", "read from the log"),
                ("sum(increase(im_limited_alone_total{}[5m]))", "limits counted alone"),
            ],
        ),
    ],
    "Groups, webhooks, pushes": [
        ("Records not read yet", "short", [("sum by (instance) (im_group_lag{})", "{{instance}}")]),
        (
            "Lines of lists moved",
            "ops",
            [("sum by (instance) (rate(im_group_members_moved_total{}[5m]))", "{{instance}}")],
        ),
        (
            "Events of groups",
            "ops",
            [
                ("sum by (what) (rate(im_group_events_total{}[5m]))", "{{what}}"),
                ("sum(im_group_events_waiting{})", "waiting"),
            ],
        ),
        ("Age of the oldest event", "s", [("max by (lane) (im_hooks_age_seconds{})", "{{lane}}")]),
        (
            "Events for endpoints",
            "short",
            [
                ("max by (lane) (im_hooks_waiting{})", "{{lane}} waiting"),
                ("max by (lane) (im_hooks_dead{})", "{{lane}} given up"),
            ],
        ),
        (
            "Questions before sending",
            "ops",
            [("sum by (said) (rate(im_before_send_total{}[5m]))", "{{said}}")],
        ),
    ],
    "Processes": [
        ("Workers", "short", [("im_workers{}", "{{instance}}")]),
        ("CPU", "percentunit", [("rate(process_cpu_seconds_total{}[5m])", "{{instance}} {{worker}}")]),
        ("Memory", "bytes", [("process_resident_memory_bytes{}", "{{instance}} {{worker}}")]),
        (
            "Open files",
            "percentunit",
            [("process_open_fds{} / process_max_fds{}", "{{instance}} {{worker}} of what it may")],
        ),
    ],
}


def dashboard() -> str:
    """The dashboard as Grafana imports it."""
    board = (
        Dashboard("goim")
        .uid("goim")
        .description("Nodes and consumers of goim. What the figures mean: docs/metrics.md.")
        .tags(["goim"])
        .refresh("30s")
        .time("now-3h", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(DatasourceVariable("source").label("Prometheus").type("prometheus"))
        .with_variable(
            QueryVariable("job")
            .label("Job")
            .datasource(SOURCE)
            .query("label_values(process_open_fds, job)")
            .refresh(VariableRefresh.ON_DASHBOARD_LOAD)
            .regex("/goim/")
            .multi(True)
            .include_all(True)
            .all_value("goim.*")
        )
    )
    numbers = itertools.count(1)
    for title, panels in ROWS.items():
        board = board.with_row(Row(title).id(next(numbers)))
        for panel in panels:
            board = board.with_panel(_panel(*panel).id(next(numbers)))
    return json.dumps(board.build(), cls=JSONEncoder, indent=1, sort_keys=True) + "\n"


def _panel(title: str, unit: str, queries: list[Query]) -> Panel:
    panel = Panel().title(title).unit(unit).min(0).datasource(SOURCE).height(8).span(8).fill_opacity(10)
    panel.legend(
        VizLegendOptions().show_legend(True).display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    )
    for name, (query, legend) in zip(string.ascii_uppercase, queries, strict=False):
        expr = query.replace("{}", f"{{{NODES}}}")
        panel.with_target(Dataquery().ref_id(name).expr(expr).legend_format(legend).datasource(SOURCE))
    return panel


if __name__ == "__main__":
    sys.stdout.write(dashboard())
