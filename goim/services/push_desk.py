"""Registers devices that want to hear of messages while they are not connected."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from msgspec import UNSET, Struct, UnsetType

from goim.clock import Clock
from goim.errors import ErrorCode, GoimError, invalid, not_found
from goim.model.push import MAX_ADDRESS, MAX_DEVICES, PushDevice, PushKind
from goim.model.users import Login
from goim.model.web_push import check_keys
from goim.stores.base_push import PushDevices

MAX_DEVICE_ID = 64
MAX_PROVIDER = 32


class PushKeys(Struct, frozen=True):
    """The public keys of a browser's subscription, in base64url."""

    p256dh: str
    auth: str

    def __repr__(self) -> str:
        return "PushKeys(…)"


class Registration(Struct, frozen=True, kw_only=True, rename="camel"):
    """What a device says of itself."""

    type: PushKind
    device_id: str | None = None
    endpoint: str | None = None
    keys: PushKeys | None = None
    token: str | None = None
    provider: str = ""

    def __repr__(self) -> str:
        return f"Registration(type={self.type.value!r}, …)"


class PushView(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A registered device as its owner sees it."""

    device_id: str
    type: PushKind
    provider: str | UnsetType = UNSET
    created_at: int


class PushDesk:
    """One's own devices only. `public_key` is what browsers need to subscribe; empty: there is no Web Push here."""

    def __init__(
        self,
        devices: PushDevices,
        clock: Clock,
        *,
        public_key: str,
        has_provider: bool,
        may_be_plain: Callable[[str], bool],
    ) -> None:
        self._devices = devices
        self._clock = clock
        self._public_key = public_key
        self._has_provider = has_provider
        self._may_be_plain = may_be_plain

    def public_key(self) -> str:
        """The `applicationServerKey` for browsers."""
        self._check_served(PushKind.WEBPUSH)
        return self._public_key

    async def register(self, login: Login, wanted: Registration) -> PushView:
        """Take a device, instead of what it registered before; it is good until its session ends."""
        self._check_served(wanted.type)
        address = self._endpoint(wanted) if wanted.type is PushKind.WEBPUSH else _token(wanted)
        keys = wanted.keys if wanted.type is PushKind.WEBPUSH else None
        if len(wanted.provider) > MAX_PROVIDER:
            raise invalid(f"provider has at most {MAX_PROVIDER} characters")
        device = PushDevice(
            user_id=login.user_id,
            device_id=_device_id(login, wanted.device_id),
            session_id=login.session_id,
            kind=wanted.type,
            address=address,
            p256dh=keys.p256dh if keys is not None else "",
            auth=keys.auth if keys is not None else "",
            provider="" if keys is not None else wanted.provider,
            created_at=self._clock.now_ms(),
        )
        if not await self._devices.put(device, MAX_DEVICES):
            raise invalid(f"at most {MAX_DEVICES} devices of one account")
        return _view(device)

    async def mine(self, login: Login) -> list[PushView]:
        """My registered devices."""
        return [_view(device) for device in await self._devices.of_users([login.user_id], self._clock.now_ms())]

    async def remove(self, login: Login, device_id: str) -> None:
        """Forget a device of mine."""
        if not await self._devices.remove(login.user_id, device_id):
            raise not_found("device")

    async def erase(self, user_id: str) -> None:
        """An account ends."""
        await self._devices.erase(user_id)

    def _check_served(self, kind: PushKind) -> None:
        if not (self._public_key if kind is PushKind.WEBPUSH else self._has_provider):
            raise GoimError(ErrorCode.UNSUPPORTED, f"this server sends no pushes of type {kind.value}")

    def _endpoint(self, wanted: Registration) -> str:
        """The endpoint of a push service. Where it leads to is looked at whenever something is sent there."""
        if wanted.endpoint is None or wanted.keys is None:
            raise invalid("a webpush device says endpoint and keys")
        try:
            parts = urlsplit(wanted.endpoint)
            host, _ = parts.hostname or "", parts.port
            check_keys(wanted.keys.p256dh, wanted.keys.auth)
        except ValueError as error:
            raise invalid(str(error)) from None
        is_plain = parts.scheme == "http" and self._may_be_plain(host)
        is_right = (parts.scheme == "https" or is_plain) and host and "@" not in parts.netloc and not parts.fragment
        if not is_right or len(wanted.endpoint) > MAX_ADDRESS or not wanted.endpoint.isascii():
            raise invalid("endpoint is the https URL of a push service")
        if not wanted.endpoint.isprintable() or " " in wanted.endpoint:
            raise invalid("endpoint is the https URL of a push service")
        return wanted.endpoint


def _token(wanted: Registration) -> str:
    if not wanted.token or len(wanted.token) > MAX_ADDRESS:
        raise invalid(f"a token has 1 to {MAX_ADDRESS} characters")
    return wanted.token


def _device_id(login: Login, wanted: str | None) -> str:
    """A session made for a device registers that one; another session says which."""
    if login.device_id is not None:
        if wanted not in (None, login.device_id):
            raise invalid("this session belongs to another device")
        return login.device_id
    if wanted is None or not 0 < len(wanted) <= MAX_DEVICE_ID:
        raise invalid(f"deviceId has 1 to {MAX_DEVICE_ID} characters")
    return wanted


def _view(device: PushDevice) -> PushView:
    return PushView(
        device_id=device.device_id,
        type=device.kind,
        provider=device.provider or UNSET,
        created_at=device.created_at,
    )
