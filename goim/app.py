"""Puts a node together: the composition root, the only module that names adapters."""

from __future__ import annotations

import contextlib
import gc
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import structlog

from goim.bus.base import Bus
from goim.bus.memory import MemoryBus
from goim.clock import Clock, SystemClock
from goim.config import Settings, refuse_unserved, signing_secret
from goim.delivery import Delivery
from goim.gateway.server import NodeServer, server_of
from goim.gateway.websocket import WebSocketGateway
from goim.livecalls.memory import MemoryLiveCalls
from goim.metrics import Metrics
from goim.notices import Notices
from goim.protocol.close_codes import CloseCode
from goim.protocol.frames import frame_of
from goim.protocol.pushes import Reconnect, ReconnectData
from goim.ratelimit.memory import MemoryRateLimiter
from goim.resources import bundled
from goim.rest.operations import Readiness
from goim.rest.routes import build_api
from goim.services.access import AccessBook
from goim.services.accounts import Accounts, Credentials
from goim.services.behind import Behind
from goim.services.calls import CallDesk
from goim.services.changes import ChangeDesk
from goim.services.conversations import ConversationList
from goim.services.devices import DeviceBook
from goim.services.friends import FriendBook
from goim.services.group_operator import GroupOperator
from goim.services.group_roster import GroupRoster
from goim.services.groups import GroupDesk
from goim.services.history import History
from goim.services.ice import IceServers
from goim.services.lines import Lines
from goim.services.mailroom import Mailroom, Postbox
from goim.services.messages import Messages
from goim.services.passwords import Passwords
from goim.services.presence import PresenceBook
from goim.services.receipts import ReceiptBook
from goim.services.registry import Services
from goim.services.sessions import SessionDesk
from goim.services.unread import Unread
from goim.stores import base
from goim.stores.engine import SqlEngine
from goim.stores.log import Log
from goim.stores.mailbox import Mailbox
from goim.stores.migrate import Migrator
from goim.stores.sql import SqlChanges, SqlConvDeletes, SqlLiveStreams, SqlMessages
from goim.stores.sql_accounts import SqlSessions, SqlUsers
from goim.stores.sql_conversations import SqlConversations, SqlReceipts
from goim.stores.sql_friends import SqlBlocks, SqlFriends
from goim.stores.sql_groups import SqlGroups, SqlMembers
from goim.stores.sql_mailbox import SqlMailbox
from goim.stores.sqlite import SqliteEngine
from goim.stores.sqlite_process import SqliteProcessEngine
from goim.tasks import Tasks

_YOUNG_OBJECTS = 50_000
_CLOSE_EVERY = 0.02
_LOG_PAGE_SIZE = 2048  # measured: a batch touches many pages of the two indexes, small ones make less to write
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stores:
    """Everything that survives, behind its ports."""

    users: base.Users
    sessions: base.Sessions
    friends: base.Friends
    blocks: base.Blocks
    groups: base.Groups
    members: base.Members
    conversations: base.Conversations
    receipts: base.Receipts
    messages: base.MessageTable
    changes: base.Changes
    deletes: base.ConvDeletes
    streams: base.LiveStreams
    mailbox: Mailbox


@dataclass(frozen=True, kw_only=True, slots=True)
class Database:
    """An open database and the schema it should have; `version` is the query that asks for its product and version."""

    name: str
    engine: SqlEngine
    migrator: Migrator
    version: str = "SELECT 'SQLite ' || sqlite_version()"


@contextlib.asynccontextmanager
async def open_databases(settings: Settings) -> AsyncIterator[tuple[Database, Database]]:
    """Structured data and the message log, two files under the data folder, as they are: nothing is migrated."""
    folder = settings.server.data_dir
    folder.mkdir(parents=True, exist_ok=True)
    async with (
        SqliteEngine(folder / "goim.db") as data,
        SqliteProcessEngine(folder / "messages.db", page_size=_LOG_PAGE_SIZE) as log,
    ):
        schema = bundled("schemas") / "sqlite"
        yield (
            Database(name="data", engine=data, migrator=Migrator(data, schema, {"structured"})),
            Database(name="messages", engine=log, migrator=Migrator(log, schema, {"messages"})),
        )


@contextlib.asynccontextmanager
async def sqlite_stores(settings: Settings) -> AsyncIterator[Stores]:
    """The stores of the embedded default, their schema brought up to date."""
    async with open_databases(settings) as (structured, messages):
        await structured.migrator.up()
        await messages.migrator.up()
        data, log = structured.engine, messages.engine
        yield Stores(
            users=SqlUsers(data),
            sessions=SqlSessions(data),
            friends=SqlFriends(data),
            blocks=SqlBlocks(data),
            groups=SqlGroups(data),
            members=SqlMembers(data),
            conversations=SqlConversations(data),
            receipts=SqlReceipts(data),
            messages=SqlMessages(log),
            changes=SqlChanges(log),
            deletes=SqlConvDeletes(log),
            streams=SqlLiveStreams(log),
            mailbox=SqlMailbox(data),
        )


