"""Servers that many tests share: each is started once, by the first test that wants it. And which tests start first."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher

from goim.resp.link import Login, Server
from goim.services import passwords
from tests.longest import RECORD, TESTS, Longest, longest
from tests.mongo_server import MongoServer, shared_mongo
from tests.mysql_server import MysqlServer, shared_server
from tests.redis_server import empty_database, shared_redis_server

os.environ["LC_ALL"] = "C.UTF-8"  # the terminal client speaks as the locale does, and is read here in English


def pytest_xdist_auto_num_workers() -> int:
    """So many run at once: two more than there are cores, for most tests wait longer than they compute."""
    return (os.cpu_count() or 1) + 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long start first; within a file the order stays."""
    places = {TESTS / name: place for place, name in enumerate(longest())}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_configure(config: pytest.Config) -> None:
    """`GOIM_TEST_RENEW=1 make test` records anew which files take long: one process looks on while others run them."""
    is_renewed = os.environ.get("GOIM_TEST_RENEW") and not hasattr(config, "workerinput")
    if is_renewed:
        if config.args_source is pytest.Config.ArgsSource.ARGS:
            raise pytest.UsageError(
                "only a run of all tests shows which files take longest: GOIM_TEST_RENEW=1 make test"
            )
        config.pluginmanager.register(Longest(RECORD))


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
