"""Messages that grow while they are written: their owner feeds them, everybody sees them grow, and they always end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec
import structlog
from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import replace

from goim.batching import parts
from goim.clock import LATEST_MS, Clock
from goim.delivery import Delivery
from goim.elsewhere.base import Elsewhere
from goim.errors import ErrorCode, GoimError, not_found
from goim.lru import Recent
from goim.model.conversations import Conversation
from goim.model.messages import Message, MessageRow, RowEdit, SentKey, encode_extras, extras_of
from goim.model.payloads import Text
from goim.notices import Notices, StreamGiven, StreamWanted
from goim.ordering import FOLLOWS
from goim.protocol.frames import encode_json, frame_of
from goim.protocol.pushes import StreamChunkData, StreamChunkPush
from goim.protocol.replies import StreamEndedData, StreamStartedData
from goim.protocol.requests import SendData
from goim.services.access import AccessBook
from goim.services.changes import ChangeDesk
from goim.services.messages import Messages
from goim.services.sending import Sender
from goim.services.stream_state import Live, LiveStreams, Over
from goim.stores.base import Conversations
from goim.stores.base_log import UNDER_WAY_MS, MessageTable, Pending
from goim.tasks import beside, outlived

MAX_METADATA_BYTES = 4096
CHUNKS_PER_SECOND = 200
CHUNKS_AT_ONCE = 400
ABANDONED = "abandoned"
"""The error of a stream that the server ended because its owner was gone."""
NOT_ALLOWED = "not_allowed"
"""That of one whose owner wanted to say more where they may not write any longer."""
GIVE_SECONDS = 0.5
"""How long a node that feeds a stream now waits for the one that did."""
_BEAT_SECONDS = 1.0
_ORPHANS_EVERY = 15
_AT_ONCE = 64
_MOST = 100_000
_REMEMBERED = 10_000
_decode_text = msgspec.json.Decoder(Text).decode
_log = structlog.get_logger(__name__)


class Streams:
    """The streams whose owners feed them through this node."""

    def __init__(
        self,
        messages: Messages,
        changes: ChangeDesk,
        access: AccessBook,
        conversations: Conversations,
        table: MessageTable,
        pending: Pending,
        delivery: Delivery,
        notices: Notices,
        elsewhere: Elsewhere,
        clock: Clock,
        *,
        idle_timeout: float,
        max_bytes: int,
        max_live: int,
    ) -> None:
        self._notices = notices
        self._elsewhere = elsewhere
        self._wanted: dict[str, asyncio.Future[StreamGiven]] = {}
        self._messages = messages
        self._changes = changes
        self._access = access
        self._conversations = conversations
        self._table = table
        self._pending = pending
        self._delivery = delivery
        self._clock = clock
        self._idle_timeout = idle_timeout
        self._max_bytes = max_bytes
        self._streams = LiveStreams(max_live)
        self._live = self._streams.by_id
        self._done: list[SentKey] = []
        self._over: Recent[str, Over] = Recent(_REMEMBERED)
        self._unknown: Recent[tuple[str, str], bool] = Recent(_REMEMBERED)
        changes.on_recalled.append(self._recalled)
        notices.on(StreamWanted, self._give)
        notices.on(StreamGiven, self._given)

    # what the owner does

    async def start(self, caller: Sender, data: SendData) -> StreamStartedData:
        """Store the message with its first text and let it grow. Begun twice is begun once, and goes on."""
        self._streams.check_room(caller.user_id, data.client_msg_id)
        sent = await self._messages.send_now(caller, data, stream=True)
        stream_id = sent.server_msg_id
        if not sent.duplicate:  # then no other node has it
            await self._take_up(sent.conv_id, sent.seq)
        elif not self._is_fed_here(stream_id):
            await self._fetch(stream_id, sent.conv_id, sent.seq)
        return StreamStartedData(stream_id, stream_id, sent.conv_id, sent.seq, sent.timestamp, duplicate=sent.duplicate)

    async def _take_up(self, conv_id: str, seq: int, *, is_found: bool = False) -> bool:
        """False if it is over: it was recalled or has ended meanwhile."""
        conv, row = await self._conversations.get(conv_id), await self._table.get(conv_id, seq)
        if conv is None or row is None or extras_of(row).stream_status != "streaming":
            return False
        text = _text_of(row)
        index = extras_of(row).stream_index
        size, start = len(text.encode()), index if isinstance(index, int) else 0
        self._streams.put(conv.message_id(seq), Live(conv, row, [text], size, start, is_found=is_found))
        return True

    def chunk(self, caller: Sender, stream_id: str, delta: str, metadata: Raw | UnsetType = UNSET) -> None:
        """Append to a stream of one's own, and show it. First ask `is_cleared`, and else await `clear`."""
        live = self._own(caller, stream_id)
        size = len(delta.encode())
        if live.size + size > self._max_bytes:
            raise GoimError(ErrorCode.TOO_LARGE, f"a stream holds at most {self._max_bytes} bytes")
        if metadata is not UNSET and len(bytes(metadata)) > MAX_METADATA_BYTES:
            raise GoimError(ErrorCode.TOO_LARGE, f"metadata has at most {MAX_METADATA_BYTES} bytes")
        self._check_rate(live)
        live.parts.append(delta)
        live.size += size
        live.index += 1
        live.is_saved = False
        push = StreamChunkPush(StreamChunkData(stream_id, live.conv.conv_id, live.row.seq, live.index, delta, metadata))
        self._delivery.to_conversation(live.conv, frame_of(push), caller, seq=live.row.seq, change=FOLLOWS)

    async def end(self, caller: Sender, stream_id: str, final_text: str | None, error: str | None) -> StreamEndedData:
        """Finish a stream of one's own: with a text of its own, or what it has grown to."""
        over = self._over.get(stream_id)
        if over is not None and over.is_recalled and over.owner == caller.user_id:
            change = await self._changes.number_of(over.conv, over.seq, "recalled")
            return StreamEndedData(stream_id, stream_id, change)
        await self._find(caller, stream_id)
        live = self._own(caller, stream_id)
        text = live.text if final_text is None else final_text
        if len(text.encode()) > self._max_bytes:
            raise GoimError(ErrorCode.TOO_LARGE, f"a stream holds at most {self._max_bytes} bytes")
        if error or text != live.text:
            await self._check_last_words(stream_id, live)
        change = await self._finish(stream_id, live, text, error or None, but=caller)
        return StreamEndedData(stream_id, stream_id, change)

    async def _check_last_words(self, stream_id: str, live: Live) -> None:
        """Who may not write there any longer may not by ending it, either: then it ends as it stands."""
        try:
            await self._check_write(live)
        except GoimError:
            await self._finish(stream_id, live, live.text, NOT_ALLOWED)
            raise

    # from node to node

    def _is_fed_here(self, stream_id: str) -> bool:
        live = self._live.get(stream_id)
        return live is not None and not live.is_found

    def _may_be_elsewhere(self, stream_id: str) -> bool:
        is_known = self._is_fed_here(stream_id) or self._over.get(stream_id) is not None
        return not is_known and self._notices.has_company

    async def _find(self, caller: Sender, stream_id: str) -> None:
        """Have a stream of the caller here that may be on another node, or was on one that is gone.

        To ask for it costs as much of their rate as a message, and what was not found once is never there again.
        """
        if not self._may_be_elsewhere(stream_id) or self._unknown.get((caller.user_id, stream_id)):
            return
        self._messages.check_pace(caller)
        keys = [key for key in await self._pending.due("stream", LATEST_MS, _MOST) if key[1] == caller.user_id]
        for key, sent in (await self._table.find_sent(keys)).items():
            conv = await self._conversations.get(key[0])
            if conv is not None and conv.message_id(sent.seq) == stream_id:
                return await self._fetch(stream_id, key[0], sent.seq)
        return self._unknown.put((caller.user_id, stream_id), True)

    async def _fetch(self, stream_id: str, conv_id: str, seq: int) -> None:
        """As another node gives it, or else as it was saved last."""
        given: StreamGiven | None = None
        if self._notices.has_company:
            answer = self._wanted[stream_id] = asyncio.get_running_loop().create_future()
            self._notices.tell_others(StreamWanted(stream_id))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GIVE_SECONDS):
                    given = await answer
            self._wanted.pop(stream_id, None)
        if stream_id not in self._live:
            await self._take_up(conv_id, seq)
        live = self._live.get(stream_id)
        if live is not None:
            live.is_found = False
        if live is not None and given is not None and given.index >= live.index:
            live.parts, live.index, live.is_saved = [given.text], given.index, False
            live.size = len(given.text.encode())

    def _give(self, notice: StreamWanted) -> None:
        live = self._streams.pop(notice.stream_id)
        if live is not None:
            self._notices.tell_others(StreamGiven(notice.stream_id, live.text, live.index))

    def _given(self, notice: StreamGiven) -> None:
        answer = self._wanted.pop(notice.stream_id, None)
        if answer is not None and not answer.done():
            answer.set_result(notice)

    # what everybody sees

    def shown(self, message: Message) -> Message:
        """A streaming message with its text so far."""
        live = self._live.get(message.server_msg_id) if message.stream_status == "streaming" else None
        if live is None:
            return message
        return replace(message, payload=Raw(encode_json({"text": live.text})), stream_index=live.index)

    # may they?

    def is_cleared(self, caller: Sender, stream_id: str) -> bool:
        """Whether it is known, without asking the database, that the owner may write there now."""
        if self._may_be_elsewhere(stream_id):
            return False
        live = self._own(caller, stream_id)
        access = self._access.remembered(live.owner, live.conv.conv_id)
        if access is not None:
            access.check_write(self._clock.now_ms())
        return access is not None

    async def clear(self, caller: Sender, stream_id: str) -> None:
        """Find out whether the owner may still write there."""
        await self._find(caller, stream_id)
        await self._check_write(self._own(caller, stream_id))

    async def _check_write(self, live: Live) -> None:
        (await self._access.of(live.owner, live.conv.conv_id)).check_write(self._clock.now_ms())

    def _own(self, caller: Sender, stream_id: str) -> Live:
        live = self._live.get(stream_id)
        if live is not None and live.owner == caller.user_id and not self._is_expired(stream_id, live):
            return live
        over = self._over.get(stream_id)
        if over is not None and over.owner == caller.user_id:
            raise GoimError(ErrorCode.STREAM_STATE, "this stream has ended")
        raise not_found("stream")

    def _is_expired(self, stream_id: str, live: Live) -> bool:
        """A message that has expired is hidden from everybody: nothing more is told of it, not even that it ended."""
        if live.row.expire_at is None or live.row.expire_at > self._clock.now_ms():
            return False
        self._streams.pop(stream_id)
        self._over.put(stream_id, Over(live.conv, live.row.seq, live.owner, False))
        self._done.append(live.key)
        return True

    def _check_rate(self, live: Live) -> None:
        now = self._clock.monotonic()
        live.full_at = max(live.full_at, now) + 1 / CHUNKS_PER_SECOND
        wait = live.full_at - now - CHUNKS_AT_ONCE / CHUNKS_PER_SECOND
        if wait > 0:
            live.full_at -= 1 / CHUNKS_PER_SECOND
            raise GoimError(
                ErrorCode.RATE_LIMIT, "too many chunks; send larger ones", retry_after_ms=max(1, round(wait * 1000))
            )

    # ends

    async def _finish(self, stream_id: str, live: Live, text: str, error: str | None, *, but: object = None) -> int:
        async with live.writing:
            changed = await self._changes.finish_stream(live.conv, live.row, text, live.index, error, but=but)
            if self._streams.pop(stream_id) is not None:  # else it was recalled meanwhile
                self._over.put(stream_id, Over(live.conv, live.row.seq, live.owner, False))
        await self._pending.remove("stream", [live.key])
        return changed.change

    def _recalled(self, conv: Conversation, seq: int) -> None:
        stream_id = conv.message_id(seq)
        live = self._streams.pop(stream_id)
        if live is not None:
            self._over.put(stream_id, Over(conv, seq, live.owner, True))
            self._done.append(live.key)

    # of its own accord

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take up what was under way before, then every second save what has grown and end what nobody feeds."""
        await self.take_up_orphans()
        async with beside(self._run()):
            yield
        await self.save()

    async def take_up_orphans(self) -> None:
        """Have those here whose owners are connected nowhere else, so that they end, or go on when their owner
        comes."""
        mine = {live.key for live in self._live.values()}
        keys = [key for key in await self._pending.due("stream", LATEST_MS, _MOST) if key not in mine]
        elsewhere = await self._elsewhere.online({key[1] for key in keys})
        orphans = [key for key in keys if key[1] not in elsewhere]
        sent = await self._table.find_sent(orphans)
        over = [key for key, place in sent.items() if not await self._take_up(key[0], place.seq, is_found=True)]
        unsent = {key for key in orphans if key not in sent}
        old = await self._pending.due("stream", self._clock.now_ms() - UNDER_WAY_MS, _MOST) if unsent else ()
        await self._pending.remove("stream", [*over, *unsent.intersection(old)])

    async def _run(self) -> None:
        beats = 0
        while True:
            await self._clock.sleep(_BEAT_SECONDS)
            beats += 1
            with outlived("streams_wait", live=len(self._live)):
                await self.save()
                await self.end_abandoned()
                if beats % _ORPHANS_EVERY == 0 and self._notices.has_company:
                    await self.take_up_orphans()

    async def save(self) -> None:
        """Store what has grown, some at once: a crash costs at most what came in the last second."""
        grown = [(stream_id, live) for stream_id, live in self._live.items() if not live.is_saved]
        for some in parts(grown, _AT_ONCE):
            await asyncio.gather(*(self._save_or_give_up(*each) for each in some))
        done, self._done = self._done, []
        await self._pending.remove("stream", done)

    async def _save_or_give_up(self, stream_id: str, live: Live) -> None:
        async with live.writing:
            if self._live.get(stream_id) is live and not await self._save(live):
                await self._give_up(stream_id, live)

    async def _save(self, live: Live) -> bool:
        """False if it is over."""
        extras = replace(extras_of(live.row), stream_index=live.index)
        edit = RowEdit(encode_json({"text": live.text}).decode(), encode_extras(extras))
        live.is_saved = True  # first: what comes while it is written is not
        try:
            return await self._table.overwrite(live.conv.conv_id, live.row.seq, edit)
        except BaseException:
            live.is_saved = False
            raise

    async def _give_up(self, stream_id: str, live: Live) -> None:
        """Another node has ended it: one that took this node for dead, which only stood still."""
        row = await self._table.get(live.conv.conv_id, live.row.seq)
        self._streams.pop(stream_id)
        self._over.put(stream_id, Over(live.conv, live.row.seq, live.owner, row is None or bool(row.recalled)))

    async def end_abandoned(self) -> None:
        """End, as failed, the streams whose owner has had no connection for the idle timeout."""
        now = self._clock.monotonic()
        gone = {live.owner for live in self._live.values() if not self._delivery.connections_of(live.owner)}
        gone -= await self._elsewhere.online(gone)
        for stream_id, live in list(self._live.items()):
            if live.owner not in gone:
                live.gone_since = None
            elif live.gone_since is None:
                live.gone_since = now
            elif now - live.gone_since >= self._idle_timeout:
                await self._abandon(stream_id, live)

    async def _abandon(self, stream_id: str, live: Live) -> None:
        """Unless another node has fed it since, or ended it, or it has expired."""
        if self._is_expired(stream_id, live):
            return
        row = await self._table.get(live.conv.conv_id, live.row.seq)
        extras = None if row is None else extras_of(row)
        if extras is None or extras.stream_status != "streaming" or (extras.stream_index or 0) > live.index:
            self._streams.pop(stream_id)
            return
        await self._finish(stream_id, live, live.text, ABANDONED)


def _text_of(row: MessageRow) -> str:
    return _decode_text(row.payload or "{}").text
