"""A node's services over the stores in memory, with people in it and time that stands still."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Literal, TypeVar, cast

import pytest
from msgspec import Raw

from goim.bus.memory import MemoryBus
from goim.delivery import Delivery
from goim.elsewhere.base import Nobody
from goim.errors import ErrorCode, GoimError
from goim.metrics import Metrics
from goim.model.groups import Role
from goim.model.users import User
from goim.notices import Notices
from goim.protocol.close_codes import CloseCode
from goim.protocol.frames import Frame, body_of
from goim.protocol.replies import SentData
from goim.protocol.requests import SendData
from goim.ratelimit.memory import MemoryRateLimiter
from goim.services.access import AccessBook
from goim.services.behind import Behind
from goim.services.changes import ChangeDesk
from goim.services.conversations import ConversationList
from goim.services.favourites import FavouriteBook
from goim.services.file_grants import FileGrants
from goim.services.group_door import GroupDoor
from goim.services.group_gate import GroupGate
from goim.services.group_index import GroupIndex
from goim.services.group_notices import GroupNotices
from goim.services.group_operator import GroupOperator
from goim.services.group_roster import GroupRoster
from goim.services.groups import GroupDesk
from goim.services.history import History
from goim.services.lines import Lines
from goim.services.messages import Messages
from goim.services.one_message import OneMessage
from goim.services.presence import PresenceBook
from goim.services.readers import Readers
from goim.services.receipts import ReceiptBook
from goim.services.search import Search
from goim.services.search_indexer import SearchIndexer
from goim.services.second_look import SecondLook
from goim.services.specials import Specials
from goim.services.streams import Streams
from goim.services.unread import Unread
from goim.stores.log import Log
from goim.stores.memory_accounts import MemorySessions, MemoryUsers
from goim.stores.memory_admissions import MemoryAdmissions, MemoryNoticeBoard
from goim.stores.memory_conversations import MemoryConversations, MemoryReceipts
from goim.stores.memory_data import MemoryData
from goim.stores.memory_favourites import MemoryFavourites
from goim.stores.memory_files import MemoryFiles, MemoryGrants
from goim.stores.memory_friends import MemoryBlocks, MemoryFriends
from goim.stores.memory_groups import MemoryGroups, MemoryMembers
from goim.stores.memory_log import MemoryChanges, MemoryConvDeletes, MemoryMessages, MemoryPending
from goim.stores.memory_search import MemoryLogTail, MemorySearchIndex
from goim.tasks import Tasks
from tests.fake_clock import FakeClock

T = TypeVar("T")


class Phone:
    """A live connection that keeps what it is sent; also who acts, where a service wants to know."""

    def __init__(self, user_id: str, device_id: str) -> None:
        self.user_id = user_id
        self.device_id = device_id
        self.session_id = f"session-{device_id}"
        self.token_ends = None
        self.transport_name = "ws"
        self.connected_at = 0
        self.queued_bytes = 0
        self.pushes: list[dict[str, Any]] = []
        self.closed: CloseCode | None = None
        self._news = asyncio.Event()

    def send(self, frame: Frame) -> None:
        self.pushes.append(json.loads(body_of(frame)))
        self._news.set()

    async def until_pushed(self) -> None:
        """Wait until there is a push that was not taken."""
        async with asyncio.timeout(20):
            while not self.pushes:
                self._news.clear()
                await self._news.wait()

    def close(self, code: CloseCode) -> None:
        self.closed = code

    def take(self, action: str | None = None) -> list[dict[str, Any]]:
        """The data of all pushes of an action so far; of whatever action, they are gone then."""
        taken, self.pushes = self.pushes, []
        return [push["data"] for push in taken if action in (None, push["action"])]

    def actions(self) -> list[str]:
        """What kinds of pushes came, in order."""
        return [push["action"] for push in self.pushes]


class Counted:
    """A store that counts how often each of its methods is asked, and fails or is slow to answer when told to."""

    def __init__(self, store: object, house: House) -> None:
        self._store = store
        self._house = house

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        method = getattr(self._store, name)

        async def counted(*args: Any, **named: Any) -> Any:
            key = f"{type(self._store).__name__.removeprefix('Memory')}.{name}"
            self._house.calls[key] += 1
            if self._house.failures.get(key):
                raise self._house.failures[key].pop(0)
            answer = await method(*args, **named)
            if key in self._house.held:
                await self._house.held[key].wait()
            return answer

        return counted


class Held(asyncio.Event):
    """Holds an answer back, the first or the one `after` so many; `reached`: there is one."""

    def __init__(self, *, after: int = 0) -> None:
        super().__init__()
        self.reached = asyncio.Event()
        self._after = after

    async def wait(self) -> Literal[True]:
        if self._after:
            self._after -= 1
            return True
        self.reached.set()
        return await super().wait()


class House:
    """Everything under one roof.

    `calls` counts queries by store and method, `failures` are raised instead of answers, `held` answers wait.
    """

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.calls: Counter[str] = Counter()
        self.failures: dict[str, list[Exception]] = {}
        self.held: dict[str, asyncio.Event] = {}
        self._numbers = itertools.count(1)
        self._make_stores()
        self._make_services()

    def _make_stores(self) -> None:
        data = self.data = MemoryData()
        self.users = self._counted(MemoryUsers(data))
        self.sessions = self._counted(MemorySessions(data))
        self.friends = self._counted(MemoryFriends(data))
        self.blocks = self._counted(MemoryBlocks(data))
        self.groups = self._counted(MemoryGroups(data))
        self.members = self._counted(MemoryMembers(data))
        self.admissions = self._counted(MemoryAdmissions(data))
        self.notice_board = self._counted(MemoryNoticeBoard(data))
        self.favourites = self._counted(MemoryFavourites(data))
        self.conversations = self._counted(MemoryConversations(data))
        self.receipts = self._counted(MemoryReceipts(data))
        self.files, self.grants = self._counted(MemoryFiles(data)), self._counted(MemoryGrants(data))
        table = MemoryMessages()
        self.table = self._counted(table)
        self.tail = self._counted(MemoryLogTail(table))
        self.index = self._counted(MemorySearchIndex())
        self.changes = self._counted(MemoryChanges(table))
        self.deletes = self._counted(MemoryConvDeletes())
        self.pending = self._counted(MemoryPending())

    def _counted(self, store: T) -> T:
        return cast(T, Counted(store, self))

    def _make_services(self) -> None:
        bus, metrics, clock = MemoryBus(), Metrics(), self.clock
        limiter = MemoryRateLimiter(clock, per_second=1e6, burst=1_000_000)
        self.tasks = Tasks()
        self.notices = Notices(bus)
        self.delivery = Delivery(bus, self.notices, metrics)
        self.second_look = SecondLook(self.notices, clock)
        self.sharing = FileGrants(self.grants, clock)
        self.log = Log(self.table, clock, metrics)
        self.access = AccessBook(
            self.conversations, self.friends, self.blocks, self.groups, self.members, self.notices, clock
        )
        self.group_index = GroupIndex(self.conversations, clock, metrics, batch_size=500, batch_sleep=0.05)
        self.behind = Behind(self.conversations, self.receipts, self.groups, self.group_index, clock)
        self.desk = ChangeDesk(
            self.access,
            self.table,
            self.changes,
            self.conversations,
            self.deletes,
            self.delivery,
            limiter,
            clock,
            self.sharing,
            recall_window=300,
            edit_window=900,
        )
        self.specials = Specials(
            self.table,
            self.pending,
            self.members,
            self.conversations,
            self.receipts,
            self.deletes,
            self.desk,
            self.delivery,
            self.notices,
            clock,
            self.sharing,
        )
        self.book = ReceiptBook(
            self.receipts,
            self.access,
            self.log,
            self.behind,
            self.specials,
            self.delivery,
            self.notices,
            clock,
            receipt_limit=200,
        )
        self.messages = Messages(
            self.access,
            self.log,
            self.book,
            self.delivery,
            limiter,
            clock,
            metrics,
            self.tasks,
            self.specials,
            self.sharing,
        )
        self.streams = self.new_streams()
        self.history = History(self.access, self.table, self.changes, self.deletes, self.log, self.streams, clock)
        self._make_groups()
        self.one_message = OneMessage(self.access, self.history)
        self.indexer = SearchIndexer(self.tail, self.index, clock)
        self.search = Search(
            self.index,
            self.indexer,
            self.conversations,
            self.deletes,
            self.access,
            self.one_message,
            self.behind,
        )
        self.favourite_book = FavouriteBook(
            self.favourites, self.users, self.access, self.one_message, self.sharing, clock
        )
        self.readers = Readers(
            self.access,
            self.one_message,
            self.members,
            self.receipts,
            self.behind,
            self.table,
            self.log,
            clock,
            receipt_limit=200,
        )
        self.operator = GroupOperator(self.groups, self.members, self.users, self.roster, clock)
        self.lines = Lines(self.conversations, self.deletes, self.table, self.log, self.behind, clock)
        self.list = ConversationList(
            self.conversations,
            self.changes,
            self.users,
            self.groups,
            self.lines,
            self.access,
            self.delivery,
            self.streams,
            self.second_look,
        )
        self.presence = PresenceBook(
            self.delivery, self.sessions, self.friends, self.blocks, self.members, self.access, Nobody(), clock
        )

    def _make_groups(self, *, history_for_new_members: bool = True) -> None:
        clock, delivery = self.clock, self.delivery
        self.gate = GroupGate(self.groups, self.members, self.admissions)
        self.roster = GroupRoster(
            self.groups,
            self.members,
            self.log,
            self.access,
            self.notices,
            delivery,
            clock,
            self.deletes,
            self.second_look,
            history_for_new_members=history_for_new_members,
        )
        self.group_desk = GroupDesk(
            self.gate,
            self.groups,
            self.members,
            self.users,
            self.friends,
            self.blocks,
            self.admissions,
            self.roster,
            delivery,
            clock,
            self.sharing,
        )
        self.group_door = GroupDoor(self.gate, self.groups, self.users, self.admissions, self.roster, delivery, clock)
        self.group_notices = GroupNotices(self.gate, self.notice_board, delivery, clock)

    def forget_history(self) -> None:
        """From now on, who joins a group reads only what is said after."""
        self._make_groups(history_for_new_members=False)

    def new_streams(self) -> Streams:
        """The streams of a node that has just started."""
        return Streams(
            self.messages,
            self.desk,
            self.access,
            self.conversations,
            self.table,
            self.pending,
            self.delivery,
            self.notices,
            Nobody(),
            self.clock,
            idle_timeout=60,
            max_bytes=1000,
            max_live=3,
        )

    def unread(self, *, chunk_size: int = 200, concurrency: int = 4, retry: int = 3) -> Unread:
        return Unread(self.lines, self.book, self.clock, chunk_size=chunk_size, concurrency=concurrency, retry=retry)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[House]:
        async with (
            self.tasks,
            self.sharing.batches.running(),
            self.book.batches.running(),
            self.messages.batches.running(),
        ):
            yield self

    # people

    async def people(self, *user_ids: str) -> None:
        """Accounts whose nickname is their id with a capital."""
        for user_id in user_ids:
            await self.users.add(
                User(
                    user_id=user_id,
                    username=user_id,
                    nickname=user_id.capitalize(),
                    avatar_url=f"https://pictures.test/{user_id}",
                    password_hash="",
                    created_at=self.clock.now_ms(),
                )
            )

    async def befriend(self, one: str, *others: str) -> None:
        for other in others:
            await self.friends.add_half(one, other, None, self.clock.now_ms())
            await self.friends.add_half(other, one, None, self.clock.now_ms())
            await self.access.relation_changed(one, other)

    async def friends_of_each_other(self, *user_ids: str) -> None:
        await self.people(*user_ids)
        for one, other in itertools.combinations(user_ids, 2):
            await self.befriend(one, other)

    async def phone(self, user_id: str, device_id: str = "") -> Phone:
        """A connection that receives its user and their groups."""
        phone = Phone(user_id, device_id or f"{user_id}-phone-{next(self._numbers)}")
        self.delivery.attach(phone)
        self.delivery.enter_groups(phone, await self.access.groups_of(user_id))
        return phone

    # doing things

    async def say(self, sender: str, to: str, text: str = "hello") -> SentData:
        """Send to a friend, or to a group by its convId."""
        by_conv = to.startswith("group:")
        data = SendData(
            type="text",
            payload=Raw(json.dumps({"text": text}).encode()),
            conv_id=to if by_conv else None,
            to=None if by_conv else to,
        )
        return await self.messages.send_now(Phone(sender, "pen"), data)

    async def group(self, owner: str, *members: str, admins: tuple[str, ...] = ()) -> str:
        """A group of friends; returns its id."""
        created = await self.group_desk.create(owner, "the group", [*members, *admins])
        for admin in admins:
            await self.group_desk.set_member(owner, created.group_id, admin, role=Role.ADMIN)
        return created.group_id

    async def role(self, group_id: str, user_id: str) -> Role | None:
        member = await self.members.get(group_id, user_id)
        return None if member is None else member.role


@contextlib.contextmanager
def refused(code: ErrorCode) -> Iterator[None]:
    """The block ends with this refusal."""
    with pytest.raises(GoimError) as caught:
        yield
    assert caught.value.code is code, caught.value


@pytest.fixture(name="house")
async def open_house() -> AsyncIterator[House]:
    async with House().open() as house:
        yield house
