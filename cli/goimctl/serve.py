"""`goimctl serve`: runs a node in this process until it is told to stop."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, Any

import typer

from goimctl.options import load_settings
from goimctl.output import Failed, say

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from goim.config import Address

_USUAL_PORT = 8080


def serve(ctx: typer.Context) -> None:
    """Run a node until Ctrl-C or SIGTERM: HTTP, WebSocket, TCP."""
    import asyncio

    from goim.app import serve as serve_node
    from goim.logs import configure
    from goimctl import open_files

    settings = load_settings(ctx).settings
    configure(settings.log.level, settings.log.format)
    server = settings.server
    check_free(server.listen_addr, server.listen)
    if server.tcp_addr and "tcp" in server.roles:
        check_free(server.tcp_addr, server.tcp_listen)
    open_files.take_all()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve_node(settings, _welcome))


def _welcome(url: str) -> None:
    chat = f"{_ourselves()} chat"
    where = "" if url.endswith(f":{_USUAL_PORT}") else f" --url {url}"
    say(f"goim listens on {url}")
    say(f"  its API    {url}/schema")
    say(f"  try it     {chat} alice --with bob{where}   (asks for a password, makes the account)")
    say(f"             {chat} bob --with alice{where}   (in another terminal)")
    say("  stop it    Ctrl-C")


def _ourselves() -> str:
    """How this program is called from here: after `make run` it is not on the path."""
    import shutil

    return "goimctl" if shutil.which("goimctl") else os.path.relpath(sys.argv[0])


def check_free(shown: str, address: Address) -> None:
    """Refuse an address that cannot be listened on before anything is opened: uvicorn would only log it and go."""
    import socket

    try:
        places = socket.getaddrinfo(
            address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, _, _, _, place in places:
            _try(family, place[:2])
    except OSError as error:
        raise Failed(f"cannot listen on {shown}: {_reason(error)}", hint=_WAYS_OUT.get(error.errno or 0)) from None


def _try(family: int, place: tuple[Any, ...]) -> None:
    import socket

    try:
        socket.create_server(place, family=family).close()
    except OSError as error:
        if error.errno != errno.EAFNOSUPPORT:  # no IPv6 here, and then nobody listens there
            raise


_WAYS_OUT = {
    errno.EADDRINUSE: "stop what listens there, or choose another port: IM_LISTEN_ADDR=127.0.0.1:8081 goimctl serve",
    errno.EACCES: "ports below 1024 are for the administrator; choose another: IM_LISTEN_ADDR=127.0.0.1:8080",
    errno.EADDRNOTAVAIL: 'this machine has no such address; ":8080" is all that it has',
}


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the address is in use"
    return os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error.strerror or error).lower()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where there is one (not on Windows)."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
