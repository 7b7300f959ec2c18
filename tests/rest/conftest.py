"""The fixtures of the tests of the HTTP API."""

from __future__ import annotations

from tests.rest.people import running_node, shared_node

__all__ = ["running_node", "shared_node"]
