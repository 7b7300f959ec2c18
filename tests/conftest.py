"""Servers that many tests share: each is started once, by the first test that wants it. And which tests start first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from goim.resp.link import Login, Server
from goim.services import passwords
from tests.mongo_server import MongoServer, shared_mongo
from tests.mysql_server import MysqlServer, shared_server
from tests.redis_server import empty_database, shared_redis_server

os.environ["LC_ALL"] = "C.UTF-8"  # the terminal client speaks as the locale does, and is read here in English

LONGEST = (
    "e2e/test_cluster.py",
    "browser/test_axe.py",
    "e2e/test_state_machine.py",
    "e2e/test_redis_nodes.py",
    "cli/test_backup.py",
    "cli/test_users.py",
    "e2e/test_mongodb.py",
    "test_blocks.py",
    "e2e/test_workers.py",
    "e2e/test_mysql.py",
    "e2e/test_storage_copy.py",
    "cli/test_storage.py",
    "cli/test_chat.py",
    "cli/test_chat_screen.py",
    "loadtest/test_instructions.py",
    "deploy/test_proxies.py",
    "loadtest/test_scale.py",
    "contract/test_message_log.py",
    "events/test_consume.py",
    "events/test_kafka.py",
    "loadtest/test_generator.py",
    "test_site.py",
    "e2e/test_client.py",
    "asyncapi/test_asyncapi.py",
    "browser/test_talk.py",
    "browser/test_losses.py",
    "e2e/test_limits_on_nodes.py",
    "e2e/test_two_nodes.py",
    "stores/test_mongo_crash.py",
    "bus/test_redis.py",
    "e2e/test_process.py",
    "cli/test_doctor.py",
    "cli/test_demo.py",
    "browser/test_begin.py",
    "browser/test_module.py",
)
"""The files that take longest, longest first: one that started last would have all others wait for it."""


def pytest_xdist_auto_num_workers() -> int:
    """So many run at once: two more than there are cores, for most tests wait longer than they compute."""
    return (os.cpu_count() or 1) + 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long start first; within a file the order stays."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


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
