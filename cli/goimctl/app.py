"""The `goimctl` command: puts the command groups together and turns what went wrong into one line and an exit code."""

from __future__ import annotations

import typer

from goim import __version__

app = typer.Typer(name="goimctl")


@app.callback(invoke_without_command=True)
def root() -> None:
    typer.echo(__version__)


def main() -> None:
    app()
