"""Starts Prosody as Debian packages it, with an archive of all messages and without limits of rate."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from loadtest.errors import Refused
from loadtest.peers.postgres import NAME, Postgres
from loadtest.peers.postgres import version as postgres_version
from loadtest.peers.process import running, takes_connections
from loadtest.peers.site import PASSWORD, Site, package_version, xmpp_names, xmpp_site
from loadtest.peers.xmpp_client import HOST, ROOMS
from loadtest.scenarios import Load
from loadtest.server import free_port

MISSING = "no Prosody (Debian and Ubuntu: apt-get install prosody lua-dbi-postgresql)"
_CONFIG = """
run_as_root = true
daemonize = false
gc = {{ mode = "generational" }}
network_settings = {{ nagle = false }}
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
log = {{ warn = "*console" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
s2s_ports = {{ }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
modules_enabled = {{
    "disco"; "roster"; "saslauth"; "blocklist"; "bookmarks"; "carbons"; "pep"; "private"; "smacks"; "vcard4";
    "vcard_legacy"; "csi_simple"; "ping"; "time"; "uptime"; "version"; "mam";
}}
modules_disabled = {{ "s2s"; "tls"; "offline" }}
default_archive_policy = true
archive_expires_after = "never"
storage_archive_item_limit = 1000000000
default_storage = "internal"
{storage}
VirtualHost "{host}"
Component "{rooms}" "muc"
    modules_enabled = {{ "muc_mam" }}
    muc_log_by_default = true
    muc_log_expires_after = "never"
    muc_room_locking = false
    muc_room_default_persistent = true
"""
_SQL = """
storage = {{ archive = "sql"; muc_log = "sql" }}
sql = {{
    driver = "PostgreSQL", database = "{name}", username = "{name}", password = "x", host = "127.0.0.1", port = {port};
}}
"""


@contextlib.contextmanager
def prosody(load: Load, folder: Path, database: Postgres | None) -> Iterator[Site]:
    """A new one with people on it. Its archive is in the database, or, without one, in its files."""
    program = shutil.which("prosody")
    if not program:
        raise Refused(MISSING)
    home, port = folder / "prosody", free_port()
    accounts = home / "data" / HOST / "accounts"
    accounts.mkdir(parents=True)
    for name in xmpp_names(load.wanted()):
        (accounts / f"{name}.dat").write_text(f'return {{ ["password"] = "{PASSWORD}" }};\n')
    storage = _SQL.format(name=NAME, port=database.port) if database else ""
    config = home / "prosody.cfg.lua"
    config.write_text(_CONFIG.format(folder=home, port=port, host=HOST, rooms=ROOMS, storage=storage))
    command = [program, "--config", str(config), "-F"]
    with running(command, home, lambda: takes_connections(port)) as pid:
        yield xmpp_site(
            load,
            port,
            pid,
            database.pid if database else None,
            f"Prosody {package_version('prosody')}",
            postgres_version() if database else "its files",
            lambda: database.count("prosodyarchive") if database else _lines(home / "data"),
        )


def _lines(data: Path) -> int:
    """What its files hold: an archive is a list file with one `item` for each message."""
    return sum(
        path.read_text(errors="replace").count("\nitem(") + path.read_text(errors="replace").startswith("item(")
        for path in data.glob("*/*/*.list")
        if path.parent.name in ("archive", "muc_log", "muc%5flog")
    )
