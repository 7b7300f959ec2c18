"""A node's accounts, sessions, devices and friends over the stores in memory, and people who come in."""

from __future__ import annotations

import contextlib
import json
import types
from collections import Counter
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any, TypeVar, cast

import pytest

from goim.bus.memory import MemoryBus, MemoryHub
from goim.delivery import Delivery
from goim.elsewhere.base import Nobody
from goim.errors import ErrorCode, GoimError
from goim.metrics import Metrics
from goim.model.users import Login
from goim.notices import Notices
from goim.protocol.close_codes import CloseCode
from goim.protocol.frames import Frame, body_of
from goim.ratelimit.memory import MemorySharedLimiter
from goim.services.access import AccessBook
from goim.services.accounts import Accounts, Credentials
from goim.services.devices import DeviceBook
from goim.services.file_grants import FileGrants
from goim.services.friends import FriendBook
from goim.services.passwords import Passwords
from goim.services.sessions import SessionDesk, Tokens
from goim.stores.memory_accounts import MemorySessions, MemoryUsers
from goim.stores.memory_conversations import MemoryConversations
from goim.stores.memory_data import MemoryData
from goim.stores.memory_files import MemoryGrants
from goim.stores.memory_friends import MemoryBlocks, MemoryFriends
from goim.stores.memory_groups import MemoryGroups, MemoryMembers
from tests.fake_clock import FakeClock

T = TypeVar("T")
SECRET = "a secret of thirty-two characters"
PASSWORD = "correct horse"
HERE = "192.0.2.7"


class Socket:
    """A live connection that keeps what it is sent."""

    transport_name = "websocket"
    queued_bytes = 0

    def __init__(self, login: Login, device_id: str, connected_at: int) -> None:
        self.user_id = login.user_id
        self.session_id = login.session_id
        self.token_ends = login.token_ends
        self.device_id = device_id
        self.connected_at = connected_at
        self.pushes: list[dict[str, Any]] = []
        self.closed: CloseCode | None = None

    def send(self, frame: Frame) -> None:
        self.pushes.append(json.loads(body_of(frame)))

    def close(self, code: CloseCode) -> None:
        self.closed = code

    def take(self) -> list[tuple[str, dict[str, Any]]]:
        """(action, data) of what came since the last time."""
        taken, self.pushes = self.pushes, []
        return [(push["action"], push["data"]) for push in taken]


@types.coroutine
def others_first() -> Generator[None, None, None]:
    """Let every other task run, as a real database would."""
    yield


class Watched:
    """A store that takes its time, whose calls are counted, and that may have something happen to them."""

    def __init__(self, store: object) -> None:
        self._store = store
        self.calls: Counter[str] = Counter()
        self.after: dict[str, Callable[[], None]] = {}
        self.fails: dict[str, Exception] = {}

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        async def watched(*args: Any) -> Any:
            self.calls[name] += 1
            await others_first()
            if name in self.fails:
                raise self.fails[name]
            answer = await method(*args)
            if name in self.after:
                self.after.pop(name)()
            return answer

        return watched


class Reception:
    """One node. Several on the same `hub` and `data` are nodes of one installation."""

    def __init__(self, data: MemoryData, hub: MemoryHub, clock: FakeClock, passwords: Passwords) -> None:
        self.clock = clock
        self.passwords = passwords
        self.stores = {
            "users": Watched(MemoryUsers(data)),
            "sessions": Watched(MemorySessions(data)),
            "friends": Watched(MemoryFriends(data)),
            "blocks": Watched(MemoryBlocks(data)),
        }
        users, sessions = cast(MemoryUsers, self.stores["users"]), cast(MemorySessions, self.stores["sessions"])
        friends, blocks = cast(MemoryFriends, self.stores["friends"]), cast(MemoryBlocks, self.stores["blocks"])
        bus = MemoryBus(hub)
        self.notices = Notices(bus)
        self.delivery = Delivery(bus, self.notices, Metrics())
        self.access = AccessBook(
            MemoryConversations(data), friends, blocks, MemoryGroups(data), MemoryMembers(data), self.notices, clock
        )
        self.desk = SessionDesk(
            sessions,
            users,
            self.delivery,
            self.notices,
            clock,
            secrets=[SECRET],
            token_ttl=3600,
            refresh_ttl=86400,
        )
        self.devices = DeviceBook(sessions, self.desk, self.delivery, self.notices, Nobody(), clock)
        self.friends = FriendBook(users, friends, blocks, self.access, self.delivery, clock)
        self.accounts = Accounts(
            users,
            friends,
            blocks,
            self.desk,
            self.devices,
            self.access,
            self.delivery,
            passwords,
            Credentials(
                passwords,
                MemorySharedLimiter(clock, per_second=10 / 60, burst=10),
                MemorySharedLimiter(clock, per_second=60 / 60, burst=60),
            ),
            MemorySharedLimiter(clock, per_second=600 / 60, burst=600),
            clock,
            FileGrants(MemoryGrants(data), clock),
        )

    @property
    def queries(self) -> Counter[str]:
        """How often each method of a store was called so far."""
        return Counter({f"{name}.{call}": n for name, store in self.stores.items() for call, n in store.calls.items()})

    async def person(self, username: str) -> str:
        """An account; returns its id."""
        return (await self.accounts.create(username, PASSWORD)).user_id

    async def log_in(self, user_id: str, device_id: str | None = None) -> Tokens:
        """A session, without asking for the password."""
        return await self.desk.issue(await self.accounts.get(user_id), device_id)

    async def connect(self, tokens: Tokens, device_id: str = "phone") -> Socket:
        """A live connection of a session."""
        socket = Socket(await self.desk.verify(tokens.token), device_id, self.clock.now_ms())
        self.delivery.attach(socket)
        self.delivery.enter_groups(socket, [])
        return socket

    async def online(self, user_id: str) -> Socket:
        """Somebody with a live connection."""
        return await self.connect(await self.log_in(user_id))


@contextlib.contextmanager
def refused(code: ErrorCode) -> Iterator[list[GoimError]]:
    """The block ends with this refusal; it is in the list then."""
    found: list[GoimError] = []
    with pytest.raises(GoimError) as caught:
        yield found
    assert caught.value.code is code, caught.value
    found.append(caught.value)


@pytest.fixture(name="passwords")
async def make_passwords() -> AsyncIterator[Passwords]:
    async with Passwords() as passwords:
        yield passwords


@pytest.fixture(name="reception")
def make_reception(passwords: Passwords) -> Reception:
    return Reception(MemoryData(), MemoryHub(), FakeClock(), passwords)


@pytest.fixture(name="two_receptions")
def make_two_receptions(passwords: Passwords) -> tuple[Reception, Reception]:
    """Two nodes at one database, joined by a bus."""
    data, hub, clock = MemoryData(), MemoryHub(), FakeClock()
    return Reception(data, hub, clock, passwords), Reception(data, hub, clock, passwords)
