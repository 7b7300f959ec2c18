"""Puts together what brings notifications to devices that are not connected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cryptography.hazmat.primitives.asymmetric import ec

from goim.app.storage import Stores
from goim.clock import Clock
from goim.config import Settings
from goim.config.secret import make_secret_file
from goim.errors import ConfigError
from goim.metrics import Metrics
from goim.model.push import PushKind
from goim.model.web_push import new_private_key, private_key, public_text
from goim.outbound.base import Poster
from goim.outbound.guard import Guard
from goim.services.courier import Lane
from goim.services.presence import PresenceBook
from goim.services.push_desk import PushDesk
from goim.services.push_feed import LANES, PushFeed
from goim.services.push_sender import ProviderSender, Stands, WebPushSender
from goim.services.webhooks import keys_of

_FILE = "vapid_key"
_BROWSERS_AT_ONCE = 100


def vapid_key(settings: Settings) -> ec.EllipticCurvePrivateKey:
    """The configured key; on the embedded default else one of our own, kept in the data folder."""
    text = settings.push.vapid_private_key.get_secret_value()
    where = "push.vapid_private_key"
    if not text:
        if not settings.is_embedded:
            raise ConfigError(f"{where} is empty", hint="make one: goimctl hooks vapid")
        where, text = _kept_key(settings)
    try:
        return private_key(text)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def _kept_key(settings: Settings) -> tuple[str, str]:
    path = settings.server.data_dir / _FILE
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            make_secret_file(path, new_private_key())
        return str(path), path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be made or read: {error}") from error


def push_desk_of(settings: Settings, stores: Stores, clock: Clock) -> PushDesk:
    """Where devices register; without pushes it says that there are none."""
    push = settings.push
    return PushDesk(
        stores.push_devices,
        clock,
        public_key=public_text(vapid_key(settings)) if push.web_push else "",
        has_provider=bool(push.provider),
        may_be_plain=Guard(push.allow_private).names,
    )


def push_feed_of(
    settings: Settings, stores: Stores, presence: PresenceBook, clock: Clock, metrics: Metrics
) -> PushFeed | None:
    """What finds the devices that are to hear of a message, if there are pushes."""
    push = settings.push
    kinds = [PushKind.WEBPUSH] if push.web_push else []
    kinds += [PushKind.HTTP] if push.provider else []
    if not kinds:
        return None
    return PushFeed(
        stores.push_devices,
        presence,
        stores.users,
        stores.groups,
        clock,
        metrics,
        kinds=kinds,
        show_content=push.show_content,
        group_limit=push.group_limit,
    )


def push_lanes(
    settings: Settings,
    stores: Stores,
    stands: Stands,
    keys: Mapping[str, Sequence[bytes]],
    ours: Poster,
    theirs: Poster,
    clock: Clock,
) -> list[Lane]:
    """The lanes of pushes: `ours` reaches the operator's provider, `theirs` what clients have named."""
    push, timeout, devices = settings.push, settings.hooks.timeout, stores.push_devices
    lanes, expires_ms = [], int(push.ttl * 1000)
    if push.web_push:
        key = vapid_key(settings)
        browsers = WebPushSender(devices, stands, theirs, clock, key, push.vapid_subject, timeout=timeout, ttl=push.ttl)
        name = LANES[PushKind.WEBPUSH]
        lanes.append(Lane(name, browsers.deliver, concurrency=_BROWSERS_AT_ONCE, is_one=False, expires_ms=expires_ms))
    if push.provider:
        provider = ProviderSender(devices, stands, ours, clock, push.provider, keys_of(keys, "push"), timeout=timeout)
        name = LANES[PushKind.HTTP]
        lanes.append(Lane(name, provider.deliver, concurrency=settings.hooks.concurrency, expires_ms=expires_ms))
    return lanes
