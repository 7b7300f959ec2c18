"""`goimctl serve`: runs a node until it is told to stop, in this process or in several on one port."""

from __future__ import annotations

import contextlib
import errno
import os
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from goim.workers import Worker, bound, shared_sockets
from goimctl.options import load_settings
from goimctl.output import ExitCode, Failed, ourselves, say

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine, Iterator

    from goim.config import Address, Settings
    from goim.config.settings import Server

_USUAL_PORT = 8080


def serve(
    ctx: typer.Context,
    *,
    workers: Annotated[
        int | None,
        typer.Option(help="Processes that serve on one port; server.workers by default.", metavar="N", min=1),
    ] = None,
) -> None:
    """Run a node until Ctrl-C or SIGTERM: HTTP, WebSocket, TCP."""
    from goim.logs import configure
    from goimctl import open_files

    worker = Worker.of(os.environ)
    if worker is not None:
        return _serve_as(worker, ctx)
    settings = load_settings(ctx).settings
    count = workers or settings.server.workers
    configure(settings.log.level, settings.log.format)
    server = settings.server
    if count > 1:
        _refuse_if_alone(settings, count)
    check_free("IM_LISTEN_ADDR", server.listen_addr, server.listen)
    if server.tcp_addr and "tcp" in server.roles:
        check_free("IM_TCP_ADDR", server.tcp_addr, server.tcp_listen)
        _refuse_the_same(server)
    open_files.take_all()
    if count > 1:
        raise typer.Exit(_supervise(ctx, settings, count))
    from goim.app.node import serve as serve_node

    with _alone_in(settings):
        _run(serve_node(settings, partial(_welcome, server)))


@contextlib.contextmanager
def _alone_in(settings: Settings) -> Iterator[None]:
    """Keep other servers from a folder of SQLite: without a Redis none would hear what is said through another."""
    folder = settings.server.data_dir
    if not settings.is_in_files or settings.redis.is_set or os.name != "posix":
        yield
        return
    import fcntl

    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):  # who needs the folder says what is wrong with it
            folder.mkdir(parents=True, exist_ok=True)
            place = os.open(folder, os.O_RDONLY)
            held.callback(os.close, place)
            try:
                fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                hint = "stop it, or have this one keep its data elsewhere: IM_SERVER_DATA_DIR=…"
                raise Failed(f"a server runs on {folder} already", hint=hint) from None
        yield


def end_with_the_terminal() -> None:
    """A closed terminal ends it as SIGTERM does, unless `nohup` says otherwise. Windows knows no such signal."""
    import signal

    hangup = getattr(signal, "SIGHUP", None)
    if hangup is not None and signal.getsignal(hangup) is signal.SIG_DFL:
        signal.signal(hangup, lambda *_: signal.raise_signal(signal.SIGTERM))


def _run(node: Coroutine[Any, Any, None]) -> None:
    import asyncio

    end_with_the_terminal()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(node)


def _serve_as(worker: Worker, ctx: typer.Context) -> None:
    """What a supervisor starts: it has looked at the addresses, and has warned of what is odd."""
    from goim.app.node import serve_as
    from goim.config import load
    from goim.logs import configure
    from goimctl.supervisor import say_ready

    settings = load(ctx.obj, os.environ).settings
    configure(settings.log.level, settings.log.format, worker=worker.number)
    _run(serve_as(worker, settings, say_ready))


def _refuse_if_alone(settings: Settings, count: int) -> None:
    """Several processes are several nodes, which have to be able to work together."""
    from goimctl import checks_workers

    reason = checks_workers.why_not(settings)
    if reason is not None:
        raise Failed(f"cannot serve with {count} workers: {reason.found}", hint=reason.way_out, code=ExitCode.WRONG_USE)


def _supervise(ctx: typer.Context, settings: Settings, count: int) -> int:
    """Keep the ports from everybody else, and have the workers listen there."""
    from goimctl.supervisor import supervise

    server = settings.server
    arguments = ["serve", *(["--config", str(ctx.obj)] if ctx.obj else [])]
    environment = dict(os.environ)
    with contextlib.ExitStack() as held:
        _hold(held, environment, "server.listen_addr", server.listen)
        if server.tcp_addr and "tcp" in server.roles:
            _hold(held, environment, "server.tcp_addr", server.tcp_listen)
        return supervise(count, arguments, environment, partial(_welcome, server, workers=count))


def _hold(held: contextlib.ExitStack, environment: dict[str, str], key: str, address: Address) -> None:
    """Bind an address as long as `held` is open; of port 0, all workers are told what it has become."""
    from goim.config import all_keys

    sockets = [held.enter_context(each) for each in shared_sockets(address)]
    variables = all_keys()[key].variables
    for name in variables:
        environment.pop(name, None)
    environment[variables[0]] = address.with_port(sockets[0].getsockname()[1])


def _welcome(server: Server, url: str, workers: int = 1) -> None:
    us = ourselves()
    where = "" if url.endswith(f"://127.0.0.1:{_USUAL_PORT}") else f" --url {url}"
    say(f"goim listens on {url}{f', {workers} workers' if workers > 1 else ''}")
    if server.web and "api" in server.roles:
        say(f"  open it    {url}/")
    say(f"  its API    {url}/schema")
    say(f"  fill it    {us} demo{where}   (in another terminal: people who talk, and a bot)")
    say(f"  try it     {us} chat alice --with bob{where}   (asks for a password, makes the account)")
    say(f"             {us} chat bob --with alice{where}   (in another terminal)")
    say("  stop it    Ctrl-C")


def check_free(variable: str, shown: str, address: Address) -> None:
    """Refuse an address that cannot be listened on before anything is opened: uvicorn would only log it and go."""
    import socket

    try:
        places = socket.getaddrinfo(
            address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, _, _, _, place in places:
            _try(family, (str(place[0]), address.port))
    except OSError as error:
        hint = _WAYS_OUT.get(error.errno or 0, "").format(variable=variable) or None
        raise Failed(f"cannot listen on {shown}: {_reason(error)}", hint=hint) from None


def _refuse_the_same(server: Server) -> None:
    """Each of the two addresses is free as long as nobody listens on the other."""
    one, other = server.listen, server.tcp_listen
    everywhere = ("", "0.0.0.0", "::")  # noqa: S104
    if one.port == other.port != 0 and (one.host == other.host or {one.host, other.host} & {*everywhere}):
        hint = "choose another port: IM_TCP_ADDR=127.0.0.1:8081"
        raise Failed(f"cannot listen on {server.tcp_addr}: server.listen_addr has that port", hint=hint)


def _try(family: int, place: tuple[str, int]) -> None:
    try:
        bound(family, place).close()
    except OSError as error:
        if error.errno != errno.EAFNOSUPPORT:  # no IPv6 here, and then nobody listens there
            raise


_WAYS_OUT = {
    errno.EADDRINUSE: "stop what listens there, or choose another port: {variable}=127.0.0.1:8081",
    errno.EACCES: "ports below 1024 are for the administrator; choose another: {variable}=127.0.0.1:8080",
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
