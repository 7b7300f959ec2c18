"""Starts Synapse from a Python environment of its own, without limits of rate and without other servers to talk to."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from loadtest.errors import Refused
from loadtest.peers.postgres import NAME, Postgres
from loadtest.peers.postgres import version as postgres_version
from loadtest.peers.process import running, takes_connections
from loadtest.peers.site import PASSWORD, Site, spoken
from loadtest.plan import Conversation, Person, Plan
from loadtest.population import Population
from loadtest.run import Screen, Stage
from loadtest.scenarios import Load
from loadtest.server import free_port
from loadtest.target import Target

MISSING = (
    "no Synapse (python3 -m venv synapse && synapse/bin/pip install 'matrix-synapse[postgres]', "
    "and then --synapse synapse/bin/python)"
)
_AT_ONCE = 4
_NO_LIMIT = {"per_second": 1e9, "burst_count": 1_000_000_000}
_SERVER = "localhost"


@contextlib.contextmanager
def synapse(load: Load, folder: Path, database: Postgres, python: str, screen: Screen) -> Iterator[Site]:
    """A new one with people on it, and a room for each pair."""
    python = _program(python)
    version = _version(python)
    home, port = folder / "synapse", free_port()
    home.mkdir()
    config = home / "homeserver.yaml"
    config.write_text(json.dumps(_config(home, port, database.port)))  # JSON is YAML
    command = [python, "-m", "synapse.app.homeserver", "-c", str(config)]
    subprocess.run([*command, "--generate-keys"], cwd=home, check=True, capture_output=True)
    with running(command, home, lambda: takes_connections(port)) as pid:
        target = Target("127.0.0.1", port)
        people, rooms = _settle(load, target, screen)
        database.run("-c", "VACUUM ANALYZE")  # which PostgreSQL does by itself, but not within the first minute
        yield Site(
            stage=Stage(target, Population(people=people), [pid, database.pid], has_metrics=False),
            plans=[_in_rooms(plan, rooms) for plan in load.plans(target, _known(people, rooms, load))],
            server_pids=[pid],
            version=version,
            database=postgres_version(),
            archived=lambda: database.count("events WHERE type = 'm.room.message'"),
        )


def _program(python: str) -> str:
    """Where it is, whatever folder it is started in."""
    found = shutil.which(python)
    if not found:
        raise Refused(MISSING)
    return str(Path(found).absolute())


def _version(python: str) -> str:
    ask = "from importlib.metadata import version; print(version('matrix-synapse'))"
    done = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(MISSING)
    return f"Synapse {done.stdout.strip()}"


def _config(home: Path, port: int, database_port: int) -> dict[str, Any]:
    limits = ("message", "registration", "admin_redaction", "room_creation", "presence", "delayed_event_mgmt")
    return {
        "server_name": _SERVER,
        "pid_file": str(home / "pid"),
        "listeners": [
            {"port": port, "type": "http", "bind_addresses": ["127.0.0.1"], "resources": [{"names": ["client"]}]}
        ],
        "database": {
            "name": "psycopg2",
            "args": {
                "user": NAME,
                "database": NAME,
                "host": "127.0.0.1",
                "port": database_port,
                "cp_min": 5,
                "cp_max": 10,
            },
        },
        "log_config": str(_log_config(home)),
        "media_store_path": str(home / "media"),
        "signing_key_path": str(home / "signing.key"),
        "macaroon_secret_key": "x",
        "form_secret": "x",
        "trusted_key_servers": [],
        "federation_domain_whitelist": [],
        "report_stats": False,
        "presence": {"enabled": False},
        "enable_registration": True,
        "enable_registration_without_verification": True,
        "bcrypt_rounds": 4,
        **{f"rc_{name}": _NO_LIMIT for name in limits},
        "rc_login": dict.fromkeys(("address", "account", "failed_attempts"), _NO_LIMIT),
        "rc_joins": dict.fromkeys(("local", "remote"), _NO_LIMIT),
        "rc_joins_per_room": _NO_LIMIT,
        "rc_invites": dict.fromkeys(("per_room", "per_user", "per_issuer"), _NO_LIMIT),
    }


def _log_config(home: Path) -> Path:
    path = home / "log.yaml"
    handler = {"class": "logging.StreamHandler"}
    root = {"level": "ERROR", "handlers": ["console"]}
    path.write_text(json.dumps({"version": 1, "handlers": {"console": handler}, "root": root}))
    return path


class _Api:
    """HTTP of one thread."""

    def __init__(self, target: Target) -> None:
        self._connection = http.client.HTTPConnection(target.host, target.port, timeout=60)

    def post(self, path: str, body: object, token: str = "") -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._connection.request("POST", f"/_matrix/client/v3/{path}", json.dumps(body), headers)
        answer = self._connection.getresponse()
        said = answer.read()
        if answer.status != http.client.OK:
            raise Refused(f"Synapse answers {path} with {answer.status}: {said.decode(errors='replace')[:200]}")
        return dict(json.loads(said))


def _settle(load: Load, target: Target, screen: Screen) -> tuple[list[Person], list[str]]:
    """Accounts and rooms, through its API."""
    wanted = load.wanted()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        screen.say(f"{wanted.people} people …")
        people = list(pool.map(lambda number: _join_synapse(_Api(target), number), range(wanted.people)))
        pairs = [[2 * pair, 2 * pair + 1] for pair in range(wanted.people // 2)] if wanted.are_pairs else []
        groups = wanted.groups or pairs
        screen.say(f"{len(groups)} rooms …")
        rooms = list(pool.map(lambda group: _gather(_Api(target), [people[one] for one in group]), groups))
    return people, rooms


def _join_synapse(api: _Api, number: int) -> Person:
    account = {"username": f"b{number}", "password": PASSWORD, "auth": {"type": "m.login.dummy"}}
    said = api.post("register", account)
    return Person(said["user_id"], said["access_token"], account["username"], PASSWORD)  # type: ignore[arg-type]


def _gather(api: _Api, people: Sequence[Person]) -> str:
    """A room of all; whoever knows it may come in, which spares their invitations."""
    room: str = api.post("createRoom", {"preset": "public_chat"}, people[0].token)["room_id"]
    for person in people[1:]:
        api.post(f"join/{quote(room)}", {}, person.token)
    return room


def _known(people: list[Person], rooms: list[str], load: Load) -> Population:
    return Population(people=people, group_ids=rooms if load.wanted().groups else [])


def _in_rooms(plan: Plan, rooms: Sequence[str]) -> Plan:
    """A pair writes into the room that it shares; there are no messages to people."""
    placed = [_placed(one, rooms) for one in plan.conversations]
    return msgspec.structs.replace(spoken(plan, "matrix"), conversations=placed)


def _placed(one: Conversation, rooms: Sequence[str]) -> Conversation:
    room = one.address.get("groupId") or rooms[int(one.speakers[0].username[1:]) // 2]
    return msgspec.structs.replace(one, address={"roomId": room})
