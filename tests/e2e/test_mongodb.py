"""A real server whose messages are in MongoDB: the talk, its changes, restarts and crashes."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from goim.stores.mongo import MongoDatabase
from tests.cli.conftest import Goimctl
from tests.client import Person, World
from tests.e2e.test_crash import Talker, check
from tests.e2e.test_mysql import Patient, until_all_are_answered
from tests.mongo_server import MongoServer, running_mongo
from tests.process import ServerProcess, running_server

SECRET = "a secret that is long enough for the tests of goim"


def variables(uri: str) -> dict[str, str]:
    return {"IM_MESSAGE_DB": "mongodb", "IM_MONGO_URI": uri, "IM_JWT_SECRET": SECRET, "IM_WEBRTC_ENABLED": "true"}


@contextlib.asynccontextmanager
async def serving(mongo: MongoServer, folder: Path) -> AsyncIterator[tuple[ServerProcess, World, MongoDatabase]]:
    async with mongo.migrated() as (uri, database), running_server(folder, **variables(uri)) as (server, people):
        yield server, people, database


async def test_two_people_talk_and_what_they_do_to_messages_is_there_after_a_restart(
    mongo_server: MongoServer, tmp_path: Path
) -> None:
    async with serving(mongo_server, tmp_path) as (server, people, database):
        ann, bob = await people.friends(None, None)
        async with people.online(ann) as phone, people.online(bob) as desk:
            sent = [await phone.ask("send", ann.text(bob, f"message {n}", clientMsgId=f"m{n}")) for n in range(1, 5)]
            assert [each["seq"] for each in sent] == [1, 2, 3, 4]
            conv_id = sent[0]["convId"]
            for each in sent:
                push = await desk.push("message", lambda data, seq=each["seq"]: data["seq"] == seq)  # type: ignore[misc] # mypy does not type a default
                assert push["serverMsgId"] == each["serverMsgId"]
            again = await phone.ask("send", ann.text(bob, "message 1", clientMsgId="m1"))
            assert (again["seq"], again["duplicate"]) == (1, True)
            of = [{"convId": conv_id, "serverMsgId": each["serverMsgId"]} for each in sent]
            assert (await phone.ask("recall", of[0]))["change"] == 1
            assert (await phone.ask("edit", of[1] | {"payload": {"text": "better"}}))["change"] == 2
            assert (await desk.ask("react", of[2] | {"emoji": "+"}))["change"] == 3
            assert (await phone.ask("recall", of[0]))["change"] == 1, "twice is once"
            await desk.ask("read", {"convId": conv_id, "seq": 3})
            stream = await phone.ask("start_stream", ann.text(bob, "once ") | {"type": "stream"})
            ended = await phone.ask("end_stream", {"streamId": stream["streamId"], "finalText": "once upon a time"})
            assert ended["change"] == 4
        await server.kill()
        await server.start()
        async with people.online(bob) as desk:
            (synced,) = (await desk.ask("sync", {"convs": [{"convId": conv_id, "fromSeq": 0, "fromChange": 0}]}))[
                "convs"
            ]
        assert [each["action"] for each in synced["changes"]] == ["recalled", "edited", "reaction", "stream_end"]
        messages = synced["messages"]
        assert [each["seq"] for each in messages] == [1, 2, 3, 4, 5]
        assert messages[0]["recalled"]
        assert messages[1]["payload"] == {"text": "better"}
        assert messages[2]["reactions"] == [{"emoji": "+", "userIds": [bob.user_id]}]
        assert messages[4]["payload"] == {"text": "once upon a time"}
        (line,) = (await bob.get("/api/conversations"))["conversations"]
        assert (line["lastSeq"], line["lastChange"], line["unread"]) == (5, 4, 2)
        assert not await database["pending"].find().to_list(None)


async def found(person: Person, words: str) -> list[str]:
    answer = await person.get("/api/messages/search", q=words)
    return [message["payload"]["text"] for message in answer["messages"]]


async def test_words_are_found_as_long_as_the_messages_say_them(mongo_server: MongoServer, tmp_path: Path) -> None:
    async with serving(mongo_server, tmp_path) as (server, people, _):
        ann, bob = await people.friends(None, None)
        cleo = await people.person()
        async with people.online(ann) as phone:
            sent = [await phone.ask("send", ann.text(bob, text)) for text in ("hello world", "你好世界", "hello again")]
            assert await found(bob, "hel") == ["hello again", "hello world"]
            assert await found(bob, "世界") == ["你好世界"]
            assert await found(cleo, "hello") == []
            of = [{"convId": each["convId"], "serverMsgId": each["serverMsgId"]} for each in sent]
            await phone.ask("recall", of[2])
            await phone.ask("edit", of[0] | {"payload": {"text": "goodbye moon"}})
            assert await found(bob, "hello") == []
            assert await found(bob, "moon") == ["goodbye moon"]
        await server.end()
        with closing(sqlite3.connect(server.folder / "data" / "words.db")) as words:
            kept = {term for (term,) in words.execute("SELECT term FROM word_index")}
        assert "moon" in kept
        assert not kept & {"world", "again"}, "what nobody says any more is not kept"
        for file in (server.folder / "data").glob("words.db*"):
            file.unlink()
        await server.start()
        assert await found(bob, "moon") == ["goodbye moon"], "made anew from the log"


@pytest.mark.timeout(240)
async def test_after_a_kill_every_acked_message_is_there_once_with_its_seq(
    mongo_server: MongoServer, tmp_path: Path
) -> None:
    async with serving(mongo_server, tmp_path) as (server, people, _):
        one, other = await people.friends(None, None)
        talkers = [Talker(one, other), Talker(other, one)]
        for _ in range(2):
            enough = sum(len(talker.acks) for talker in talkers) + 40
            async with asyncio.TaskGroup() as tasks:
                for talker in talkers:
                    tasks.create_task(talker.talk(server.url.replace("http", "ws")))
                while sum(len(talker.acks) for talker in talkers) < enough:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)  # noqa: TID251 the clients talk on their own
                await server.kill()
            await server.start()
            await asyncio.gather(*(talker.resend(people) for talker in talkers))
        acks = talkers[0].acks | talkers[1].acks
        log = await one.whole_log(next(iter(acks.values()))["convId"])
        assert [message["seq"] for message in log] == list(range(1, len(log) + 1)), "a gap or a repeat"
        assert {message["clientMsgId"]: message["seq"] for message in log} == {
            client_msg_id: ack["seq"] for client_msg_id, ack in acks.items()
        }


@pytest.mark.timeout(240)
async def test_a_database_that_goes_away_under_load_costs_no_message_and_needs_no_restart_of_the_node(
    tmp_path: Path,
) -> None:
    with running_mongo(tmp_path) as mongo:
        async with serving(mongo, tmp_path) as (server, people, _):
            ann, bob = await people.friends(None, None)
            talkers = [Patient(ann, bob), Patient(bob, ann)]
            async with asyncio.TaskGroup() as tasks:
                for talker in talkers:
                    tasks.create_task(talker.talk(server.url.replace("http", "ws")))
                for kill in mongo.kills:
                    await until_all_are_answered(talkers)
                    await asyncio.to_thread(kill)
                    await asyncio.to_thread(mongo.start)
                await until_all_are_answered(talkers)
                for talker in talkers:
                    talker.is_enough = True
            await check(*talkers)
    assert {*talkers[0].refusals, *talkers[1].refusals} == {"UNAVAILABLE"}


async def test_a_server_refuses_indexes_of_another_version_and_says_what_to_type(
    mongo_server: MongoServer, tmp_path: Path
) -> None:
    goimctl = Goimctl(tmp_path)
    async with mongo_server.empty() as (uri, database):
        environ = variables(uri) | {"IM_LISTEN_ADDR": "127.0.0.1:0"}
        refused = await asyncio.to_thread(goimctl, "serve", **environ)
        assert refused.returncode == 1
        assert refused.stderr.splitlines()[-2:] == [
            "error: the schema is older than this version: 0001_messages.json not applied",
            "hint: goimctl migrate",
        ]
        ill = await asyncio.to_thread(goimctl, "doctor", "--no-server", **environ)
        assert ill.returncode == 3
        assert ill.stderr.splitlines() == ["error: messages schema: 1 file to be applied", "hint: goimctl migrate"]
        planned = await goimctl.meanwhile("migrate", "--dry-run", **environ)
        assert "messages: 0001_messages.json" in planned.stdout
        assert await database.list_collection_names() == []
        assert "messages: 0001_messages.json" in (await goimctl.meanwhile("migrate", **environ)).stdout
        found = await goimctl.meanwhile("doctor", "--no-server", **environ)
        assert ", a single server" in found.stdout


async def test_a_database_that_is_away_is_named(tmp_path: Path) -> None:
    environ = variables("mongodb://127.0.0.1:1/goim") | {"IM_LISTEN_ADDR": "127.0.0.1:0"}
    away = await asyncio.to_thread(Goimctl(tmp_path), "serve", **environ)
    assert away.returncode == 5
    assert "MongoDB" in away.stderr
