"""The report as one HTML file that needs nothing else: tables, and charts as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

import msgspec

from loadtest.report import Moment, Report, Step, as_json, lines

_WIDTH, _HEIGHT = 640, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 28, 12, 34
_COLOURS = ("#2563eb", "#d97706", "#059669", "#db2777", "#7c3aed")
_TICKS = 4
_STYLE = """
:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}
body{max-width:72rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}
table{border-collapse:collapse}td,th{padding:.2rem .8rem;text-align:right;border-bottom:1px solid #8884}
td:first-child,th:first-child{text-align:left}
.charts{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0;flex:1 1 30rem;max-width:36rem}
svg{width:100%;height:auto}svg text{font:11px system-ui,sans-serif;fill:currentColor}
pre{white-space:pre-wrap}.good{color:#059669}.bad{color:#dc2626}
"""

Points = list[tuple[float, float]]


def as_html(report: Report) -> str:
    """The whole page."""
    verdict = ("good", "every message checked") if report.is_good else ("bad", "something was wrong")
    charts = "".join(_charts(report))
    machine = report.machine
    where = f"{machine.processor}, {machine.cores} cores, {machine.system}, {machine.python}, goim {machine.goim}"
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{escape(report.title)}</title><style>{_STYLE}</style>
<h1>{escape(report.title)}</h1>
<p>{report.seconds:.1f} s, {escape(report.url)}: <strong class="{verdict[0]}">{verdict[1]}</strong></p>
{_table(report.steps)}
<div class="charts">{charts}</div>
<h2>What it took</h2><pre>{escape(chr(10).join(lines(report)))}</pre>
<h2>Where the load came from</h2><p>{escape(where)}</p>
<details><summary>All figures as JSON</summary><pre>{escape(as_json(report))}</pre></details>
</html>
"""


def _table(steps: Sequence[Step]) -> str:
    heads = ("", "number", "per second", "p50 ms", "p90", "p99", "p99.9", "max")
    rows = ["".join(f"<th>{head}</th>" for head in heads)]
    for step in steps:
        latency = step.latency_ms
        told = [f"{ms:.2f}" for ms in msgspec.structs.astuple(latency)] if latency else [""] * 5
        cells = (escape(step.name), f"{step.count:,}", f"{step.per_second:,.0f}", *told)
        rows.append("".join(f"<td>{cell}</td>" for cell in cells))
    return "<table>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"


def _charts(report: Report) -> list[str]:
    """Those for which there is something to draw."""
    moments = report.moments
    names = list(dict.fromkeys(name for each in moments for name in each.per_second))
    curves = {step.name: _curve(step) for step in report.steps if step.curve_ms}
    rates = {name: [(each.at, each.per_second.get(name, 0.0)) for each in moments] for name in names}
    latest = {
        "p50": _series(moments, lambda each: each.latest_p50_ms),
        "p99": _series(moments, lambda each: each.latest_p99_ms),
    }
    cpu = {"cores": _series(moments, lambda each: each.server_busy)}
    memory = {"MiB": _series(moments, lambda each: (each.server_memory_bytes or 0) / 1024**2 or None)}
    wanted = (
        ("Latency by share of all, ms (logarithmic)", curves, _share_of, True),
        ("Per second", rates, _second_of, False),
        ("Newest latencies over time, ms", latest, _second_of, False),
        ("Server: cores busy", cpu, _second_of, False),
        ("Server: resident memory, MiB", memory, _second_of, False),
    )
    charts: list[str] = []
    for title, series, x_name, is_logarithmic in wanted:
        drawn = {name: points for name, points in series.items() if len(points) > 1}
        if drawn:
            charts.append(_chart(title, drawn, x_name, is_logarithmic=is_logarithmic))
    return charts


def _curve(step: Step) -> Points:
    """Nines to the right: how much of everything was at most this slow."""
    return [(-math.log10(max(1 - share, 1e-5)), max(ms, 0.001)) for share, ms in step.curve_ms]


def _series(moments: Sequence[Moment], value: Callable[[Moment], float | None]) -> Points:
    return [(each.at, found) for each in moments if (found := value(each)) is not None]


def _share_of(nines: float) -> str:
    return f"{100 * (1 - 10**-nines):.5g} %"


def _second_of(at: float) -> str:
    return f"{at:.3g} s"


def _chart(title: str, lines_: dict[str, Points], x_name: Callable[[float], str], *, is_logarithmic: bool) -> str:
    """Lines over a common scale, with a legend."""
    scale = math.log10 if is_logarithmic else float
    xs = [x for points in lines_.values() for x, _ in points]
    ys = [scale(y) for points in lines_.values() for _, y in points]
    left = min(xs)
    right = max(*xs, left + 1e-9)
    low = math.floor(min(ys)) if is_logarithmic else 0.0
    high = math.ceil(max(ys)) if is_logarithmic else max(ys) * 1.1
    high = max(high, low + 1e-9)

    def place(x: float, y: float) -> tuple[float, float]:
        across = _LEFT + (x - left) / (right - left) * (_WIDTH - _LEFT - _RIGHT)
        return across, _HEIGHT - _BOTTOM - (scale(y) - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    parts = list(_axes(place, left, right, low, high, x_name, is_logarithmic=is_logarithmic))
    for points, colour in zip(lines_.values(), _COLOURS, strict=False):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
    legend = " ".join(
        f'<span style="color:{colour}">■</span> {escape(name)}' for name, colour in zip(lines_, _COLOURS, strict=False)
    )
    svg = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
    return f"<figure><h2>{escape(title)}</h2>{svg}<figcaption>{legend}</figcaption></figure>"


def _axes(
    place: Callable[[float, float], tuple[float, float]],
    left: float,
    right: float,
    low: float,
    high: float,
    x_name: Callable[[float], str],
    *,
    is_logarithmic: bool,
) -> list[str]:
    """Lines across with their values, and the ends and steps of what is below."""
    parts: list[str] = []
    steps = int(high - low) if is_logarithmic else _TICKS
    for step in range(max(1, steps) + 1):
        value = low + (high - low) * step / max(1, steps)
        shown = 10**value if is_logarithmic else value
        _, y = place(left, shown)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#8886"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{shown:,.4g}</text>')
    for step in range(_TICKS + 2):
        value = left + (right - left) * step / (_TICKS + 1)
        across = _LEFT + (value - left) / (right - left) * (_WIDTH - _LEFT - _RIGHT)
        parts.append(f'<text x="{across:.1f}" y="{_HEIGHT - 12}" text-anchor="middle">{x_name(value)}</text>')
    return parts
