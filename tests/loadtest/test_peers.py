from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

from loadtest.errors import Refused
from loadtest.ledger import Ledger
from loadtest.live import Live
from loadtest.peers import matrix, xmpp
from loadtest.peers.__main__ import How, Server, measured
from loadtest.peers.postgres import Postgres
from loadtest.peers.rows import Row, as_json, line_of
from loadtest.peers.synapse import synapse
from loadtest.peers.talking import Books, Part, Voice
from loadtest.plan import Conversation, Person, Plan
from loadtest.scenarios import Load, Scenario
from loadtest.target import Target
from tests.deploy.proxies import needed
from tests.loadtest.generating import outcome_of
from tests.loadtest.matrix_stand_in import matrix_stand_in

STREAM = (
    b"<?xml version='1.0'?><stream:stream id=\"1\" xmlns='jabber:client' version='1.0'>"
    b"<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms>"
    b"</stream:features><success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>\n<r xmlns='urn:xmpp:sm:3'/>"
    b"<message id='m-000000001' type='chat' to='a'><stanza-id id='77' by='a'/><body>x &gt; y</body></message>"
    b'<a h="12" xmlns="urn:xmpp:sm:3"/><presence from="g/b"><x><status code="110"/></x></presence></stream:stream>'
)
NAMES = [
    "?xml",
    "stream:stream",
    "stream:features",
    "success",
    "r",
    "message",
    "a",
    "presence",
    "stream:stream",
]


class Quiet:
    """A screen that shows nothing."""

    def say(self, text: str) -> None:
        pass

    def step(self, what: str, done: int, total: int) -> None:
        pass

    def live(self, live: Live) -> None:
        pass


# XMPP


@pytest.mark.parametrize("size", [1, 2, 7, 64, 10_000])
def test_stanzas_are_found_however_the_stream_is_cut(size: int) -> None:
    found, rest = [], b""
    for start in range(0, len(STREAM), size):
        whole, rest = xmpp.stanzas(rest + STREAM[start : start + size])
        found += whole
    assert [name.decode() for name, _ in found] == NAMES
    assert rest == b""
    assert b"".join(stanza for _, stanza in found) == STREAM.replace(b"\n", b"")


def test_attributes_are_those_of_the_stanza_and_not_of_what_is_in_it() -> None:
    stanzas = dict(xmpp.stanzas(STREAM)[0])
    assert xmpp.id_of(stanzas[b"message"]) == b"m-000000001"
    assert xmpp.kind_of(stanzas[b"message"]) == b"chat"
    assert xmpp.count_of(stanzas[b"a"]) == 12
    assert xmpp.id_of(b"<message type='groupchat'><stanza-id id='77'/></message>") == b""
    assert xmpp.count_of(stanzas[b"r"]) == -1


# Matrix


def _answer(body: bytes, *, is_chunked: bool) -> bytes:
    if not is_chunked:
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[:5], body[5:]))
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n" % pieces


@pytest.mark.parametrize("is_chunked", [True, False])
def test_an_http_answer_is_whole_when_its_last_byte_is_there(is_chunked: bool) -> None:
    body = b'{"next_batch":"s1"}'
    whole = _answer(body, is_chunked=is_chunked)
    for end in range(len(whole)):
        assert matrix.answer(whole[:end]) is None
    assert matrix.answer(whole + b"HTTP/1.1 4") == (200, body, b"HTTP/1.1 4")


def test_sync_tells_the_messages_of_all_rooms() -> None:
    event = {"type": "m.room.message", "content": {"msgtype": "m.text", "body": "hello", "number": "p-000000001"}}
    rooms = {"join": {"!r:localhost": {"timeline": {"events": [event], "limited": False}, "state": {}}}}
    sync = matrix.read_sync(msgspec.json.encode({"next_batch": "s2", "rooms": rooms}))
    (room,) = sync.rooms.join.values()
    assert [each.content for each in room.timeline.events] == [matrix.Content("hello", "p-000000001")]
    assert sync.next_batch == "s2"
    assert "&since=s2" in matrix.sync("s2", 30)


# what is wrong with messages


class Pair:
    """One who has said three messages, and one who is to hear them."""

    def __init__(self) -> None:
        self.books = Books()
        self.voice = Voice(1)
        self.sender = Part(self.books, [self.voice], self.voice)
        self.hearer = Part(self.books, [self.voice], None)
        for _ in range(3):
            self.sender.say(1.0)
        self.books.ledger = Ledger(0.0, 10.0)

    def problems(self, heard: list[int], acknowledged: list[int], *, is_intact: bool = True) -> dict[str, int]:
        for number in heard:
            self.hearer.heard(self.voice.id_of(number), 2.0, is_intact=is_intact)
        for number in acknowledged:
            self.sender.answered(number, 2.0)
        self.sender.close()
        self.hearer.close()
        return dict(self.books.ledger.problems)


