"""What the two sides of a call need to find each other: STUN, and TURN with a password that is soon worth nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac

from msgspec import UNSET, Struct, UnsetType

from goim.clock import Clock
from goim.config.settings import Webrtc
from goim.errors import ErrorCode, GoimError

CREDENTIAL_SECONDS = 3600


class IceServer(Struct, frozen=True, omit_defaults=True):
    """An entry for `RTCPeerConnection`."""

    urls: list[str]
    username: str | UnsetType = UNSET
    credential: str | UnsetType = UNSET


class IceServers:
    """Tells clients the configured servers. The TURN server checks the password by itself: both know the secret."""

    def __init__(self, settings: Webrtc, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    def of(self, user_id: str) -> list[IceServer]:
        """The servers for one user, for the next hour; `WEBRTC_DISABLED` when there are no calls."""
        settings = self._settings
        if not settings.enabled:
            raise GoimError(ErrorCode.WEBRTC_DISABLED, "there are no calls on this server")
        servers = []
        if settings.stun_servers:
            servers.append(IceServer(list(settings.stun_servers)))
        if settings.turn_servers:
            servers.append(self._turn(user_id))
        return servers

    def _turn(self, user_id: str) -> IceServer:
        settings, urls = self._settings, list(self._settings.turn_servers)
        if settings.turn_secret:
            expires = self._clock.now_ms() // 1000 + CREDENTIAL_SECONDS
            return IceServer(urls, *turn_credentials(settings.turn_secret.get_secret_value(), user_id, expires))
        if settings.turn_user:
            return IceServer(urls, settings.turn_user, settings.turn_pass.get_secret_value())
        return IceServer(urls)


def turn_credentials(secret: str, user_id: str, expires: int) -> tuple[str, str]:
    """(username, password) that a TURN server with the same secret accepts until `expires` (unix seconds).

    The "TURN REST API" of coturn and others (draft-uberti-behave-turn-rest-00 §2.2); SHA-1 is what it prescribes.
    """
    username = f"{expires}:{user_id}"
    mac = hmac.digest(secret.encode(), username.encode(), hashlib.sha1)
    return username, base64.b64encode(mac).decode()
