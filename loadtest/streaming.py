"""Answers of a language model: messages that grow while they are written, some words at a time."""

from __future__ import annotations

import secrets
from array import array
from collections.abc import Callable, Mapping
from functools import partial

import msgspec
from msgspec import Struct

from loadtest.connections import Connection
from loadtest.ledger import Ledger
from loadtest.plan import Conversation, Person
from loadtest.sockets import Loop
from loadtest.talking import Pace
from loadtest.wire import frame
from loadtest.work import Work


class Data(Struct, frozen=True, rename="camel"):
    """What the envelopes of interest carry, all in one."""

    stream_id: str = ""
    index: int = 0
    delta: str = ""
    text: str = ""
    stream_status: str = ""
    code: str = ""
    message: str = ""


class Envelope(Struct, frozen=True):
    action: str
    data: Data = Data()


_read = msgspec.json.Decoder(Envelope).decode


class Stream:
    """One answer: what was said so far and when it was due, as both sides have it."""

    def __init__(self, begun_at: float) -> None:
        self.begun_at = begun_at
        self.id = ""
        self.due: array[float] = array("d")
        self.sent = 0
        self.heard = 0
        self.ended_at = 0.0
        self.is_over = False


class Writer(Connection):
    """Writes one answer after another; each of its turns is a chunk, and the last one ends the answer."""

    is_taped = False

    def __init__(self, loop: Loop, person: Person, conversation: Conversation, chunks: int, size: int) -> None:
        self.streams: list[Stream] = []
        self.ledger = Ledger(0.0, 0.0)
        self.is_stopping = False
        self._address = conversation.address
        self._chunks = chunks
        self._size = size
        super().__init__(loop, person)

    @property
    def stream(self) -> Stream | None:
        """The one that is being written."""
        return self.streams[-1] if self.streams and not self.streams[-1].ended_at else None

    def turn(self, due_at: float) -> None:
        """Say the next thing, or note that it was due: nothing can be said before the stream is there."""
        stream = self.stream
        if stream is None:
            if not self.is_stopping:
                self._start(due_at)
            return
        stream.due.append(due_at)
        if stream.id:
            self._catch_up(stream)

    def receive(self, text: bytes) -> None:
        envelope = _read(text)
        data, stream = envelope.data, self.streams[-1] if self.streams else None
        if envelope.action == "stream_started" and stream is not None:
            stream.id = data.stream_id
            self.ledger.book("start", self.loop.now, stream.begun_at)
            self._catch_up(stream)
        elif envelope.action == "stream_ended" and stream is not None:
            self.ledger.book("end", self.loop.now, stream.ended_at)
        elif envelope.action == "error":
            self.ledger.refuse(data.code, data.message)

    def delta(self, index: int) -> str:
        """What chunk `index` of any stream says."""
        return f"{index:0{self._size}d}"

    def _start(self, due_at: float) -> None:
        self.streams.append(Stream(due_at))
        data = {**self._address, "type": "stream", "clientMsgId": secrets.token_hex(8), "payload": {"text": "…"}}
        self._say("start_stream", data)

    def _catch_up(self, stream: Stream) -> None:
        while stream.sent < min(len(stream.due), self._chunks):
            stream.sent += 1
            self._say("stream_chunk", {"streamId": stream.id, "delta": self.delta(stream.sent)})
        if len(stream.due) > self._chunks or self.is_stopping:
            stream.ended_at = stream.due[self._chunks] if len(stream.due) > self._chunks else self.loop.now
            self._say("end_stream", {"streamId": stream.id})

    def stop(self) -> None:
        """End the answer where it is."""
        self.is_stopping = True
        if self.stream is not None and self.stream.id:
            self._catch_up(self.stream)

    def _say(self, action: str, data: Mapping[str, object]) -> None:
        self.write(frame(msgspec.json.encode({"action": action, "id": action, "data": data})))


class Reader(Connection):
    """Reads along, and checks every chunk."""

    is_taped = False

    def __init__(self, loop: Loop, person: Person, writer: Writer) -> None:
        self._writer = writer
        super().__init__(loop, person)

    def receive(self, text: bytes) -> None:
        envelope = _read(text)
        if envelope.action not in ("stream_chunk", "stream_end"):
            return
        data, ledger = envelope.data, self._writer.ledger
        stream = next((each for each in reversed(self._writer.streams) if each.id == data.stream_id), None)
        if stream is None:
            ledger.blame(f"stray {envelope.action}", str(data))
        elif envelope.action == "stream_chunk":
            self._hear(stream, data)
        else:
            self._end(stream, data)

    def _hear(self, stream: Stream, data: Data) -> None:
        ledger = self._writer.ledger
        if data.index != stream.heard + 1:
            kind = "duplicate or reordered" if data.index <= stream.heard else "lost"
            ledger.blame(f"{kind} chunk", f"{data.index} after {stream.heard}")
        elif data.delta != self._writer.delta(data.index):
            ledger.blame("corrupt chunk", str(data))
        stream.heard = max(stream.heard, data.index)
        if data.index <= len(stream.due):
            ledger.book("chunk", self.loop.now, stream.due[data.index - 1])

    def _end(self, stream: Stream, data: Data) -> None:
        whole = "…" + "".join(self._writer.delta(index) for index in range(1, stream.sent + 1))
        if stream.is_over:
            self._writer.ledger.blame("stream that ends twice", data.stream_id)
        elif stream.heard != stream.sent:
            self._writer.ledger.blame("lost chunk", f"{stream.heard} of {stream.sent} before its end")
        elif data.text != whole or data.stream_status != "done":
            self._writer.ledger.blame("corrupt stream", f"it ended as {data.stream_status}: {data.text[:80]}")
        stream.is_over = True


class Streaming(Work):
    """Everybody writes answers at the speed of a language model; the other side reads along."""

    def prepare(self) -> None:
        self._writers: list[Writer] = []
        self.connect(opening for one in self.plan.conversations for opening in self._openings(one))
        self.wait(self.plan.rest)

    def begin(self, at: float) -> None:
        for writer in self._writers:
            writer.ledger = self.ledger
        self.loop.alarm = Pace([each.turn for each in self._writers], self.plan.rate, at + self.plan.offset)

    def counts(self) -> dict[str, int]:
        streams = [stream for writer in self._writers for stream in writer.streams]
        return {"start": len(streams), "chunk": sum(stream.heard for stream in streams)}

    def finish(self) -> None:
        self.loop.alarm = None
        for writer in self._writers:
            writer.stop()
        streams = [stream for writer in self._writers for stream in writer.streams]
        self.loop.turn_until(lambda _: all(stream.is_over for stream in streams), self.plan.patience)
        self.loop.turn_until(lambda _: False, self.plan.rest)
        endless = sum(not stream.is_over for stream in streams)
        if endless:
            self.ledger.blame("lost end of a stream", f"of {len(streams)}", endless)

    def _openings(self, one: Conversation) -> list[Callable[[], object]]:
        return [partial(self._open_writer, one), partial(self._open_reader, one)]

    def _open_writer(self, one: Conversation) -> None:
        plan = self.plan
        self._writers.append(Writer(self.loop, one.speakers[0], one, plan.chunks, plan.text_bytes))

    def _open_reader(self, one: Conversation) -> None:
        Reader(self.loop, one.hearers[0], self._writers[-1])
