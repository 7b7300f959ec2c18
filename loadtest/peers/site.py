"""What stands between a peer and the benchmark: how it was started, who is on it, and what they are to do."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import msgspec
from msgspec import Struct

from loadtest.peers.xmpp_client import HOST, ROOMS, found_rooms
from loadtest.plan import Person, Plan
from loadtest.population import Population, Wanted
from loadtest.run import Stage
from loadtest.scenarios import Load
from loadtest.target import Target

PASSWORD = "bench"  # noqa: S105  # of people on a server that lives for a minute


class Site(Struct, frozen=True, kw_only=True):
    """A running peer with people on it. `archived` counts what it has stored of their messages."""

    stage: Stage
    plans: list[Plan]
    server_pids: list[int]
    version: str
    database: str
    archived: Callable[[], int]
    copies: int = 1
    """How often each message is stored."""


def package_version(package: str) -> str:
    """Of a Debian package; empty where there is no dpkg."""
    try:
        done = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout


def xmpp_names(wanted: Wanted) -> list[str]:
    return [f"b{number}" for number in range(wanted.people)]


def xmpp_site(
    load: Load, port: int, server: int, database: int | None, version: str, stored: str, archived: Callable[[], int]
) -> Site:
    """A server whose accounts are made: now its rooms."""
    wanted, target = load.wanted(), Target("127.0.0.1", port)
    people = [Person(f"{name}@{HOST}", PASSWORD, name, PASSWORD) for name in xmpp_names(wanted)]
    rooms = [f"g{number}@{ROOMS}" for number in range(len(wanted.groups))]
    found_rooms(
        target, [(room, [people[one] for one in group]) for room, group in zip(rooms, wanted.groups, strict=True)]
    )
    there = Population(people=people, group_ids=rooms)
    pids = [server, *([database] if database else [])]
    return Site(
        stage=Stage(target, there, pids, has_metrics=False),
        plans=[spoken(plan, "xmpp") for plan in load.plans(target, there)],
        server_pids=[server],
        version=version,
        database=stored,
        archived=archived,
        copies=1 if rooms else 2,
    )


def spoken(plan: Plan, protocol: str) -> Plan:
    """The same, in another protocol."""
    return msgspec.structs.replace(plan, work=f"{protocol} {plan.work}", patience=20.0, handshake_patience=30.0)
