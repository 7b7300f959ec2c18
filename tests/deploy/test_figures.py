"""The rules for Prometheus and the dashboard for Grafana: they ask for figures that goim has."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import CollectorRegistry, Metric, ProcessCollector

from goim.errors import ErrorCode
from goim.metrics import Metrics
from goim.protocol.close_codes import CloseCode
from tests.deploy.proxies import DEPLOY, needed
from tests.node import started_node
from tests.pages import page

RULES = DEPLOY / "prometheus/rules.yaml"
BOARD = DEPLOY / "grafana/goim.json"
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
EVERYWHERE = {"job", "instance", "le"}


def promtool(*words: str | Path, text: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [needed("promtool", "prometheus"), *map(str, words)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=50, input=text)


def families() -> Iterator[Metric]:
    yield from Metrics().collect()
    yield from ProcessCollector(registry=CollectorRegistry()).collect()


def labels_by_name() -> dict[str, set[str]]:
    """Every series there is, and the labels that it has."""
    return {
        family.name + suffix: set(getattr(family, "_labelnames", ())) | EVERYWHERE
        for family in families()
        for suffix in SUFFIXES[family.type]
    }


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def board_expressions() -> list[str]:
    panels = json.loads(BOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]


def test_every_figure_and_label_that_is_asked_for_exists() -> None:
    known = labels_by_name()
    for expression in [*(rule["expr"] for rule in rules()), *board_expressions()]:
        named = set(re.findall(r"\b(?:im|process)_[a-z_]+\b", expression))
        assert named <= set(known), named - set(known)
        grouped = {label for inside in re.findall(r"by \(([^)]*)\)", expression) for label in inside.split(", ")}
        matched = set(re.findall(r"(\w+)(?:=~|!=|=)\"", expression))
        for name in named:
            assert grouped | matched <= known[name], (expression, name)


def test_every_figure_that_goim_has_of_its_own_is_on_the_dashboard() -> None:
    shown = " ".join(board_expressions())
    ours = {family.name for family in Metrics().collect()} - {"im_hooks_delivered", "im_hooks_failed"}
    missing = {name for name in ours if not re.search(rf"\b{name}(_total|_bucket|_sum|_count)?\b", shown)}
    assert missing <= {"im_hooks_dropped", "im_before_send_seconds"}


def test_codes_in_the_rules_are_codes_of_goim() -> None:
    text = RULES.read_text()
    known = {code.value for code in ErrorCode} | {str(int(code)) for code in CloseCode}
    (errors,) = re.findall(r'im_errors_total\{code=~"([^"]+)"', text)
    (closes,) = re.findall(r'im_closes_total\{code="([^"]+)"', text)
    assert {*errors.split("|"), closes} <= known


def test_promtool_agrees_with_the_rules_and_with_what_is_to_be_scraped() -> None:
    done = promtool("check", "config", DEPLOY / "prometheus/prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_ring_when_they_should_and_only_then() -> None:
    done = promtool("test", "rules", DEPLOY / "prometheus/rules_test.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_the_dashboard_asks_is_promql(tmp_path: Path) -> None:
    as_rules = [
        {"record": f"board:panel:n{number}", "expr": expression.replace("$job", "goim")}
        for number, expression in enumerate(board_expressions())
    ]
    file = tmp_path / "board.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": as_rules}]}))
    done = promtool("check", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_is_what_its_program_makes() -> None:
    done = subprocess.run([sys.executable, DEPLOY / "grafana/dashboard.py"], check=True, capture_output=True, text=True)
    assert done.stdout == BOARD.read_text(), "python deploy/grafana/dashboard.py > deploy/grafana/goim.json"


async def test_promtool_reads_what_a_node_answers(tmp_path: Path) -> None:
    async with started_node(tmp_path) as (_, people):
        alice = await people.person("alice")
        text = (await alice.http.get("/metrics")).text
    done = promtool("check", "metrics", text=text)
    assert "error" not in done.stderr
    complaints = [
        line for line in done.stderr.splitlines() if not line.startswith("im_send_latency_ms ")
    ]  # in ms by contract
    assert complaints == []


def test_the_page_says_what_to_do_for_every_alert() -> None:
    text = page("docs/operations.md")
    alerts = {rule["alert"] for rule in rules() if "alert" in rule}
    assert set(re.findall(r"\bGoim[A-Z]\w+", text)) == alerts
