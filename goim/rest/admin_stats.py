"""Figures, for administrators."""

from __future__ import annotations

from litestar import get
from litestar.di import NamedDependency

from goim.services.registry import Services
from goim.services.statistics import Stats


@get("/stats")
async def stats(services: NamedDependency[Services]) -> Stats:
    """How many there are of what, how much it takes, and what this node does."""
    return await services.administration.statistics.all()
