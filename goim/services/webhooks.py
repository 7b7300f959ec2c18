"""Webhooks: what each of your servers wants to know, as signed requests to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Raw, Struct

from goim.clock import Clock
from goim.config.hooks import Endpoint
from goim.ids import new_id
from goim.metrics import Metrics
from goim.model.hooks import Event, event_body, signed_headers
from goim.model.messages import Message
from goim.outbound.base import Answer, Poster, Unreachable
from goim.protocol.frames import encode_json
from goim.services.courier import Failure
from goim.services.event_feed import Told
from goim.stores.base_outbox import Parcel

SENT = "message.sent"


class Webhooks:
    """Packs events for the endpoints that want them, and delivers them."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        keys: Mapping[str, Sequence[bytes]],
        poster: Poster,
        clock: Clock,
        metrics: Metrics,
        *,
        timeout: float,
    ) -> None:
        self.endpoints = {endpoint.name: endpoint for endpoint in endpoints}
        self._keys = keys
        self._poster = poster
        self._clock = clock
        self._metrics = metrics
        self._timeout = timeout
        self.is_full: Callable[[str], bool] = lambda _: False

    # packing

    async def of_messages(self, messages: Sequence[Told]) -> list[Parcel]:
        """A parcel for each message and each endpoint that wants messages."""
        if not any(each.wants(SENT) for each in self.endpoints.values()):
            return []
        return [parcel for _, message in messages for parcel in self._pack(_sent(message))]

    async def of_event(self, event: Event) -> list[Parcel]:
        """A parcel for each endpoint that wants the event."""
        return self._pack(event)

    def _pack(self, event: Event) -> list[Parcel]:
        now = self._clock.now_ms()
        body = encode_json(event_body(event)).decode()
        parcels = []
        for endpoint in self.endpoints.values():
            if not endpoint.wants(event.type):
                continue
            if self.is_full(endpoint.name):
                self._metrics.hooks_dropped[endpoint.name] += 1
                continue
            parcels.append(Parcel(event.event_id, endpoint.name, "", event.type, body, now, now))
        return parcels

    # delivering

    async def deliver(self, parcel: Parcel) -> Failure | None:
        """One request: delivered is what is answered with 2xx."""
        try:
            answer = await self.post(self.endpoints[parcel.lane], parcel.event_id, parcel.body.encode())
        except Unreachable as error:
            return Failure(str(error))
        return None if answer.is_ok else Failure(f"answered {answer.status}", answer.retry_after)

    async def test(self, name: str) -> Answer:
        """Send an event that says nothing, at once."""
        event = Event(f"test_{new_id()}", "endpoint.test", self._clock.now_ms(), Raw(encode_json(_Greeting(name))))
        return await self.post(self.endpoints[name], event.event_id, encode_json(event_body(event)))

    async def post(self, endpoint: Endpoint, event_id: str, body: bytes) -> Answer:
        """A signed request; `Unreachable` if there is no answer."""
        keys = keys_of(self._keys, endpoint.name)
        headers = signed_headers(keys, event_id, self._clock.now_ms(), body)
        return await self._poster.post(
            endpoint.url, headers | {"content-type": "application/json"}, body, within=self._timeout
        )


class _Greeting(Struct, frozen=True):
    endpoint: str


def keys_of(keys: Mapping[str, Sequence[bytes]], name: str) -> Sequence[bytes]:
    """The keys of a receiver: its own, else those of all."""
    return keys.get(name) or keys.get("", ())


def _sent(message: Message) -> Event:
    return Event(f"sent_{message.server_msg_id}", SENT, message.timestamp, Raw(encode_json(message)))
