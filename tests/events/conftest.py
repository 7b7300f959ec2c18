"""One broker for all tests here; each has a topic of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from goim.events.kafka import Topic
from goim.ids import new_id
from tests.events.broker import GIVEN, Broker


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker of our own, to be killed and started again at will."""
    broker = Broker(tmp_path_factory.mktemp("kafka"))
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> Topic:
    """An empty topic, of the broker in GOIM_TEST_KAFKA or of ours."""
    address = GIVEN or request.getfixturevalue("broker").address
    return Topic(brokers=(address,), name=f"im-group-update-{new_id()}")
