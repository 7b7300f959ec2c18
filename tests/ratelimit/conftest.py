"""For the tests of limits that nodes share."""

from __future__ import annotations

import pytest

from goim.resp import client, link


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stands still for some seconds is no Redis that is away."""
    monkeypatch.setattr(client, "ANSWER_SECONDS", 30.0)
    monkeypatch.setattr(link, "DIAL_SECONDS", 30.0)