@pytest.mark.parametrize(
    ("heard", "acknowledged", "problems"),
    [
        ([1, 2, 3], [1, 2, 3], {}),
        ([1, 3], [1, 2, 3], {"lost delivery": 1}),
        ([1, 2, 2, 3], [1, 2, 3], {"duplicate delivery": 1}),
        ([1, 3, 2], [1, 2, 3], {"reordered delivery": 1}),
        ([1, 2, 3], [1, 3], {"unanswered send": 1}),
        ([1, 2], [1, 2], {"unanswered send": 1}),
        ([1, 2, 3], [1, 2, 3, 3], {"duplicate ack": 1}),
        ([1, 2, 3, 4], [1, 2, 3], {"stray delivery": 1}),
    ],
)
def test_every_message_is_looked_for(heard: list[int], acknowledged: list[int], problems: dict[str, int]) -> None:
    assert Pair().problems(heard, acknowledged) == problems


def test_a_text_that_has_changed_is_noticed() -> None:
    assert Pair().problems([1, 2, 3], [1, 2, 3], is_intact=False) == {"corrupt delivery": 3}


def test_a_window_is_refilled_by_answers_and_never_exceeded() -> None:
    voice, said = Voice(2), list[int]()
    part = Part(Books(), [voice], voice)
    part.speak = said.append
    voice.is_open = True
    part.go_on(1.0)
    assert said == [1, 2]
    part.answered(1, 1.5)
    assert said == [1, 2, 3]


# a whole run


def _plan(port: int) -> Plan:
    people = [Person("a", "a"), Person("b", "b")]
    return Plan(
        work="matrix talk",
        target=Target("127.0.0.1", port),
        conversations=[Conversation({"roomId": "!r:localhost"}, people[:1], people[1:])],
        window=2,
        rest=0.2,
        warmup=0.0,
        seconds=1.0,
        least=10,
    )


@pytest.mark.parametrize(
    ("fault", "problems", "refused"),
    [
        ("", {}, {}),
        ("lose", {"lost delivery": 1}, {}),
        ("repeat", {"duplicate delivery": 1}, {}),
        ("refuse", {}, {"HTTP 429": 1}),
    ],
)
async def test_a_homeserver_is_told_what_it_did_wrong(
    fault: str, problems: dict[str, int], refused: dict[str, int]
) -> None:
    async with matrix_stand_in(fault) as port:
        outcome = await outcome_of(_plan(port))
    assert (outcome.problems, outcome.refused) == (problems, refused), outcome.examples
    assert outcome.acknowledged > 2, "a window is filled again"
    assert outcome.counts["message"] > 2


async def test_a_homeserver_that_refuses_everything_is_left_when_the_time_is_over() -> None:
    async with matrix_stand_in("refuse all") as port:
        outcome = await outcome_of(_plan(port))
    assert (outcome.problems, outcome.acknowledged) == ({}, 0)
    assert outcome.refused["HTTP 429"] > 2


@pytest.mark.parametrize("scenario", [Scenario.C2C, Scenario.GROUP])
def test_prosody_is_measured_and_has_stored_what_it_acknowledged(scenario: Scenario) -> None:
    needed("prosody", "prosody")
    row = _measured(scenario)
    assert (row.problems, row.refused) == ({}, {}), row.examples
    assert row.version.startswith("Prosody ")
    copies, hearers = (2, 1) if scenario is Scenario.C2C else (1, 4)
    assert row.acknowledged > 0
    assert row.archived == copies * row.acknowledged
    assert row.deliveries_per_second == pytest.approx(hearers * row.messages_per_second, rel=0.5)
    assert row.server_cpu > 0
    assert row.database_cpu == 0
    assert row.delivery_ms is not None
    assert f"| {row.version} | its files |" in line_of(row)
    assert msgspec.json.decode(as_json([row]))[0]["archived"] == row.archived


def _measured(scenario: Scenario) -> Row:
    load = Load(scenario=scenario, senders=4, groups=2, size=10, warmup=0.2, seconds=0.5, rest=0.2)
    return measured(Server.PROSODY_FILES, load, How("", False), Quiet())


def test_memory_is_told_for_each_connection() -> None:
    needed("prosody", "prosody")
    load = Load(scenario=Scenario.IDLE, connections=40, seconds=0.1, rest=0.2)
    row = measured(Server.PROSODY_FILES, load, How("", False), Quiet())
    assert row.problems == {}
    assert row.kib_per_connection is not None
    assert row.archived is None


@pytest.mark.parametrize("python", ["", "no/such/python", sys.executable])
def test_what_is_not_installed_is_named_with_what_to_type(tmp_path: Path, python: str) -> None:
    load = Load(scenario=Scenario.C2C, senders=1)
    site = synapse(load, tmp_path, Postgres(0, 0), python, Quiet())
    with pytest.raises(Refused, match="pip install 'matrix-synapse"), site:
        pass
