"""People who talk on several nodes."""

from __future__ import annotations

import socket
import sys
from time import perf_counter

import pytest

from loadtest.ordering_nodes import _have_talked, _Speaker
from loadtest.plan import Person
from loadtest.sockets import Loop
from loadtest.target import Target


@pytest.mark.skipif(sys.platform != "linux", reason="the generator has epoll")
def test_who_is_cut_off_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        loop = Loop(Target("127.0.0.1", listener.getsockname()[1]))
        listener.accept()[0].close()  # somebody looked whether anybody listens
        speaker = _Speaker(loop, Person("ann", "token"), ["bob"], "g", 0.5)
        assert loop.turn_until(lambda _: speaker.is_connected, 20)
        assert not _have_talked([speaker], perf_counter())
        listener.accept()[0].close()
        assert loop.turn_until(lambda _: bool(loop.losses), 20)
        assert _have_talked([speaker], perf_counter())
        loop.close()
