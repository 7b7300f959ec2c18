"""The loop of the generator's sockets."""

from __future__ import annotations

import socket
import sys
from time import perf_counter

import pytest

from loadtest.sockets import Link, Loop
from loadtest.target import Target


class Ear(Link):
    """Keeps what it hears."""

    heard = b""

    def feed(self, data: bytes, now: float) -> None:
        self.heard += data


@pytest.mark.skipif(sys.platform != "linux", reason="the generator has epoll")
def test_what_came_while_the_generator_stood_still_is_looked_for_before_it_gives_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        loop = Loop(Target("127.0.0.1", listener.getsockname()[1]))
        listener.accept()[0].close()  # somebody looked whether anybody listens
        ear = Ear(loop)
        assert loop.turn_until(lambda _: ear.is_connected, 20)
        with listener.accept()[0] as other:

            def stand_still() -> None:
                end = perf_counter() + 0.3
                while perf_counter() < end:
                    pass
                other.sendall(b"here")

            loop.spare, loop.spare_above = stand_still, -1
            assert loop.turn_until(lambda _: ear.heard == b"here", 0.1)
            loop.close()
