"""People do anything in any order, several things at once: what a device was told is always what it would fetch."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from structlog.testing import capture_logs

from goim.app.storage import Stores, open_stores
from goim.errors import GoimError
from goim.resp.link import Server
from tests.client import Envelope
from tests.e2e.acts import ACTS, Act, Change, Read, Send, World
from tests.e2e.neighbours import Ways, alone, two_at_a_slow_bus, two_over_redis
from tests.e2e.slow import Pace, slow_stores
from tests.e2e.truth import check, may_write
from tests.e2e.village import PATIENCE, Village
from tests.fake_clock import FakeClock
from tests.node import node_settings
from tests.redis_server import empty_database

NAMES = ("ann", "bob", "cat", "dan")
LONGER = int(os.environ.get("GOIM_TEST_LONGER", "0"))
"""So many times as much, and differently each time: for looking for faults by hand."""
SECRET = "a secret that is long enough for everybody in the village"
OWN_PUSH = {"send": "message", "recall": "recalled", "edit": "edited", "react": "reaction", "read": "read"}


class Machine(RuleBasedStateMachine):
    """After every rule everything is quiet, and what must hold then is looked at."""

    def __init__(self, runner: asyncio.Runner, open_village: Callable[[], Village]) -> None:
        super().__init__()
        self.runner = runner
        self.village = open_village()
        self.world = World(self.village)
        self.turns = random.Random(0)

    def run(self, work: Coroutine[Any, Any, Any]) -> None:
        self.runner.run(work)

    @initialize(seed=st.integers(0, 1000), limit=st.sampled_from([200, 1, 3]))
    def begin(self, seed: int, limit: int) -> None:
        """The second devices of two have never been connected; everybody who may has said something."""
        self.turns = self.village.pace.dice = random.Random(seed)
        self.village.sync_limit = limit
        self.run(self._begin())

    async def _begin(self) -> None:
        await self.village.start()
        await self.village.settle_in()
        for phone in self.village.phones[:6]:
            await phone.connect(self.village.node)
        await self._together([Send(device, place) for device in range(6) for place in range(2, 7)])

    @rule(acts=st.lists(ACTS, min_size=2, max_size=12))
    def together(self, acts: list[Act]) -> None:
        """One thing is begun before the other has ended."""
        self.run(self._together(acts))

    @rule(acts=st.lists(ACTS, min_size=2, max_size=12))
    def at_once(self, acts: list[Act]) -> None:
        """All is begun in one turn of the loop."""
        self.run(self._together(acts, turns=1))

    async def _together(self, acts: list[Act], turns: int = 6) -> None:
        for act in acts:
            act.start(self.world)
            for _ in range(self.turns.randrange(turns)):
                await asyncio.sleep(0)  # noqa: TID251 some of it happens
        await self.village.settle()

    @rule()
    def ask_who_may_write(self) -> None:
        """With nothing else going on it is known who may."""
        self.run(self._ask_who_may_write())

    async def _ask_who_may_write(self) -> None:
        for phone in [phone for phone in self.village.phones if phone.is_live]:
            for place in self.village.places:
                async with asyncio.timeout(PATIENCE):
                    answer = await phone.ask("typing", {"convId": place.conv_id, "typing": False})
                is_expected = await may_write(self.village, phone.user_id, place)
                assert (answer["action"] == "ack") == is_expected, (phone.name, place, answer)
        await self.village.settle()

    @rule(act=st.one_of(ACTS.filter(lambda act: isinstance(act, Send | Change | Read))))
    def act_alone(self, act: Send | Change | Read) -> None:
        """Who acts gets the reply and not the push of its own act; what burns is nobody's act."""
        phone = self.world.phone(act.device)
        if phone is None:
            return
        pushes: list[Envelope] = []
        phone.listeners.append(pushes.append)
        self.run(self._together([act]))
        phone.listeners.remove(pushes.append)
        action = {Send: "send", Read: "read"}.get(type(act)) or getattr(act, "action", "")
        own = [push for push in pushes if push["action"] == OWN_PUSH[str(action)]]
        assert [push for push in own if push["data"].get("reason") != "burned"] == []

    @rule(somebody=st.integers(0, 3), place=st.integers(0, 9))
    def delete(self, somebody: int, place: int) -> None:
        """Alone: the push does not say up to where, so a message of the same moment might be deleted or not."""
        self.run(self._delete(self.village.user_ids[somebody], place))

    async def _delete(self, user_id: str, place: int) -> None:
        conv_id = self.world.place(place, user_id).conv_id
        last_seqs = await self.village.stores.messages.last_seqs([conv_id])
        if await self.village.work(self.village.node.services.conversations.delete(user_id, conv_id)) is None:
            self.village.deleted[user_id, conv_id] = last_seqs.get(conv_id, 0)
        await self.village.settle()

    @rule(is_founded=st.booleans(), group=st.integers(0, 1))
    def found_or_disband(self, is_founded: bool, group: int) -> None:
        """Alone: whoever names a place meanwhile would not know whether there is one."""
        groups = [place for place in self.village.places if not place.people]
        if is_founded and len(groups) < 2:
            assert self.alone(self.village.found(*self.village.user_ids[:2])) is None
        elif not is_founded and len(groups) == 2:
            self.alone(self.village.end(groups[group], self.village.user_ids[0]))  # who may have left it meanwhile

    def alone(self, work: Coroutine[Any, Any, Any]) -> GoimError | None:
        """Do it while nothing else goes on, and say why it was refused."""
        return self.runner.run(self._alone(work))

    async def _alone(self, work: Coroutine[Any, Any, Any]) -> GoimError | None:
        refusal = await self.village.work(work)
        await self.village.settle()
        return refusal

    @rule(seconds=st.sampled_from([1, 40, 400]), acts=st.lists(ACTS, max_size=2))
    def wait(self, seconds: int, acts: list[Act]) -> None:
        """Time passes while something goes on."""
        self.run(self._wait(seconds, acts))

    async def _wait(self, seconds: int, acts: list[Act]) -> None:
        for act in acts:
            act.start(self.world)
        self.village.clock.advance(seconds)
        await self.village.settle()

    @rule(acts=st.lists(ACTS, max_size=3))
    def restart(self, acts: list[Act]) -> None:
        """The node ends properly, with something under way; a new one knows only what is stored."""
        self.run(self._restart(acts))

    async def _restart(self, acts: list[Act]) -> None:
        live = [phone for phone in self.village.phones if phone.is_live]
        for act in acts:
            act.start(self.world)
        await self.village.stop()
        await self.village.start()
        for phone in live:
            await phone.connect(self.village.node)
        await self.village.settle()

    @invariant()
    def everybody_knows_what_is_so(self) -> None:
        if self.village.places:
            self.run(check(self.village))

    def teardown(self) -> None:
        if self.village.places:
            self.run(self.village.stop())