class Node:
    """One process of goim: its services over its stores, and what runs beside them."""

    def __init__(self, settings: Settings, stores: Stores, bus: Bus, clock: Clock) -> None:
        self.settings = settings
        self.tasks = Tasks()
        self.readiness = Readiness(checks={"data": _asks_data(stores), "messages": _asks_messages(stores)})
        self._clock = clock
        self._stores = stores
        self._metrics = Metrics()
        self._passwords = Passwords()
        self._limiter = MemoryRateLimiter(clock, per_second=settings.ws.send_qps, burst=settings.ws.send_burst)
        self._limiter = MemoryRateLimiter(clock, per_second=settings.ws.send_qps, burst=settings.ws.send_burst)
        self._notices = Notices(bus)
        self._delivery = Delivery(bus, self._notices, self._metrics)
        self._log = Log(stores.messages, clock, self._metrics)
        self._behind = Behind(stores.conversations, stores.receipts, clock)
        self._access = AccessBook(
            stores.conversations, stores.friends, stores.blocks, stores.groups, stores.members, self._notices, clock
        )
        self.services = self._assemble()
        self.gateway = WebSocketGateway(self.services, self.tasks)

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """What the services need to do what they are asked; at the end everything is written."""
        services = self.services
        async with (
            self._passwords,
            self._behind.running(),
            services.receipts.batches.running(),
            services.messages.batches.running(),
        ):
            yield

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """What a node does of its own accord, from the bottom up; it ends from the top down, everything written."""
        services = self.services
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self.working())
            await stack.enter_async_context(services.sessions.running())
            await stack.enter_async_context(services.devices.running())
            await stack.enter_async_context(services.presence.running())
            await stack.enter_async_context(services.calls.running())
            await stack.enter_async_context(services.calls.running())
            await stack.enter_async_context(self.tasks)
            yield

    async def drain(self) -> None:
        """Send everybody elsewhere, spread over the time there is, then finish what is under way."""
        self.readiness.is_draining = self.gateway.is_draining = True
        sinks = list(self._delivery.everybody())
        random.shuffle(sinks)
        step = min(_CLOSE_EVERY, self.settings.server.drain_seconds / (len(sinks) or 1))
        for place, sink in enumerate(sinks):
            sink.send(frame_of(Reconnect(ReconnectData(int(place * step * 1000)))))
        for sink in sinks:
            sink.close(CloseCode.DRAINING)
            await self._clock.sleep(step)
        await self.services.messages.batches.drain()
        _log.info("drained", connections=len(sinks))

    def _assemble(self) -> Services:
        """Every service, each given what it needs."""
        stores, settings, clock, delivery = self._stores, self.settings, self._clock, self._delivery
        sessions = SessionDesk(
            stores.sessions,
            stores.users,
            delivery,
            self._notices,
            clock,
            secrets=[signing_secret(settings)],
            token_ttl=settings.auth.token_ttl,
            refresh_ttl=settings.auth.refresh_ttl,
        )
        devices = DeviceBook(stores.sessions, sessions, delivery, self._notices, clock)
        roster = GroupRoster(stores.groups, stores.members, self._log, self._access, self._notices, delivery, clock)
        self.operator = GroupOperator(stores.groups, stores.members, stores.users, roster, clock)
        groups = GroupDesk(
            stores.groups, stores.members, stores.users, stores.friends, stores.blocks, roster, delivery, clock
        )
        receipts = self._receipts()
        messages = self._messages(receipts)
        lines = Lines(stores.conversations, stores.deletes, stores.messages, self._log, self._behind, clock)
        changes = ChangeDesk(
            self._access,
            stores.messages,
            stores.changes,
            stores.conversations,
            delivery,
            clock,
            recall_window=settings.messages.recall_window,
            edit_window=settings.messages.edit_window,
        )
        messages = self._messages(receipts)
        accounts = self._accounts(sessions, devices)
        accounts.on_erase += [changes.erase_messages, groups.leave_all]
        return Services(
            settings=settings,
            clock=clock,
            metrics=self._metrics,
            delivery=delivery,
            access=self._access,
            accounts=accounts,
            sessions=sessions,
            devices=devices,
            friends=FriendBook(stores.users, stores.friends, stores.blocks, self._access, delivery, clock),
            groups=groups,
            conversations=ConversationList(
                stores.conversations, stores.changes, stores.users, stores.groups, lines, self._access, delivery
            ),
            messages=messages,
            receipts=receipts,
            changes=changes,
            history=History(self._access, stores.messages, stores.changes, stores.deletes, self._log, clock),
            unread=Unread(
                lines,
                receipts,
                clock,
                chunk_size=settings.mark_all_read.chunk_size,
                concurrency=settings.mark_all_read.concurrency,
                retry=settings.mark_all_read.retry,
            ),
            presence=PresenceBook(
                delivery, stores.sessions, stores.friends, stores.blocks, stores.members, self._access, clock
            ),
            calls=self._calls(messages),
            ice=IceServers(settings.webrtc, clock),
        )

    def _messages(self, receipts: ReceiptBook) -> Messages:
        return Messages(
            self._access, self._log, receipts, self._delivery, self._limiter, self._clock, self._metrics, self.tasks
        )

    def _calls(self, messages: Messages) -> CallDesk:
        calls = self.settings.calls
        return CallDesk(
            MemoryLiveCalls(),
            self._stores.conversations,
            self._access,
            messages,
            self._delivery,
            self._notices,
            self._limiter,
            self._clock,
            enabled=self.settings.webrtc.enabled,
            ring_timeout=calls.ring_timeout,
            reconnect_grace=calls.reconnect_grace,
        )

    def _receipts(self) -> ReceiptBook:
        return ReceiptBook(
            self._stores.receipts,
            self._access,
            self._log,
            self._behind,
            self._delivery,
            self._notices,
            self._clock,
            receipt_limit=self.settings.groups.receipt_limit,
        )

    def _accounts(self, sessions: SessionDesk, devices: DeviceBook) -> Accounts:
        auth, stores = self.settings.auth, self._stores
        credentials = Credentials(
            self._passwords,
            self._per_minute(auth.login_per_minute),
            self._per_minute(auth.login_per_minute_per_address),
        )
        return Accounts(
            stores.users,
            stores.friends,
            stores.blocks,
            sessions,
            devices,
            self._access,
            self._delivery,
            self._passwords,
            credentials,
            self._per_minute(auth.register_per_minute),
            self._clock,
        )

    def _per_minute(self, times: int) -> MemoryRateLimiter:
        return MemoryRateLimiter(self._clock, per_second=times / 60, burst=times)


