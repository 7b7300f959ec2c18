"""One side of a call with a real WebRTC stack (aiortc), which knows the other side only through goim."""

from __future__ import annotations

import asyncio
import contextlib
from array import array
from collections.abc import AsyncIterator
from itertools import cycle, islice
from typing import Any

from aiortc import (
    AudioStreamTrack,
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.rtcconfiguration import RTCBundlePolicy, RTCIceTransportPolicy
from aiortc.sdp import candidate_from_sdp
from av import AudioFrame

from tests.client import Device, Person

_PERIOD = [8000, 8000, 8000, 8000, -8000, -8000, -8000, -8000]  # a square wave: 1 kHz at 8000 samples a second
_LOUD = 1000
PATIENCE = 60.0


class Tone(AudioStreamTrack):
    """A microphone in front of a whistle."""

    async def recv(self) -> AudioFrame:
        frame = await super().recv()
        assert isinstance(frame, AudioFrame)
        frame.planes[0].update(array("h", islice(cycle(_PERIOD), frame.samples)).tobytes())
        return frame


class Peer:
    """Talks to the other side over `webrtc_signaling`: descriptions without candidates, then these one by one."""

    def __init__(self, device: Device, other: Person, ice_servers: list[dict[str, Any]], *, relay_only: bool) -> None:
        self._device = device
        self._other = other
        self._call_id = ""
        policy = RTCIceTransportPolicy.RELAY if relay_only else RTCIceTransportPolicy.ALL
        servers = [RTCIceServer(**server) for server in ice_servers]
        configuration = RTCConfiguration(servers, policy, RTCBundlePolicy.MAX_BUNDLE)
        self.connection = RTCPeerConnection(configuration)
        self.connection.addTrack(Tone())
        self.sent_candidates: list[str] = []
        self.lines: asyncio.Queue[str] = asyncio.Queue()
        self.channel: asyncio.Future[RTCDataChannel] = asyncio.get_running_loop().create_future()
        self._track: asyncio.Future[MediaStreamTrack] = asyncio.get_running_loop().create_future()
        self.connection.on("track", self._track.set_result)
        self.connection.on("datachannel", self._use)

    async def offer(self, call_id: str) -> None:
        """Say first what there is: sound, and a channel for text."""
        self._call_id = call_id
        self._use(self.connection.createDataChannel("text"))
        await self.connection.setLocalDescription(await self.connection.createOffer())
        await self._tell()

    async def listen(self, call_id: str) -> None:
        """Do what the other side's signals ask for, until cancelled."""
        self._call_id = call_id
        while True:
            signal = await self._device.push("webrtc_signaling")
            assert (signal["callId"], signal["from"]) == (call_id, self._other.user_id)
            if signal["type"] == "candidate":
                await self._add(signal["candidate"])
                continue
            await self.connection.setRemoteDescription(RTCSessionDescription(signal["sdp"], signal["type"]))
            if signal["type"] == "offer":
                await self.connection.setLocalDescription(await self.connection.createAnswer())
                await self._tell()

    async def hear(self, frames: int = 20) -> None:
        """Wait for so many frames of sound that is not silence."""
        async with asyncio.timeout(PATIENCE):
            track = await self._track
            while frames:
                frame = await track.recv()
                assert isinstance(frame, AudioFrame)
                frames -= max(array("h", bytes(frame.planes[0]))) > _LOUD

    async def _tell(self) -> None:
        description = self.connection.localDescription
        lines = description.sdp.split("\r\n")
        found = [line.removeprefix("a=") for line in lines if line.startswith("a=candidate:")]
        rest = [line for line in lines if not line.startswith(("a=candidate:", "a=end-of-candidates"))]
        await self._signal(type=description.type, sdp="\r\n".join(rest))
        for candidate in dict.fromkeys(found):  # one transport carries all: it stands under each media line
            self.sent_candidates.append(candidate)
            await self._signal(type="candidate", candidate={"candidate": candidate, "sdpMid": "0", "sdpMLineIndex": 0})
        await self._signal(type="candidate", candidate=None)

    async def _signal(self, **signal: Any) -> None:
        await self._device.ask("webrtc_signaling", {"callId": self._call_id, "to": self._other.user_id, **signal})

    async def _add(self, candidate: dict[str, Any] | None) -> None:
        parsed = None  # that was the last one
        if candidate is not None:
            parsed = candidate_from_sdp(candidate["candidate"].removeprefix("candidate:"))
            parsed.sdpMid, parsed.sdpMLineIndex = candidate["sdpMid"], candidate["sdpMLineIndex"]
        await self.connection.addIceCandidate(parsed)

    def _use(self, channel: RTCDataChannel) -> None:
        channel.on("message", self.lines.put_nowait)
        if channel.readyState == "open":
            self.channel.set_result(channel)
        else:
            channel.on("open", lambda: self.channel.set_result(channel))


@contextlib.asynccontextmanager
async def peer(device: Device, person: Person, other: Person, *, relay_only: bool = False) -> AsyncIterator[Peer]:
    """A side with the ICE servers that goim tells it; its connection is closed at the end."""
    servers = (await person.get("/api/webrtc/ice-servers"))["iceServers"]
    side = Peer(device, other, servers, relay_only=relay_only)
    try:
        yield side
    finally:
        await side.connection.close()
