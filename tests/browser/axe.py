"""Looks at a page with axe-core, which comes in a Python package and loads nothing."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from playwright.async_api import Page

# What moves is at its end, or, if it goes on for ever, at its beginning. Of what passed the number is enough.
_RUN = """async (options) => {
  document.getAnimations().forEach((each) =>
    each.effect.getComputedTiming().endTime === Infinity ? each.cancel() : each.finish());
  const { violations, passes } = await axe.run(document, { ...options, resultTypes: ["violations"] });
  const bad = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  return { rules: passes.length, found: bad.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${target}: ${failureSummary.replace(/\\s+/g, " ")}`)) };
}"""
COLOURS = ["color-contrast", "link-in-text-block"]
"""The rules that look at colours."""
FEW_RULES = 10
"""A page on which fewer rules apply than this is not the page that one meant to look at."""


@cache
def _script() -> str:
    return files("axe_playwright_python").joinpath("axe.min.js").read_text()


async def faults(page: Page, rules: list[str] | None = None) -> list[str]:
    """What is serious or critical on a page as it stands, by all rules or these: rule, element, what to do about it."""
    if not await page.evaluate("() => 'axe' in window"):
        await page.evaluate(_script())
    result: dict[str, Any] = await page.evaluate(_RUN, {"runOnly": rules} if rules else {})
    assert rules or result["rules"] >= FEW_RULES
    found: list[str] = result["found"]
    return found