def _asks_data(stores: Stores) -> Callable[[], Awaitable[None]]:
    async def ask() -> None:
        await stores.users.by_ids(["nobody"])

    return ask


def _asks_messages(stores: Stores) -> Callable[[], Awaitable[None]]:
    async def ask() -> None:
        await stores.messages.last_seqs(["nothing"])

    return ask


@contextlib.asynccontextmanager
async def open_node(settings: Settings, *, bus: Bus | None = None, clock: Clock | None = None) -> AsyncIterator[Node]:
    """A node over its stores, everything running."""
    refuse_unserved(settings)
    signing_secret(settings)  # first: nothing is opened with a secret that is no good
    async with sqlite_stores(settings) as stores:
        clock = clock or SystemClock()
        node = Node(settings, stores, bus or MemoryBus(), clock)
        mailroom = Mailroom(stores.mailbox, node.services.delivery, clock)
        async with mailroom.running(), node.running():
            yield node


@contextlib.asynccontextmanager
async def open_office(settings: Settings) -> AsyncIterator[Node]:
    """A node that serves nobody, for commands: the nodes at the same database are told at the end what it did."""
    refuse_unserved(settings)
    signing_secret(settings)
    clock = SystemClock()
    async with sqlite_stores(settings) as stores:
        postbox = Postbox(stores.mailbox, clock)
        node = Node(settings, stores, postbox, clock)
        async with postbox.open(), node.working(), node.tasks:
            yield node


def server_for(node: Node, *, is_direct: bool = True) -> NodeServer:
    """uvicorn with a node's routes and sockets; `is_direct=False` serves WebSockets by plain ASGI."""
    app = build_api(node.services, node.readiness, more=[node.gateway.route()])
    return server_of(app, node.settings, node.drain, is_direct=is_direct)


async def serve(settings: Settings, started: Callable[[str], None]) -> None:
    """Run a node until a signal ends it; `started` is told the URL."""
    async with open_node(settings) as node:
        server = server_for(node)
        server.on_started = started
        _tune_collector()
        await server.serve()


def _tune_collector() -> None:
    """What a start leaves lives as long as the process; messages come and go without cycles, so look for these rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 50)
