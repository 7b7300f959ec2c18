"""Servers that many tests share: each is started once, by the first test that wants it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from goim.resp.link import Login, Server
from tests.mongo_server import MongoServer, shared_mongo
from tests.mysql_server import MysqlServer, shared_server
from tests.redis_server import empty_database, shared_redis_server


@pytest.fixture(scope="session")
def mysql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MysqlServer]:
    """A MySQL-family server; databases on it are swept, not made, for each test."""
    with shared_server(tmp_path_factory.mktemp("mysql")) as server:
        yield server


@pytest.fixture(scope="session")
def mongo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    """A server that speaks MongoDB's protocol, for all tests that do not kill it; a database for each test."""
    with shared_mongo(tmp_path_factory.mktemp("mongo")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Redis for all tests that do not kill it."""
    with shared_redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
async def redis_login(redis_server: Server) -> Login:
    """An empty database of that server."""
    return await empty_database(redis_server)
