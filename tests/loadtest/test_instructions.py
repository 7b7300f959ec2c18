"""A message must not become dearer unnoticed. Instructions are counted, so a busy or slow machine changes nothing."""

from __future__ import annotations

import pytest

from loadtest.callgrind import Callgrind
from loadtest.errors import Refused
from loadtest.instructions import PYTHON, measure, recorded, too_dear


@pytest.fixture(name="costs", scope="module")
def measure_costs() -> dict[str, float]:
    if recorded().python != PYTHON:
        pytest.skip(f"recorded with Python {recorded().python}")
    try:
        return measure()
    except Refused as error:
        pytest.skip(f"{error}: {error.hint}")


def test_a_message_costs_no_more_instructions_than_recorded(costs: dict[str, float]) -> None:
    record = recorded().costs
    assert record.keys() == {"message", "delivery"}
    assert too_dear(costs, record) is None


def test_a_message_that_became_dearer_is_noticed(costs: dict[str, float]) -> None:
    problem = too_dear({"message": costs["burdened"]}, {"message": costs["message"]})
    assert problem is not None
    assert "--renew" in problem


def test_what_costs_a_quarter_more_is_named_with_what_to_do() -> None:
    record = {"message": 40.0, "delivery": 4.0}
    assert too_dear({"message": 50.0, "delivery": 3.0}, record) is None
    problem = too_dear({"message": 50.1, "delivery": 3.0}, record)
    assert problem is not None
    assert problem.startswith("a message costs 50.1, +25% on the 40.0 that are recorded; ")
    assert "delivery" not in problem


def test_a_program_that_nobody_counts_runs_as_it_is() -> None:
    callgrind = Callgrind()
    assert not callgrind.is_there
    with callgrind.counting("nothing"):
        pass
