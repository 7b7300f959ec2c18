"""The `goimctl` command: puts the command groups together and turns what went wrong into a line and an exit code."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from goim import __version__
from goim.errors import ConfigError, GoimError, OperatorError, StoreDown
from goimctl import (
    backup,
    bench,
    chat,
    config,
    consume,
    demo,
    doctor,
    files,
    groups,
    hooks,
    migrate,
    serve,
    stats,
    storage,
    tokens,
    users,
)
from goimctl.options import ConfigAnywhere
from goimctl.output import ExitCode, Failed, tell_failure

app = typer.Typer(
    name="goimctl",
    cls=ConfigAnywhere,
    help="goim, an instant-messaging server: start it, look after it, try it out.",
    epilog="Example: goimctl serve",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # its tracebacks show local variables, and those hold secrets
)
app.command(epilog="Example: IM_LISTEN_ADDR=127.0.0.1:8080 goimctl serve")(serve.serve)
app.command(epilog="Example: IM_KAFKA_BROKERS=127.0.0.1:9092 goimctl consume")(consume.consume)
app.command(epilog="Example: goimctl chat alice --with bob")(chat.chat)
app.command(epilog="Example: goimctl demo")(demo.demo)
app.add_typer(users.group)
app.add_typer(groups.group)
app.add_typer(files.group)
app.add_typer(hooks.group)
app.command(epilog="Example: goimctl token alice --device robot")(tokens.token)
app.add_typer(migrate.group)
app.command(epilog="Example: goimctl backup goim-monday.tar.gz")(backup.backup)
app.command(epilog="Example: goimctl restore goim-monday.tar.gz")(backup.restore)
app.add_typer(storage.group)
app.add_typer(config.group)
app.command(epilog="Example: goimctl stats --json")(stats.stats)
app.command(epilog="Example: goimctl doctor --json")(doctor.doctor)
app.command(epilog="Example: goimctl bench c2c --url http://127.0.0.1:8080 --rate 2000")(bench.bench)


def _print_version(wanted: bool) -> None:  # noqa: FBT001  # typer passes it by place
    if wanted:
        typer.echo(f"goimctl {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    ctx: typer.Context,
    *,
    config: Annotated[
        Path | None, typer.Option(help="Settings file, instead of $GOIM_CONFIG or ./goimctl.toml.", metavar="FILE")
    ] = None,
    version: Annotated[  # noqa: ARG001  # its callback has done the work
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    ctx.obj = config  # for `load_settings`
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def main() -> None:
    """Run the command line and leave with its exit code."""
    try:
        code = app(standalone_mode=False)
    except (*_FORESEEN, ExceptionGroup) as error:
        failure = _failure(_inmost(error))
        if failure.message:
            tell_failure(failure)
        code = failure.code
    _let_go_of_stdout()
    sys.exit(code if isinstance(code, int) else ExitCode.DONE)


def _let_go_of_stdout() -> None:
    """What cannot be written now cannot be written later either: Python would try again, and end with a code of its
    own."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


_FORESEEN = (TyperException, typer.Abort, GoimError, OperatorError, OSError, StoreDown, Failed)


def _inmost(error: Exception) -> Exception:
    """What went wrong inside a node comes wrapped once for each of its task groups."""
    cause = error
    while isinstance(cause, ExceptionGroup) and len(cause.exceptions) == 1:
        cause = cause.exceptions[0]
    if not isinstance(cause, _FORESEEN):
        raise error
    return cause


def _failure(error: Exception) -> Failed:
    match error:
        case Failed():
            return error
        case ConfigError():
            return Failed(error.message, hint=error.hint, code=ExitCode.WRONG_USE)
        case OperatorError():
            return Failed(error.message, hint=error.hint)
        case GoimError():
            return Failed(error.message)
        case BrokenPipeError():
            return Failed("")  # nobody listens any more, to this either
        case OSError():
            why = error.strerror or str(error)
            return Failed(f"{error.filename}: {why}" if error.filename else why)
        case StoreDown():
            return Failed(str(error), hint="goimctl doctor", code=ExitCode.DEPENDENCY_DOWN)
        case TyperException():
            context = getattr(error, "ctx", None)
            message = error.format_message()
            path = context.command_path if context else app.info.name
            return Failed(message[:1].lower() + message[1:], hint=f"{path} --help", code=ExitCode(error.exit_code))
    return Failed("interrupted", code=ExitCode.INTERRUPTED)
