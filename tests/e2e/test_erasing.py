"""Who is erased while they are connected: nothing stays of what they say and do meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from goim.app.node import Node
from tests.cli.conftest import Goimctl
from tests.client import PASSWORD, Device, Person, Refused, World
from tests.node import started_node

Erase = Callable[[Node, World, Path, Person], Awaitable[object]]


async def by_themselves(_: Node, __: World, ___: Path, bob: Person) -> None:
    await bob.delete("/api/users/me", {"password": PASSWORD})


async def by_an_administrator(node: Node, world: World, _: Path, bob: Person) -> None:
    root = await world.person("root")
    await node.services.accounts.make_admin(root.user_id)
    await root.delete(f"/api/admin/users/{bob.user_id}")


async def by_goimctl(_: Node, __: World, folder: Path, bob: Person) -> None:
    await Goimctl(folder).meanwhile("users", "erase", bob.user_id, "--yes")


async def talk(device: Device, bob: Person, ann: Person, is_talking: asyncio.Event) -> None:
    """Say one thing after the other for as long as one may."""
    with contextlib.suppress(ConnectionClosed, Refused):
        while True:
            await device.ask("send", bob.text(ann, "and another thing"))
            is_talking.set()


@pytest.mark.parametrize("erase", [by_themselves, by_an_administrator, by_goimctl])
async def test_nothing_stays_of_what_is_said_and_done_while_one_is_erased(tmp_path: Path, erase: Erase) -> None:
    async with started_node(tmp_path / "data") as (node, world):
        ann, bob = await world.friends("ann", "bob")
        phone, laptop, ann1 = (
            await world.device(bob, "phone"),
            await world.device(bob, "laptop"),
            await world.device(ann),
        )
        call = await phone.ask("call_start", {"to": ann.user_id, "type": "audio"})
        await ann1.ask("call_answer", {"callId": call["callId"]})
        is_talking = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            talking = tasks.create_task(talk(laptop, bob, ann, is_talking))
            await is_talking.wait()
            await erase(node, world, tmp_path, bob)
            assert await laptop.closed() == await phone.closed() == 4001
            talking.cancel()
        assert (await ann1.push("call_ended"))["reason"] == "not_allowed"
    async with started_node(tmp_path / "data") as (_, world):  # the first one has written everything
        again = await world.log_in(type(ann)(await world.http(), username=ann.username))
        (line,) = (await again.get("/api/conversations"))["conversations"]
        history = await again.get("/api/messages/history", convId=line["convId"], limit=200)
        assert [message for message in history["messages"] if not message["recalled"]] == []
        assert line["lastSeq"] > 0
