"""How many instructions of the server a message costs, and whether that is more than it was: `python -m
loadtest.instructions`, with `--renew` to record it.

Counted are whole nodes on callgrind (`hot_path.py`), so what else the machine does changes nothing. A count is divided
by that of a piece of code that never changes: another build of the same Python costs both alike.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
from pathlib import Path

import msgspec
from msgspec import Struct

from loadtest.callgrind import counted
from loadtest.direct import populate_directly
from loadtest.errors import Refused
from loadtest.hot_path import HEARERS, PAIRS, REFERENCES, ROUNDS
from loadtest.population import Wanted
from loadtest.server import environment_of, inherited

RECORD = Path(__file__).with_suffix(".json")
ALLOWED = 1.25
"""So much of what is recorded a message may cost before somebody is told."""
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
RENEW = "python -m loadtest.instructions --renew"
_DONE = {"message": PAIRS * ROUNDS, "burdened": PAIRS * ROUNDS, "delivery": HEARERS * ROUNDS}


class Record(Struct, frozen=True):
    """What things cost when that was last written down, in turns of the reference, and with which Python."""

    python: str
    costs: dict[str, float]


def measure() -> dict[str, float]:
    """What a message and a delivery cost now, in turns of the reference; `burdened`: a message that was made dearer."""
    people = 2 * PAIRS + HEARERS + 1
    wanted = Wanted(people=people, are_pairs=True, groups=[list(range(2 * PAIRS, people))])
    with tempfile.TemporaryDirectory(prefix="goim-instructions-") as name:
        folder = Path(name)
        environ = environment_of(folder, secrets.token_urlsafe(48))
        population = msgspec.json.encode(populate_directly(environ, wanted))
        environ |= {"IM_LISTEN_ADDR": "127.0.0.1:0", "PYTHONHASHSEED": "0"}
        command = [sys.executable, "-m", "loadtest.hot_path"]
        counts = counted(command, folder, environ=inherited() | environ, said=population)
    turn = counts["reference"] / REFERENCES
    return {name: counts[name] / number / turn for name, number in _DONE.items()}


def recorded() -> Record:
    """What was written down."""
    return msgspec.json.decode(RECORD.read_bytes(), type=Record)


def too_dear(costs: dict[str, float], record: dict[str, float]) -> str | None:
    """Which things cost too much more than is recorded, and what to do; None if none does."""
    found = [
        f"a {name} costs {costs[name]:.1f}, {costs[name] / before - 1:+.0%} on the {before:.1f} that are recorded"
        for name, before in record.items()
        if costs[name] > before * ALLOWED
    ]
    return "; ".join([*found, f"if it must be so: {RENEW}"]) if found else None


def main() -> int:
    """Print what there is, or write it down."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--renew", action="store_true", help="write down what is measured")
    is_renewal = arguments.parse_args().renew
    try:
        costs = measure()
    except Refused as error:
        sys.stderr.write(f"error: {error}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
        return 1
    burdened = costs.pop("burdened")
    before = recorded().costs if RECORD.exists() else {}
    for name, cost in costs.items():
        sys.stdout.write(f"{name:10} {cost:8.1f}  recorded {before.get(name, 0.0):8.1f}\n")
    sys.stdout.write(f"a message with a burden {burdened:.1f}\n")
    if is_renewal:
        kept = Record(PYTHON, {name: round(cost, 1) for name, cost in costs.items()})
        RECORD.write_bytes(msgspec.json.format(msgspec.json.encode(kept)) + b"\n")
        return 0
    problem = too_dear(costs, before)
    sys.stdout.write(f"{problem}\n" if problem else "")
    return int(problem is not None)


if __name__ == "__main__":
    sys.exit(main())
