"""Brings notifications to devices: encrypted to browsers' push services, or signed to a provider of the operator's."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import UNSET, Raw, Struct, UnsetType

from goim.clock import Clock
from goim.lru import Recent
from goim.model.hooks import Event, event_body, signed_headers
from goim.model.push import PushDevice
from goim.model.web_push import encode_url, encrypt, vapid
from goim.outbound.base import Answer, Poster, Unreachable
from goim.protocol.frames import encode_json
from goim.services.courier import Failure
from goim.stores.base_outbox import Parcel
from goim.stores.base_push import PushDevices

GONE = (404, 410)
_TOO_LARGE = 413
_VAPID_MS = 6 * 3_600_000
_ORIGINS = 1_000
_TROUBLE = 3
_PAUSE_SECONDS = 30.0


class _Place(Struct, rename="camel"):
    conv_id: str
    seq: int
    mention: bool = False


Stands = Callable[[str, str, int], Awaitable[bool]]
"""Whether somebody (user_id, conv_id, seq) may still read a message."""


class _Pushed(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What a provider is told."""

    user_id: str
    device_id: str
    token: str
    notification: Raw
    provider: str | UnsetType = UNSET


_decode_place = msgspec.json.Decoder(_Place).decode


class _Sender:
    """What both ways have in common: the device as it is now, and forgetting one that is gone."""

    def __init__(self, devices: PushDevices, stands: Stands, poster: Poster, clock: Clock, *, timeout: float) -> None:
        self._devices = devices
        self._stands = stands
        self._poster = poster
        self._clock = clock
        self._timeout = timeout

    async def deliver(self, parcel: Parcel) -> Failure | None:
        """One push; a device that has logged out or is gone is sent nothing more, nor what was taken back meanwhile."""
        user_id, _, device_id = parcel.target.partition("/")
        device = await self._devices.get(user_id, device_id, self._clock.now_ms())
        if device is None:
            return Failure("the device is not registered any more", is_final=True)
        place = _decode_place(parcel.body)
        if not await self._stands(user_id, place.conv_id, place.seq):
            return Failure("the message is not to be read any more", is_final=True)
        try:
            answer = await self._send(device, parcel)
        except Unreachable as error:
            return Failure(str(error))
        if answer.status in GONE:
            await self._devices.remove(user_id, device_id, device.address)
        if answer.is_ok:
            return None
        return Failure(f"answered {answer.status}", answer.retry_after, answer.status in (*GONE, _TOO_LARGE))

    async def _send(self, device: PushDevice, parcel: Parcel) -> Answer:
        raise NotImplementedError


class WebPushSender(_Sender):
    """To the push services of browsers, each of which is known by an URL that a client named."""

    def __init__(
        self,
        devices: PushDevices,
        stands: Stands,
        poster: Poster,
        clock: Clock,
        key: ec.EllipticCurvePrivateKey,
        subject: str,
        *,
        timeout: float,
        ttl: float,
    ) -> None:
        super().__init__(devices, stands, poster, clock, timeout=timeout)
        self._key = key
        self._subject = subject
        self._ttl = ttl
        self._vapids: Recent[str, tuple[int, str]] = Recent(_ORIGINS)
        self._troubles: Recent[str, tuple[int, float]] = Recent(_ORIGINS)

    async def _send(self, device: PushDevice, parcel: Parcel) -> Answer:
        """A later push of the same conversation replaces one that waits at the push service (`Topic`)."""
        place = _decode_place(parcel.body)
        age = (self._clock.now_ms() - parcel.made_at) / 1000
        headers = {
            "authorization": self._vapid(device.address),
            "content-encoding": "aes128gcm",
            "content-type": "application/octet-stream",
            "ttl": str(max(0, int(self._ttl - age))),
            "topic": encode_url(hashlib.sha256(place.conv_id.encode()).digest()[:24]),
            "urgency": "high" if place.mention else "normal",
        }
        body = encrypt(parcel.body.encode(), device.p256dh, device.auth)
        return await self._post(device.address, headers, body)

    async def _post(self, endpoint: str, headers: dict[str, str], body: bytes) -> Answer:
        """One that does not answer, as anybody may name one, must not take the places of all the others."""
        origin, now = _origin(endpoint), self._clock.monotonic()
        failures, asked_again_at = self._troubles.get(origin) or (0, 0.0)
        if failures >= _TROUBLE and now < asked_again_at:
            raise Unreachable("its push service did not answer lately")
        self._troubles.put(origin, (failures, now + _PAUSE_SECONDS))  # one asks, the others wait what becomes of it
        try:
            answer = await self._poster.post(endpoint, headers, body, within=self._timeout)
        except Unreachable:
            failures, _ = self._troubles.get(origin) or (0, 0.0)
            self._troubles.put(origin, (failures + 1, self._clock.monotonic() + _PAUSE_SECONDS))
            raise
        self._troubles.drop(origin)
        return answer

    def _vapid(self, endpoint: str) -> str:
        """Signed once for each push service in six hours: it is the same for all who are reached there."""
        origin, now = _origin(endpoint), self._clock.now_ms()
        made_at, header = self._vapids.get(origin) or (-_VAPID_MS, "")
        if now - made_at >= _VAPID_MS:
            header = vapid(self._key, origin, self._subject, now)
            self._vapids.put(origin, (now, header))
        return header


def _origin(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    return f"{parts.scheme}://{parts.netloc}"


class ProviderSender(_Sender):
    """To a server of the operator's, which knows how to reach the token of an app."""

    def __init__(
        self,
        devices: PushDevices,
        stands: Stands,
        poster: Poster,
        clock: Clock,
        url: str,
        keys: Sequence[bytes],
        *,
        timeout: float,
    ) -> None:
        super().__init__(devices, stands, poster, clock, timeout=timeout)
        self._url = url
        self._keys = keys

    async def _send(self, device: PushDevice, parcel: Parcel) -> Answer:
        told = _Pushed(
            device.user_id,
            device.device_id,
            device.address,
            Raw(parcel.body.encode()),
            device.provider or UNSET,
        )
        event_id = f"{parcel.event_id}_{hashlib.sha256(parcel.target.encode()).hexdigest()[:16]}"
        body = encode_json(event_body(Event(event_id, "push", parcel.made_at, Raw(encode_json(told)))))
        headers = signed_headers(self._keys, event_id, self._clock.now_ms(), body)
        return await self._poster.post(
            self._url, headers | {"content-type": "application/json"}, body, within=self._timeout
        )
