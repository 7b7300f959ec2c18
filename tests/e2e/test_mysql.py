"""A real server whose data and messages are in MariaDB: talks, accidents of either, and what both leave behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from goim.resources import bundled
from goim.stores.migrate import Migrator
from goim.stores.mysql import MysqlEngine
from loadtest.direct import populate_directly
from loadtest.population import Wanted
from loadtest.server import environment_of
from tests.cli.conftest import Goimctl
from tests.client import Person, World
from tests.e2e.test_crash import Talker, check, talk_until_killed, talkers_on
from tests.mysql_server import MysqlServer, OwnServer, own_server
from tests.process import ServerProcess, running_server

SECRET = "a secret that is long enough for the tests of goim"
DATABASE = "goim_node"
SENDERS = 500
WINDOW = 4

pytestmark = pytest.mark.timeout(240)


def variables(server: MysqlServer, name: str) -> dict[str, str]:
    return {"IM_MYSQL_DSN": server.url(name), "IM_JWT_SECRET": SECRET}


@contextlib.asynccontextmanager
async def serving(mysql: MysqlServer, folder: Path) -> AsyncIterator[tuple[ServerProcess, World]]:
    async with MysqlEngine(await mysql.empty(DATABASE)) as engine:
        own = "tidb" if engine.is_tidb else "mysql"
        await Migrator(engine, bundled("schemas") / own, {"structured", "messages", "words"}).up()
    async with running_server(folder, **variables(mysql, DATABASE)) as (server, people):
        yield server, people


async def test_two_people_talk_and_what_they_do_to_messages_is_there_after_a_restart(
    mysql_server: MysqlServer, tmp_path: Path
) -> None:
    async with serving(mysql_server, tmp_path) as (server, people):
        ann, bob = await people.friends(None, None)
        async with people.online(ann) as phone, people.online(bob) as desk:
            sent = [await phone.ask("send", ann.text(bob, f"message {n}", clientMsgId=f"m{n}")) for n in range(1, 5)]
            assert [each["seq"] for each in sent] == [1, 2, 3, 4]
            conv_id = sent[0]["convId"]
            again = await phone.ask("send", ann.text(bob, "message 1", clientMsgId="m1"))
            assert (again["seq"], again["duplicate"]) == (1, True)
            of = [{"convId": conv_id, "serverMsgId": each["serverMsgId"]} for each in sent]
            assert (await phone.ask("recall", of[0]))["change"] == 1
            assert (await phone.ask("edit", of[1] | {"payload": {"text": "better"}}))["change"] == 2
            assert (await desk.ask("react", of[2] | {"emoji": "+"}))["change"] == 3
            await desk.ask("read", {"convId": conv_id, "seq": 3})
        await server.kill()
        await server.start()
        async with people.online(bob) as desk:
            (synced,) = (await desk.ask("sync", {"convs": [{"convId": conv_id, "fromSeq": 0, "fromChange": 0}]}))[
                "convs"
            ]
        assert [each["action"] for each in synced["changes"]] == ["recalled", "edited", "reaction"]
        assert [each["seq"] for each in synced["messages"]] == [1, 2, 3, 4]
        assert synced["messages"][1]["payload"] == {"text": "better"}
        (line,) = (await bob.get("/api/conversations"))["conversations"]
        assert (line["lastSeq"], line["lastChange"], line["unread"]) == (4, 3, 1)


async def found(person: Person, words: str, **more: str) -> list[str]:
    answer = await person.get("/api/messages/search", q=words, **more)
    return [message["payload"]["text"] for message in answer["messages"]]


async def test_words_are_found_as_long_as_the_messages_say_them(mysql_server: MysqlServer, tmp_path: Path) -> None:
    async with serving(mysql_server, tmp_path) as (_, people):
        ann, bob = await people.friends(None, None)
        cleo = await people.person()
        async with people.online(ann) as phone:
            texts = ["hello world", "你好世界", "hello again", "新iPhone手机", "100% 'quoted' \\ hello"]
            sent = [await phone.ask("send", ann.text(bob, text)) for text in texts]
            conv_id = sent[0]["convId"]
            assert await found(bob, "hello") == [texts[4], "hello again", "hello world"]
            assert await found(bob, "hel wor") == ["hello world"]
            assert await found(bob, "世界") == await found(bob, "世") == await found(bob, "你好 世界") == ["你好世界"]
            assert await found(bob, "手机", convId=conv_id) == ["新iPhone手机"]
            assert await found(bob, "界世") == await found(cleo, "hello") == []
            assert await found(bob, "hello", limit="1") == [texts[4]]
            await phone.ask("recall", {"convId": conv_id, "serverMsgId": sent[2]["serverMsgId"]})
            better = {"convId": conv_id, "serverMsgId": sent[0]["serverMsgId"], "payload": {"text": "goodbye moon"}}
            await phone.ask("edit", better)
            assert await found(bob, "hello") == [texts[4]]
            assert await found(bob, "moon") == ["goodbye moon"]
        async with MysqlEngine(mysql_server.database(DATABASE)) as engine:
            terms = {term for (term,) in await engine.fetch_rows("SELECT term FROM word_index")}
            assert "moon" in terms
            assert not terms & {"world", "again"}, "what nobody says any more is not kept"
            await engine.execute("DELETE FROM word_index")
            await engine.execute("DELETE FROM word_marks")
        assert await found(bob, "moon") == ["goodbye moon"], "made anew from the log"


async def test_a_schema_that_is_not_there_is_refused_with_the_command(
    mysql_server: MysqlServer, tmp_path: Path
) -> None:
    await mysql_server.empty(DATABASE)
    goimctl = Goimctl(tmp_path)
    given = variables(mysql_server, DATABASE) | {"IM_LISTEN_ADDR": "127.0.0.1:1"}
    refused = await asyncio.to_thread(goimctl, "serve", **given)
    assert refused.returncode == 1
    assert "hint: goimctl migrate" in refused.stderr
    await goimctl.meanwhile("migrate", **given)
    status = await asyncio.to_thread(goimctl.json, "migrate", "status", **given)
    assert {each["state"] for each in status["files"]} == {"applied"}


async def test_the_doctor_looks_at_the_server_and_its_schema(mysql_server: MysqlServer, tmp_path: Path) -> None:
    await mysql_server.empty(DATABASE)
    goimctl = Goimctl(tmp_path)
    given = variables(mysql_server, DATABASE)
    before = await asyncio.to_thread(goimctl, "doctor", "--no-server", **given)
    assert before.returncode == 3
    assert "goimctl migrate" in before.stderr
    await goimctl.meanwhile("migrate", **given)
    checks = {
        each["name"]: each
        for each in (await asyncio.to_thread(goimctl.json, "doctor", "--no-server", **given))["checks"]
    }
    assert checks["data session"]["found"].startswith("READ-COMMITTED, utf8mb4, sql_mode ")
    well = ("data server", "data indexes", "messages server", "messages indexes")
    assert [checks[name]["found"] for name in well] == ["new enough", "all there"] * 2
    async with MysqlEngine(mysql_server.database(DATABASE)) as engine:
        await engine.run_ddl("DROP INDEX uniq_messages_client ON messages")
        await engine.run_ddl("DROP INDEX idx_users_nickname ON im_users")
        await engine.run_ddl("DROP INDEX idx_file_grants_message ON file_grants")
        await engine.execute("DELETE FROM schema_migrations WHERE version = 10")
        await engine.run_ddl("DROP INDEX idx_word_index_message ON word_index")
    after = await asyncio.to_thread(goimctl, "doctor", "--no-server", **given)
    assert after.returncode == 3
    assert "missing: messages.uniq_messages_client\n" in after.stderr, "of a file to be applied nothing is missing yet"
    assert "missing: file_grants.idx_file_grants_message, im_users.idx_users_nickname\n" in after.stderr


async def test_after_a_kill_of_the_node_every_acked_message_is_there_once(
    mysql_server: MysqlServer, tmp_path: Path
) -> None:
    dice = random.Random(20261128)
    async with serving(mysql_server, tmp_path) as (server, people):
        talkers = await talkers_on(people)
        for _ in range(3):
            await talk_until_killed(server, talkers, dice.uniform(0.15, 0.6))
            await server.start()
            await asyncio.gather(*(talker.resend(people) for talker in talkers))
        for one, other in zip(talkers[::2], talkers[1::2], strict=True):
            await check(one, other)


async def test_two_nodes_that_write_to_the_same_conversations_give_each_seq_once(
    mysql_server: MysqlServer, tmp_path: Path
) -> None:
    async with serving(mysql_server, tmp_path) as (server, people):
        talkers = await talkers_on(people)
        (tmp_path / "other").mkdir()
        other = ServerProcess(tmp_path / "other", **variables(mysql_server, DATABASE))
        await other.start()
        try:
            urls = [each.url.replace("http", "ws") for each in (server, other)]
            async with asyncio.TaskGroup() as tasks:
                for place, talker in enumerate(talkers):  # of each pair one here and one there
                    tasks.create_task(talker.talk(urls[place % 2]))
                while any(len(talker.acks) < 200 for talker in talkers):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)  # noqa: TID251 the talkers are at it
                await asyncio.gather(server.end(), other.end())
            await server.start()
            await asyncio.gather(*(talker.resend(people) for talker in talkers))
        finally:
            await other.kill()
        for one, another in zip(talkers[::2], talkers[1::2], strict=True):
            await check(one, another)


@dataclass
class Patient(Talker):
    """Sends again, with the same id, what was refused because the database was away."""

    refusals: Counter[str] = field(default_factory=Counter)
    is_enough: bool = False

    async def talk(self, url: str) -> None:
        headers = {"Authorization": f"Bearer {self.person.token}"}
        with contextlib.suppress(ConnectionClosed):
            async with connect(
                f"{url}/ws", additional_headers=headers, compression=None, proxy=None, open_timeout=60
            ) as ws:
                for _ in range(WINDOW):
                    await ws.send(self._next())
                async for text in ws:
                    envelope = json.loads(text)
                    data = envelope["data"]
                    if envelope["action"] == "ack":
                        self.acks[data["clientMsgId"]] = data
                        if not self.is_enough:
                            await ws.send(self._next())
                    elif envelope["action"] == "error":
                        self.refusals[data["code"]] += 1
                        await asyncio.sleep(0.2)  # noqa: TID251 as a client does, a little
                        again = self.draft(data["clientMsgId"])
                        await ws.send(json.dumps({"action": "send", "data": again}))
                    if self.is_enough and len(self.acks) == len(self.asked):
                        return


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
async def test_a_database_that_goes_away_under_load_costs_no_message_and_needs_no_restart_of_the_node(
    tmp_path: Path, how: signal.Signals
) -> None:
    """500 connections with 4 messages under way each; every commit is on disk (`innodb_flush_log_at_trx_commit=1`)."""
    (tmp_path / "db").mkdir()
    with own_server(tmp_path / "db") as mariadb:
        async with serving(mariadb, tmp_path) as (server, people):
            talkers = await _senders(mariadb, people, tmp_path)
            async with asyncio.TaskGroup() as tasks:
                for talker in talkers:
                    tasks.create_task(talker.talk(server.url.replace("http", "ws")))
                await _restart(mariadb, talkers, how)
                for talker in talkers:
                    talker.is_enough = True
            for one, other in zip(talkers[::2], talkers[1::2], strict=True):
                await check(one, other)
    refusals: Counter[str] = sum((talker.refusals for talker in talkers), Counter())
    assert refusals.keys() <= {"UNAVAILABLE"}
    assert refusals["UNAVAILABLE"] > 0


async def _senders(mariadb: OwnServer, people: World, folder: Path) -> list[Patient]:
    """Friends two by two, written into the database: hashing so many passwords would take longer than the test."""
    environment = environment_of(folder, SECRET) | {"IM_MYSQL_DSN": mariadb.url(DATABASE)}
    wanted = Wanted(people=SENDERS, are_pairs=True)
    made = (await asyncio.to_thread(populate_directly, environment, wanted)).people
    http = await people.http()
    persons = [
        Person(http, username=f"sender-{place}", user_id=each.user_id, token=each.token)
        for place, each in enumerate(made)
    ]
    friends = [persons[place ^ 1] for place in range(SENDERS)]
    return [Patient(one, friend) for one, friend in zip(persons, friends, strict=True)]


async def _restart(mariadb: OwnServer, talkers: list[Patient], how: signal.Signals) -> None:
    """Twice, in the middle of it, and on until everybody has got an answer again."""
    for _ in range(2):
        await until_all_are_answered(talkers)
        await asyncio.to_thread(mariadb.end, how)
        await asyncio.to_thread(mariadb.start)
    await until_all_are_answered(talkers)


async def until_all_are_answered(talkers: list[Patient]) -> None:
    before = [len(talker.acks) for talker in talkers]
    while any(len(talker.acks) < count + 10 for talker, count in zip(talkers, before, strict=True)):  # noqa: ASYNC110
        await asyncio.sleep(0.02)  # noqa: TID251 the talkers are at it
