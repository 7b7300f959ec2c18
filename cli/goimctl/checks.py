"""What `goimctl doctor` looks at. Each check finds something and changes nothing."""

from __future__ import annotations

import asyncio
import http.client
import urllib.error
import urllib.request
from time import perf_counter

import msgspec
from msgspec import Struct

from goim.app.databases import Database
from goim.app.storage import blobs_of
from goim.config import Settings
from goim.config.settings import Server
from goim.errors import MigrationError, StoreDown
from goimctl import checks_hooks, checks_machine, checks_mysql, checks_workers
from goimctl.databases import databases
from goimctl.findings import Finding, State
from goimctl.options import local_host, local_url
from goimctl.output import count

_PATIENCE = 5.0


async def all_findings(settings: Settings, *, ask_server: bool) -> list[Finding]:
    """Everything, in the order in which one would look."""
    findings = [
        checks_machine.program(),
        checks_machine.secret(settings),
        checks_machine.folder(settings),
        checks_machine.disk(settings),
        checks_machine.open_file_limit(),
        *checks_workers.workers(settings),
    ]
    findings += await _databases(settings)
    if settings.files.s3_bucket:
        findings.append(await _bucket(settings))
    findings += await checks_hooks.hooks(settings)
    if settings.kafka.brokers:
        from goimctl import checks_kafka

        findings.append(await checks_kafka.brokers(settings.kafka))
    if settings.redis.is_set:
        from goimctl import checks_redis

        findings += await checks_redis.redis(settings)
    if ask_server:
        findings.append(await asyncio.to_thread(_server, local_url(settings)))
    if ask_server and settings.server.tcp_addr and "tcp" in settings.server.roles:
        findings.append(await _tcp(settings.server))
    return findings


async def _databases(settings: Settings) -> list[Finding]:
    try:
        async with databases(settings, only_look=True) as all_of_them:
            return [
                finding
                for each in all_of_them
                for finding in (await _database(each), await _schema(each), *await checks_mysql.server(each))
            ]
    except (StoreDown, OSError) as error:
        way_out = f"see that {settings.server.data_dir} can be written to and that what is in it is whole"
        way_out += " (if it is not: goimctl restore)"
        if settings.message_db == "mongodb":
            way_out += ", that MongoDB runs and that mongo.uri is right"
        elif not settings.is_embedded:
            way_out = "see that the server runs, and that mysql.dsn or tidb.dsn names it, a user and a database"
        return [Finding(name="databases", found=str(error), state=State.WRONG, way_out=way_out)]


async def _database(database: Database) -> Finding:
    started = perf_counter()
    found = await database.version()
    return Finding(name=database.name, found=found, latency_ms=_ms_since(started))


async def _schema(database: Database) -> Finding:
    name = f"{database.name} schema"
    try:
        pending = await database.migrator.pending()
    except MigrationError as error:
        return Finding(name=name, found=error.message, state=State.WRONG, way_out=error.hint)
    files = count(len(pending), "file")
    if pending and not database.is_embedded:
        return Finding(name=name, found=f"{files} to be applied", state=State.WRONG, way_out="goimctl migrate")
    if pending:
        return Finding(name=name, found=f"{files} to be applied at the next start", state=State.NOTE)
    return Finding(name=name, found="up to date")


async def _bucket(settings: Settings) -> Finding:
    where = f"bucket {settings.files.s3_bucket} at {settings.files.s3_endpoint or 'Amazon'}"
    started = perf_counter()
    try:
        async for _ in blobs_of(settings).list("goimctl-doctor"):  # of a file that is not there nobody says why
            break
    except StoreDown as error:
        way_out = "look at files.s3_endpoint, files.s3_region, files.s3_key and what the key may do"
        return Finding(name="files", found=f"{where}: {error}", state=State.WRONG, way_out=way_out)
    return Finding(name="files", found=where, latency_ms=_ms_since(started))


async def _tcp(server: Server) -> Finding:
    started = perf_counter()
    host, port = local_host(server.tcp_listen.host), server.tcp_listen.port
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(host, port)
    except OSError as error:  # a timeout is one, too
        found = f"nothing answers at {host} port {port}: {error.strerror or 'no answer in time'}"
        return Finding(name="tcp", found=found, state=State.WRONG, way_out="goimctl serve")
    writer.transport.abort()
    return Finding(name="tcp", found=f"answers at {host} port {port}", latency_ms=_ms_since(started))


class _Ready(Struct):
    status: str
    dependencies: dict[str, str]


def _server(url: str) -> Finding:
    started = perf_counter()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it is this machine
    try:
        with opener.open(f"{url}/readyz", timeout=_PATIENCE) as answer:
            body = answer.read()
    except urllib.error.HTTPError as error:
        body = error.read()
    except http.client.HTTPException:
        body = b""
    except OSError as error:
        reason = getattr(error, "reason", error)
        found = f"nothing answers at {url}: {getattr(reason, 'strerror', None) or reason}"
        return Finding(name="server", found=found, state=State.WRONG, way_out="goimctl serve")
    latency = _ms_since(started)
    try:
        ready = msgspec.json.decode(body, type=_Ready)
    except msgspec.MsgspecError:
        found, way_out = f"what answers at {url} is not goim", "stop it, or set IM_LISTEN_ADDR"
        return Finding(name="server", found=found, state=State.WRONG, way_out=way_out)
    return _readiness(url, ready, latency)


def _readiness(url: str, ready: _Ready, latency: float) -> Finding:
    down = [name for name, state in ready.dependencies.items() if state != "ok"]
    if ready.status == "ready":
        return Finding(name="server", found=f"ready at {url}", latency_ms=latency)
    found = f"{ready.status} at {url}" + (f": {', '.join(down)} down" if down else "")
    way_out = "look into its log" if down else "wait until it has ended, and start it again"
    return Finding(name="server", found=found, state=State.WRONG, latency_ms=latency, way_out=way_out)


def _ms_since(started: float) -> float:
    return round((perf_counter() - started) * 1000, 1)
