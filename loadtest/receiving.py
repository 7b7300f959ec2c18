"""What a delivery costs a client at least, and what it costs our generator: `python -m loadtest.receiving`.

A process of its own sends each of many connections the same frame, over and over. It is received twice: by the
generator's own hearers, and by a loop that calls `recv` and throws away what came. The difference is what is ours.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
from collections.abc import Iterator
from time import process_time

from loadtest.connections import Connection, Crowd, Hearer, Speaker
from loadtest.plan import Person
from loadtest.sockets import Loop
from loadtest.talk import Talk
from loadtest.target import Target
from loadtest.wire import opening

HEARERS, ROUNDS, TIMES = 800, 15, 10
_PATIENCE = 10.0
_ACCEPT = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
_PUSH = b'{"action":"message","data":{"clientMsgId":"%012d","payload":{"text":"' + b"x" * 220 + b'"}}}'
_SOMEBODY = Person("somebody", "token")


def _talk(listener: socket.socket, hearers: int) -> None:
    """Take so many hearers and one speaker; whatever the speaker says, everybody hears a message."""
    links: list[socket.socket] = []
    while len(links) <= hearers:
        link = listener.accept()[0]
        if link.recv(4096):  # else somebody looked whether anybody listens
            link.sendall(_ACCEPT)
            links.append(link)
    speaker, number = links.pop(), 0
    while speaker.recv(65536):
        number += 1
        push = _PUSH % number
        frame = b"\x81\x7e" + len(push).to_bytes(2, "big") + push
        for each in links:
            each.sendall(frame)


@contextlib.contextmanager
def talking(hearers: int) -> Iterator[Target]:
    """A server that does nothing but that, in a process of its own."""
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        child = os.fork()
        if not child:
            with contextlib.suppress(ConnectionError):
                _talk(listener, hearers)
            os._exit(0)
        try:
            yield Target("127.0.0.1", listener.getsockname()[1])
        finally:
            os.waitpid(child, 0)


def by_generator(hearers: int, rounds: int, times: int) -> float:
    """The least µs of CPU a delivery that the generator took in so many tries."""
    with talking(hearers) as target:
        loop = Loop(target)
        talk = Talk({"to": "all"}, "bench-", "x", hearers=hearers, window=1, until_heard=True)
        speaker: Speaker | None = None
        crowd = Crowd(speaker)  # type: ignore[arg-type]  # the speaker has to connect last, and nobody speaks before
        everybody: list[Connection] = [Hearer(loop, _SOMEBODY, crowd) for _ in range(hearers)]
        loop.turn_until(lambda _: all(each.is_open for each in everybody), _PATIENCE)
        crowd.speaker = speaker = Speaker(loop, _SOMEBODY, talk)
        loop.turn_until(lambda _: loop.opened == hearers + 1, _PATIENCE)
        talk.is_open = True
        speaker.speak(0.0)
        least = sys.float_info.max
        for _ in range(times):
            until, begun = len(talk.sent_at) + rounds, process_time()
            loop.turn_until(lambda _, until=until: len(talk.sent_at) >= until, _PATIENCE)  # type: ignore[misc]
            least = min(least, process_time() - begun)
        loop.close()
    return least / rounds / hearers * 1e6


def by_nobody(hearers: int, rounds: int, times: int) -> float:
    """The same for a loop that looks at nothing."""
    with talking(hearers) as target, contextlib.ExitStack() as stack, select.epoll() as epoll:
        links = [stack.enter_context(socket.create_connection((target.host, target.port))) for _ in range(hearers + 1)]
        for each in links:
            each.sendall(opening(target, "bench", "token"))
            each.recv(4096)
        speaker = links.pop()
        receive = {each.fileno(): each.recv for each in links}
        for each in links:
            epoll.register(each, select.EPOLLIN)
        least = sys.float_info.max
        for _ in range(times):
            begun = process_time()
            for _ in range(rounds):
                speaker.send(b"go on")
                heard = 0
                while heard < hearers:
                    events = epoll.poll(1.0, 1024)
                    for fd, _ in events:
                        receive[fd](65536)
                    heard += len(events)
            least = min(least, process_time() - begun)
    return least / rounds / hearers * 1e6


def main() -> None:
    """Both, in one run."""
    floor, ours = by_nobody(HEARERS, ROUNDS, TIMES), by_generator(HEARERS, ROUNDS, TIMES)
    sys.stdout.write(f"epoll and recv alone {floor:5.2f} µs of CPU a delivery\nthe generator        {ours:5.2f} µs\n")


if __name__ == "__main__":
    main()
