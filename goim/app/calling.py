"""Makes the service of calls."""

from __future__ import annotations

from goim.app.ground import Ground
from goim.services.calls import CallDesk
from goim.services.messages import Messages


def calls_of(ground: Ground, messages: Messages) -> CallDesk:
    """Calls; what came of one is a message."""
    stores, shared, rules = ground.stores, ground.shared, ground.settings.calls
    return CallDesk(
        shared.calls,
        stores.conversations,
        stores.users,
        ground.access,
        messages,
        ground.delivery,
        ground.notices,
        shared.sends,
        shared.elsewhere,
        ground.clock,
        enabled=ground.settings.webrtc.enabled,
        ring_timeout=rules.ring_timeout,
        reconnect_grace=rules.reconnect_grace,
    )
