"""What an administrator does on one node holds on the others at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from goim.bus.memory import MemoryBus, MemoryHub
from tests.client import Person, Refused
from tests.node import started_node


async def test_who_is_put_out_on_one_node_is_out_on_the_other(tmp_path: Path) -> None:
    hub = MemoryHub()
    async with (
        started_node(tmp_path, bus=MemoryBus(hub)) as (here, world),
        started_node(tmp_path, bus=MemoryBus(hub)) as (_, elsewhere),
    ):
        root = await world.person("root")
        await here.services.accounts.make_admin(root.user_id)
        assert (await Person(await elsewhere.http(), root.token).get("/api/admin/stats"))["users"]["admins"] == 1
        bob, cleo = await elsewhere.person("bob"), await elsewhere.person("cleo", deviceId="phone")
        bobs, cleos = await elsewhere.device(bob), await elsewhere.device(cleo)
        await root.post(f"/api/admin/users/{bob.user_id}/disable")
        assert await bobs.closed() == 4001
        with pytest.raises(Refused, match="UNAUTHORIZED"):
            await bob.get("/api/users/me")
        await root.delete(f"/api/admin/users/{cleo.user_id}/devices/phone")
        assert await cleos.closed() == 4010
        with pytest.raises(Refused, match="UNAUTHORIZED"):
            await cleo.get("/api/users/me")
        await here.services.accounts.make_admin(root.user_id, is_admin=False)
        with pytest.raises(Refused, match="FORBIDDEN"):
            await Person(await elsewhere.http(), root.token).get("/api/admin/stats")
