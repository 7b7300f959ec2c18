"""Starts ejabberd as Debian packages it, with an archive of all messages and without shapers."""

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

MISSING = "no ejabberd (Debian and Ubuntu: apt-get install ejabberd erlang-p1-pgsql)"
_SCHEMA = Path("/usr/share/ejabberd/sql/pg.sql")
_CONFIG = """
loglevel: warning
hosts: [{host}]
listen:
  - {{port: {port}, ip: "127.0.0.1", module: ejabberd_c2s, max_stanza_size: 262144, starttls: false, backlog: 1000}}
auth_method: sql
auth_password_format: plain
sql_type: pgsql
sql_server: "127.0.0.1"
sql_port: {database_port}
sql_database: {name}
sql_username: {name}
sql_password: x
sql_pool_size: 20
modules:
  mod_avatar: {{}}
  mod_blocking: {{}}
  mod_caps: {{}}
  mod_carboncopy: {{}}
  mod_client_state: {{}}
  mod_disco: {{}}
  mod_last: {{}}
  mod_mam: {{db_type: sql, default: always, assume_mam_usage: true}}
  mod_muc:
    host: {rooms}
    db_type: sql
    max_users: 2000
    default_room_options: {{mam: true, persistent: true, max_users: 2000}}
  mod_offline: {{db_type: sql}}
  mod_ping: {{}}
  mod_privacy: {{}}
  mod_private: {{}}
  mod_pubsub: {{plugins: [flat, pep]}}
  mod_push: {{}}
  mod_push_keepalive: {{}}
  mod_roster: {{versioning: true}}
  mod_shared_roster: {{}}
  mod_stream_mgmt: {{resend_on_timeout: if_offline}}
  mod_vcard: {{search: false}}
  mod_vcard_xupdate: {{}}
  mod_version: {{}}
"""


@contextlib.contextmanager
def ejabberd(load: Load, folder: Path, database: Postgres) -> Iterator[Site]:
    """A new one with people on it; accounts, rooms and the archive are in the database."""
    erl, libraries = shutil.which("erl"), sorted(Path("/usr/lib").glob("*/ejabberd-*/ebin/ejabberd.beam"))
    if not erl or not libraries or not _SCHEMA.exists():
        raise Refused(MISSING)
    database.run("-f", str(_SCHEMA))
    people = "".join(f"{name}\t{PASSWORD}\n" for name in xmpp_names(load.wanted()))
    database.run(text=f"COPY users (username, password) FROM stdin;\n{people}\\.\n")
    home, port = folder / "ejabberd", free_port()
    home.mkdir()
    config = home / "ejabberd.yml"
    config.write_text(_CONFIG.format(host=HOST, rooms=ROOMS, port=port, database_port=database.port, name=NAME))
    # What ejabberdctl starts, but with no Erlang distribution: else its port mapper would outlive the run.
    command = [erl, "-noinput", *_ERLANG, "-mnesia", "dir", f'"{home}/mnesia"', "-s", "ejabberd"]
    variables = {
        "ERL_LIBS": str(libraries[0].parent.parent.parent),
        "EJABBERD_CONFIG_PATH": str(config),
        "EJABBERD_LOG_PATH": str(home / "ejabberd.log"),
        "ERL_CRASH_DUMP": str(home / "crash.dump"),
        "ERL_MAX_PORTS": "32000",
        "ERL_MAX_ETS_TABLES": "1400",
        "HOME": str(home),
    }
    with running(command, home, lambda: takes_connections(port), variables=variables) as pid:
        yield xmpp_site(
            load,
            port,
            pid,
            database.pid,
            f"ejabberd {package_version('ejabberd')}",
            postgres_version(),
            lambda: database.count("archive"),
        )


# Schedulers that have nothing to do sleep at once: the two cores are shared with those who wait for them.
_ERLANG = ["+K", "true", "+P", "250000", "+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"]
