"""sync, subscribe_group."""

from __future__ import annotations

from goim.actions.caller import Caller
from goim.protocol.replies import Reply, Subscribed, Synced, SyncedData
from goim.protocol.requests import SubscribeGroup, Sync
from goim.services.registry import Services


async def sync(services: Services, caller: Caller, request: Sync) -> Reply:
    """What the client has missed of the conversations it names."""
    convs = await services.history.sync(caller.user_id, request.data.convs, request.data.limit)
    return Synced(id=request.id, data=SyncedData(convs))


async def subscribe_group(services: Services, caller: Caller, request: SubscribeGroup) -> Reply:
    """Where a group stands; its messages come without asking."""
    state = await services.history.state_of_group(caller.user_id, request.data.group_id)
    return Subscribed(id=request.id, data=state)
