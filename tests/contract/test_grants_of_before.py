"""What was granted before messages gave rights of their own stays, and nodes of both versions work side by side."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from goim.model.conversations import c2c
from goim.model.files import Grant, StoredFile
from goim.resources import bundled
from goim.stores.engine import SqlEngine
from goim.stores.migrate import Migrator
from goim.stores.mysql import MysqlEngine
from goim.stores.sql_conversations import SqlConversations
from goim.stores.sql_files import SqlFiles, SqlGrants
from goim.stores.sqlite import SqliteEngine
from tests.mysql_server import MysqlServer

NOW = 1_700_000_000_000
GRANT_BEFORE = """
INSERT INTO file_grants (file_id, conv_id) SELECT file_id, ? FROM im_files WHERE file_id = ?
ON CONFLICT (file_id, conv_id) DO NOTHING"""
READABLE_BEFORE = """
SELECT g.file_id FROM file_grants g JOIN user_conversations e ON e.conv_id = g.conv_id AND e.user_id = ?
WHERE g.file_id = ?"""


@pytest.fixture(params=["sqlite", "mysql", "tidb"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlEngine]:
    """A database with the schema of before."""
    before = tmp_path / "before"
    async with AsyncExitStack() as stack:
        engine: SqlEngine
        if request.param == "sqlite":
            engine = await stack.enter_async_context(SqliteEngine(tmp_path / "goim.db"))
        else:
            server: MysqlServer = request.getfixturevalue("mysql_server")
            await server.empty("goim_before")
            engine = mysql = await stack.enter_async_context(MysqlEngine(server.database("goim_before")))
            if mysql.is_tidb and request.param == "mysql":
                pytest.skip("TiDB has a schema of its own")
        shutil.copytree(bundled("schemas") / request.param, before)
        (added,) = before.glob("*_message_grants.sql")
        added.unlink()
        await Migrator(engine, before, {"structured"}).up()
        yield engine


async def test_rights_of_before_stay_and_a_node_of_before_goes_on_beside(
    engine: SqlEngine, request: pytest.FixtureRequest
) -> None:
    files, grants = SqlFiles(engine), SqlGrants(engine)
    conv_id = (await SqlConversations(engine).create(c2c("ann", "bob", created_at=1))).conv_id
    for number in range(1, 4):
        file = StoredFile(
            file_id=f"f{number}", owner_id="ann", path="p", name="n", size=1, mime_type="image/png", created_at=1
        )
        await files.add(file)
    await engine.execute(GRANT_BEFORE, (conv_id, "f1"))
    dialect = request.node.callspec.params["engine"]
    await Migrator(engine, bundled("schemas") / dialect, {"structured"}).up()
    await grants.grant([Grant("f3", conv_id, "ann", "m3")])
    shown = {("bob", "f1"), ("bob", "f3")}
    if dialect != "sqlite":  # there nobody is beside the server
        for _ in range(2):
            await engine.execute(GRANT_BEFORE, (conv_id, "f2"))
        shown |= {("bob", "f2")}
    claims = [("bob", f"f{number}") for number in range(1, 4)]
    assert await grants.readable(claims, NOW) == shown
    seen_before = [await engine.fetch_rows(READABLE_BEFORE, claim) for claim in claims]
    assert {("bob", row[0][0]) for row in seen_before if row} == shown
    await grants.withdraw([(conv_id, "ann", f"m{number}") for number in range(1, 4)])
    assert await grants.readable(claims, NOW) == shown - {("bob", "f3")}
