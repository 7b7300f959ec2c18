"""Servers that many tests share: each is started once, by the first test that wants it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher

from goim.resp.link import Login, Server
from goim.services import passwords
from tests.mongo_server import MongoServer, shared_mongo
from tests.mysql_server import MysqlServer, shared_server
from tests.redis_server import empty_database, shared_redis_server


@pytest.fixture(scope="session", autouse=True)
def real_hasher() -> Iterator[PasswordHasher]:
    """What hashes passwords for people. In tests everybody registers and logs in, and a fifth of the time would go
    into that; `tests/services/test_passwords.py` and every server that is a process of its own have the real one."""
    with pytest.MonkeyPatch.context() as patch:
        real = passwords._HASHER
        patch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield real


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
