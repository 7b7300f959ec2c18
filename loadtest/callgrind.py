"""Tells Valgrind's callgrind which part of a program to count: the instructions that a machine executes are the same
on a busy one.

What tells it is a sequence of instructions that does nothing, and that Valgrind takes for a word to itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from loadtest.errors import Refused

_ASK = bytes.fromhex(
    "4889f8"  # mov rax, rdi: the request, a number and its arguments
    "31d2"  # xor edx, edx: the answer when nobody listens
    "48c1c703 48c1c70d 48c1c73d 48c1c733"  # rotate rdi by 3, 13, 61 and 51: by 128 in all, so not at all
    "4887db"  # xchg rbx, rbx
    "4889d0 c3"  # mov rax, rdx; ret
)
_IS_THERE = 0x1001
_DUMP, _START, _STOP = (0x43540000 + number for number in (3, 4, 5))
_HINT = "on Debian and Ubuntu: apt install valgrind"


class Callgrind:
    """Callgrind as the program sees that runs under it."""

    def __init__(self) -> None:
        self._code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self._code.write(_ASK)
        place = ctypes.addressof(ctypes.c_char.from_buffer(self._code))
        self._call = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)(place)

    @property
    def is_there(self) -> bool:
        """Whether anybody counts."""
        return self._ask(_IS_THERE) > 0

    @contextlib.contextmanager
    def counting(self, name: str) -> Iterator[None]:
        """Count what is done in the block, by all threads, under this name."""
        label = ctypes.create_string_buffer(name.encode())
        self._ask(_START)
        yield
        self._ask(_STOP)
        self._ask(_DUMP, ctypes.addressof(label))

    def _ask(self, request: int, argument: int = 0) -> int:
        words = (ctypes.c_uint64 * 6)(request, argument)
        return int(self._call(ctypes.addressof(words)))


def counted(command: Sequence[str], folder: Path, *, environ: Mapping[str, str], said: bytes) -> dict[str, int]:
    """Run a program under callgrind and say this to it; how many instructions each part of it took that it had
    counted."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise Refused("valgrind is not installed", hint=_HINT)
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise Refused("instructions are counted on Linux with x86-64 only")
    tool = [valgrind, "--quiet", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={folder}/counted"]
    done = subprocess.run([*tool, *command], check=False, capture_output=True, env=environ, input=said)
    if done.returncode:
        raise Refused(f"{' '.join(command)} failed under valgrind:\n{done.stderr.decode(errors='replace')[-2000:]}")
    return dict(_part(path) for path in folder.glob("counted.*"))


def _part(path: Path) -> tuple[str, int]:
    """The name of one part, and its instructions."""
    found: dict[str, str] = {}
    for line in path.read_text().splitlines():
        key, _, value = line.partition(": ")
        if key in ("totals", "desc"):
            found[key if not value.startswith("Trigger") else "name"] = value.rpartition(": ")[2]
    return found["name"], int(found["totals"])
