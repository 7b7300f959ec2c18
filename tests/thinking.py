"""How hypothesis looks for examples: by what they are, and never by how long a busy machine takes for one."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
