"""What the server counts itself, where its /metrics answers."""

from __future__ import annotations

import http.client
import re
import urllib.request

from loadtest.target import Target


def metrics_of(target: Target) -> dict[str, float]:
    """The numbers without labels, by name; none if it does not tell us."""
    try:
        with urllib.request.urlopen(f"{target.url}/metrics", timeout=10) as answer:  # noqa: S310  # http or https
            text = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return {}
    return {name: float(value) for name, value in re.findall(r"^(\w+) ([0-9.e+-]+)$", text, re.MULTILINE)}
