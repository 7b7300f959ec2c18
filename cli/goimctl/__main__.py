"""The program `goimctl`, also as `python -m goimctl`: its first and its last moment, around the command line itself."""

from __future__ import annotations

import atexit
import os
import signal
import sys


def main() -> None:
    """Run the command line. Ctrl-C ends it quietly, however early it comes."""
    _have_streams()
    python_would_raise = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if python_would_raise:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from goimctl import app

    if python_would_raise:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        app.main()
    except SystemExit as ended:
        if "obstore" not in sys.modules:
            raise
        _leave(ended.code)


def _have_streams() -> None:
    """Where one is closed (`>&-`) the next file that is opened would take its place, and be written to by mistake.
    What a terminal has no letters for is written as its number; what is read and is no text is left as it came."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            os.set_inheritable(number, True)  # of the processes that are started, too
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115  for good
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace" if number else "surrogateescape")


def _leave(code: object) -> None:
    """End as Python does, but do not take the interpreter apart: a thread of obstore that wants it at that moment to
    give back an object is ended in the middle of Rust, and that aborts the process, with 134 for its exit code."""
    atexit._run_exitfuncs()  # there is no public way to do what an end without an end leaves out
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
