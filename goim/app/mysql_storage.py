"""Opens databases of the MySQL family: structured data, the message log, or both in one."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING

from goim.app.databases import Database
from goim.clock import SystemClock
from goim.config import Settings, parse_dsn
from goim.config.dsn import Dsn
from goim.resources import bundled
from goim.stores.migrate import Migrator

if TYPE_CHECKING:
    from goim.stores.mysql import MysqlEngine


def data_dsn(settings: Settings) -> Dsn | None:
    """Where structured data is: `mysql.dsn`, else TiDB if the messages are there, too; None: in a file."""
    if settings.mysql.dsn:
        return parse_dsn(settings.mysql.dsn.get_secret_value())
    return log_dsn(settings) if settings.message_db == "tidb" else None


def log_dsn(settings: Settings) -> Dsn | None:
    """Where the message log is, if that is of this family."""
    if settings.message_db == "mysql":
        return parse_dsn(settings.mysql.dsn.get_secret_value())
    if settings.message_db == "tidb":
        return parse_dsn(settings.tidb.dsn.get_secret_value(), default_port=4000)
    return None


@contextlib.asynccontextmanager
async def open_mysql(
    settings: Settings, name: str, dsn: Dsn, *parts: str
) -> AsyncIterator[tuple[MysqlEngine, Database]]:
    """A database with these parts of the schema, in the words of the server that answers there."""
    from goim.stores.mysql import MysqlEngine  # its driver is for those who have such a server
    from goim.stores.mysql_health import health_of

    async with MysqlEngine(dsn, connections=settings.mysql.connections) as engine:
        schema = bundled("schemas") / ("tidb" if engine.is_tidb else "mysql")

        async def version() -> str:
            [(number,)] = await engine.fetch_rows("SELECT VERSION()")
            return f"{engine.product} {number} at {dsn.masked()}"

        yield (
            engine,
            Database(
                name=name,
                migrator=Migrator(engine, schema, parts),
                version=version,
                is_embedded=False,
                health=partial(health_of, engine, schema, parts, SystemClock()),
            ),
        )
