"""A message that is written bit by bit, over as many connections as it takes."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from goim.client.answers import History, Message
from goim.client.errors import SessionOver, Unreachable
from goim.client.http import Http
from goim.client.link import Link, Lost
from goim.client.texts import text_of
from goim.clock import Clock
from goim.errors import ErrorCode, GoimError
from goim.protocol.replies import StreamEndedData, StreamStartedData

_LEAST_PAUSE = 0.007  # the server takes 200 chunks a second
_PATIENCE = 30.0


class Stream:
    """Leaving the context ends it as `done`, an exception inside as `failed`. For one writer."""

    def __init__(self, link: Link, http: Http, clock: Clock, data: dict[str, object], text: str) -> None:
        self.text = text
        self.started: StreamStartedData | None = None
        self._link = link
        self._http = http
        self._clock = clock
        self._data = data
        self._deltas: list[str] = []
        self._sent = 0
        self._base = 0  # how many chunks there were when we came to it
        self._connection = 0
        self._last = 0.0
        self._id = 0
        self._refused: GoimError | None = None
        self._is_over = False

    async def __aenter__(self) -> Self:
        data = self._data | {"type": "stream", "payload": {"text": self.text}}
        self.started = await self._link.ask("start_stream", data, StreamStartedData)
        self._connection = 0 if self.started.duplicate else self._link.connection
        if self.started.duplicate and (stored := await self._stored()) is not None:
            self.text = text_of(stored)
            self._base = stored.stream_index or 0
        self._id = self._link.listen_for_refusals(self._hear_refusal)
        return self

    @property
    def is_resumed(self) -> bool:
        """Whether something was written to it before, by an earlier run: then `text` has it, and writing goes on."""
        return self._base > 0

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._is_over:
                return
            if error is None:
                await self.end()
                return
            with contextlib.suppress(SessionOver, TimeoutError, GoimError):  # what went wrong first is told
                async with asyncio.timeout(_PATIENCE):
                    await self.fail(str(error) or type(error).__name__)
        finally:
            self._link.forget(self._id)

    async def write(self, delta: str) -> None:
        """Append to it. What was lost with a connection goes again over the next; `GoimError` if it was refused."""
        if not delta:
            return
        self._deltas.append(delta)
        self.text += delta
        await self._write_all()

    async def end(self, text: str | None = None) -> None:
        """It is complete: as it has grown, or as this text."""
        is_grown = text is None or text == self.text
        self.text = self.text if text is None else text
        await self._finish({"finalText": self.text}, is_grown=is_grown)

    async def fail(self, why: str) -> None:
        """It will not be completed; what there is of it stays."""
        await self._finish({"finalText": self.text, "error": why}, is_grown=True)

    async def _write_all(self) -> None:
        while self._sent < len(self._deltas) or self._connection != self._link.connection:
            if self._refused is not None:
                raise self._refused
            await self._write_on()

    async def _write_on(self) -> None:
        connection = await self._link.up()
        if connection != self._connection:
            stored = await self._stored()
            self._sent = self._sent if stored is None else max((stored.stream_index or 0) - self._base, 0)
            self._connection = connection
        assert self.started is not None
        with contextlib.suppress(Lost):  # the next round waits for another connection
            while self._sent < len(self._deltas) and self._connection == connection:
                await self._clock.sleep(max(0.0, self._last + _LEAST_PAUSE - self._clock.monotonic()))
                self._last = self._clock.monotonic()
                data = {"streamId": self.started.stream_id, "delta": self._deltas[self._sent]}
                self._sent += 1
                await self._link.tell(connection, self._id, "stream_chunk", data)

    async def _stored(self) -> Message | None:
        """The message as the server has it; None if that cannot be known now."""
        assert self.started is not None
        place = self.started
        try:
            found = await self._http.get(
                "/api/messages/history", History, convId=place.conv_id, fromSeq=place.seq - 1, limit=1
            )
        except Unreachable:
            return None
        return next((m for m in found.messages if m.server_msg_id == place.server_msg_id), None)

    def _hear_refusal(self, error: GoimError) -> None:
        if error.code in (ErrorCode.RATE_LIMIT, ErrorCode.UNAVAILABLE):
            self._connection = 0  # what came after it arrived or not: ask how far the server is
        else:
            self._refused = error

    async def _finish(self, how: dict[str, object], *, is_grown: bool) -> None:
        assert self.started is not None
        try:
            await self._link.ask("end_stream", {"streamId": self.started.stream_id, **how}, StreamEndedData)
        except GoimError as error:
            if error.code is ErrorCode.TOO_LARGE and is_grown:
                await self._finish_as_written(how)
            elif error.code is not ErrorCode.STREAM_STATE or not await self._is_as_meant("error" in how):
                raise
        self._is_over = True

    async def _finish_as_written(self, how: dict[str, object]) -> None:
        """What has grown beyond what a frame may hold, the server has already."""
        if "error" not in how:
            await self._write_all()
        del how["finalText"]
        await self._finish(how, is_grown=False)

    async def _is_as_meant(self, is_failed: bool) -> bool:  # noqa: FBT001 it is compared, not a mode
        """Whether the end that was refused is the one that an earlier try, whose answer was lost, has brought."""
        stored = await self._stored()
        return stored is not None and stored.stream_status == ("failed" if is_failed else "done")
