"""Every action there is, and the function that does it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from goim.actions import calls, messages, presence, receipts, streams, sync
from goim.protocol import calls as call_requests
from goim.protocol import requests
from goim.protocol.replies import Reply

Act = Callable[..., Coroutine[Any, Any, Reply | None] | None]


class Action(NamedTuple):
    """A name on the wire and what does it: a plain function answers by itself, a coroutine's result is the reply."""

    name: str
    act: Act


ACTIONS: dict[type, Action] = {
    requests.Send: Action("send", messages.send),
    requests.Recall: Action("recall", messages.recall),
    requests.Edit: Action("edit", messages.edit),
    requests.React: Action("react", messages.react),
    requests.StartStream: Action("start_stream", streams.start),
    requests.StreamChunk: Action("stream_chunk", streams.chunk),
    requests.EndStream: Action("end_stream", streams.end),
    requests.Read: Action("read", receipts.read),
    requests.SubscribeGroup: Action("subscribe_group", sync.subscribe_group),
    requests.Sync: Action("sync", sync.sync),
    requests.Typing: Action("typing", presence.typing),
    requests.Ping: Action("ping", presence.ping),
    call_requests.CallStart: Action("call_start", calls.start),
    call_requests.CallAnswer: Action("call_answer", calls.answer),
    call_requests.CallReject: Action("call_reject", calls.reject),
    call_requests.CallEnd: Action("call_end", calls.end),
    call_requests.WebrtcSignaling: Action("webrtc_signaling", calls.signal),
}