def play(
    runner: asyncio.Runner,
    stores: Callable[[Pace], Stores],
    folder: Path,
    *,
    examples: int,
    steps: int,
    ways: Ways = alone,
    **sections: Any,
) -> None:
    """Let the machine run; the same in every run of the tests."""
    config = node_settings(folder, auth={"jwt_secret": SECRET}, **sections)
    numbers = itertools.count(1000)

    def open_village() -> Village:
        pace, number = Pace(), next(numbers)
        return Village(config, stores(pace), FakeClock(), tuple(f"{name}{number}" for name in NAMES), pace, ways)

    with capture_logs():  # printing them takes longer than everything else
        run_state_machine_as_test(
            lambda: Machine(runner, open_village),  # type: ignore[arg-type]  # hypothesis takes any factory
            settings=settings(
                max_examples=examples * (LONGER or 1),
                stateful_step_count=steps,
                derandomize=not LONGER,
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.generate] if LONGER else list(Phase),
            ),
        )


@pytest.mark.timeout(300 * (LONGER or 1))  # it takes seconds, unless there is something to find and to shrink
def test_what_devices_were_told_is_what_they_would_fetch(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        play(runner, slow_stores, tmp_path, examples=60, steps=25)


@pytest.mark.timeout(300 * (LONGER or 1))
def test_so_it_is_over_sqlite(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        opened = open_stores(node_settings(tmp_path))
        stores = runner.run(opened.__aenter__())
        try:
            play(runner, lambda _: stores, tmp_path, examples=6, steps=15)
        finally:
            runner.run(opened.__aexit__(None, None, None))


@pytest.mark.timeout(300 * (LONGER or 1))
def test_so_it_is_on_two_nodes(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        play(runner, slow_stores, tmp_path, examples=32, steps=20, ways=two_at_a_slow_bus)


@pytest.mark.timeout(300 * (LONGER or 1))
def test_so_it_is_on_two_nodes_over_redis(tmp_path: Path, redis_server: Server) -> None:
    with asyncio.Runner() as runner:
        login = runner.run(empty_database(redis_server))
        redis = {"addr": f"{redis_server.host}:{redis_server.port}", "db": login.db}
        play(runner, slow_stores, tmp_path, examples=14, steps=15, ways=two_over_redis, redis=redis)
