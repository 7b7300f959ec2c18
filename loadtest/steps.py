"""Sums a profile of the node up by the steps of a message: what of the CPU goes into receiving, checking, storing …"""

from __future__ import annotations

from collections import Counter

RULES = (
    ("lists and watermarks", ("(goim/services/behind.py", "(goim/services/receipts.py")),
    ("write", ("Cork._pull ", "DirectProtocol._write_queued ")),
    ("append", ("(goim/stores/", "Messages._append ", "(asyncmy/")),
    ("ack", ("_answer (goim/actions/messages.py", "Connection.reply ")),
    ("push", ("Messages._tell", "(goim/delivery.py", "(goim/ordering.py")),
    ("authorise", ("Messages._commit", "(goim/services/access.py", "(goim/batching.py")),
    ("check", ("send (goim/actions/messages.py", "Messages.send ")),
    ("decode", ("Connection.receive ",)),
    ("parse", ("DirectProtocol.data_received ", "DirectProtocol._parse ", "DirectProtocol._take ")),
    ("loop and read", ("Runner.run ",)),
)
"""A stack belongs to the first step of these that one of its functions belongs to: later ones call earlier ones."""
ORDER = (
    "loop and read", "parse", "decode", "check", "authorise", "append", "ack", "push", "write", "lists and watermarks",
    "other",
)  # fmt: skip
"""As a message goes through them."""
_MAIN, _CHILD = "): MainThread;", ";process "


def stacks_of(raw: str, pid: int) -> list[tuple[str, int]]:
    """The stacks of the main thread of a process in what py-spy wrote: one a line, and how often it was met."""
    found: list[tuple[str, int]] = []
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        if stack.startswith(f"process {pid}:") and _MAIN in stack and _CHILD not in stack:
            found.append((stack, int(count)))
    return found


def steps_of(stacks: list[tuple[str, int]]) -> dict[str, float]:
    """The share of each step in these stacks."""
    counts: Counter[str] = Counter(dict.fromkeys(ORDER, 0))
    for stack, count in stacks:
        counts[step_of(stack)] += count
    total = max(1, counts.total())
    return {step: count / total for step, count in counts.items()}


def lines(stacks: list[tuple[str, int]], main_us: float) -> list[str]:
    """µs of the main thread's CPU for each step of a message."""
    shares = steps_of(stacks)
    return [f"  {step:22}{share * main_us:6.1f} µs {share:6.1%}" for step, share in shares.items() if share]


def step_of(stack: str) -> str:
    """Which step a stack belongs to."""
    return next((step for step, marks in RULES if any(mark in stack for mark in marks)), "other")
