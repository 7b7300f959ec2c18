"""Every action there is, and the function that does it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from goim.actions import calls, messages, presence, receipts, streams, sync
from goim.protocol import calls as call_requests
from goim.protocol import replies, requests
from goim.protocol.replies import Reply

Act = Callable[..., Coroutine[Any, Any, Reply | None] | None]


class Action(NamedTuple):
    """A name on the wire and what does it: a plain function answers by itself, a coroutine's result is the reply.

    `reply` is what comes when it is not refused; None: nothing does.
    """

    name: str
    act: Act
    reply: type[Reply] | None


ACTIONS: dict[type, Action] = {
    requests.Send: Action("send", messages.send, replies.Ack),
    requests.Recall: Action("recall", messages.recall, replies.Ack),
    requests.Edit: Action("edit", messages.edit, replies.Ack),
    requests.React: Action("react", messages.react, replies.Ack),
    requests.StartStream: Action("start_stream", streams.start, replies.StreamStarted),
    requests.StreamChunk: Action("stream_chunk", streams.chunk, None),
    requests.EndStream: Action("end_stream", streams.end, replies.StreamEnded),
    requests.Read: Action("read", receipts.read, replies.ReadAck),
    requests.SubscribeGroup: Action("subscribe_group", sync.subscribe_group, replies.Subscribed),
    requests.Sync: Action("sync", sync.sync, replies.Synced),
    requests.Typing: Action("typing", presence.typing, replies.Ack),
    requests.Ping: Action("ping", presence.ping, replies.Pong),
    call_requests.CallStart: Action("call_start", calls.start, call_requests.CallStarted),
    call_requests.CallAnswer: Action("call_answer", calls.answer, call_requests.CallAnswered),
    call_requests.CallReject: Action("call_reject", calls.reject, call_requests.CallRejected),
    call_requests.CallEnd: Action("call_end", calls.end, call_requests.CallEnded),
    call_requests.WebrtcSignaling: Action("webrtc_signaling", calls.signal, replies.Ack),
}
