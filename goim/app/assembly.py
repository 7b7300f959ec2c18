"""Makes the services of a node, each given what it needs."""

from __future__ import annotations

from goim.app.administering import administration_of
from goim.app.hooks import Hooks, hooks_of
from goim.app.joining import Shared, alone, catch_up_of, meet
from goim.app.pushing import push_desk_of
from goim.app.searching import follow, indexer_of
from goim.app.storage import Stores
from goim.bus.base import Bus
from goim.clock import Clock
from goim.config import Settings, signing_secrets
from goim.delivery import Delivery
from goim.events.base import GroupEvents
from goim.metrics import Metrics
from goim.notices import Notices
from goim.services.access import AccessBook
from goim.services.accounts import Accounts, Credentials
from goim.services.behind import Behind
from goim.services.calls import CallDesk
from goim.services.changes import ChangeDesk
from goim.services.conversations import ConversationList
from goim.services.devices import DeviceBook
from goim.services.favourites import FavouriteBook
from goim.services.file_grants import FileGrants
from goim.services.file_images import Images
from goim.services.file_links import LinkSigner
from goim.services.file_resume import PartialUploads
from goim.services.file_sweep import FileSweeper
from goim.services.files import FileDesk
from goim.services.friends import FriendBook
from goim.services.group_door import GroupDoor
from goim.services.group_gate import GroupGate
from goim.services.group_index import GroupIndex
from goim.services.group_notices import GroupNotices
from goim.services.group_operator import GroupOperator
from goim.services.group_roster import GroupRoster
from goim.services.groups import GroupDesk
from goim.services.history import History
from goim.services.ice import IceServers
from goim.services.lines import Lines
from goim.services.messages import Messages
from goim.services.one_message import OneMessage
from goim.services.passwords import Passwords
from goim.services.presence import PresenceBook
from goim.services.readers import Readers
from goim.services.receipts import ReceiptBook
from goim.services.registry import Services
from goim.services.search import Search
from goim.services.second_look import SecondLook
from goim.services.sessions import SessionDesk
from goim.services.specials import Specials
from goim.services.streams import Streams
from goim.services.unread import Unread
from goim.stores.log import Log
from goim.tasks import Tasks


class Assembly:
    """What services share, made once, and the services over it. Nothing runs yet."""

    def __init__(
        self,
        settings: Settings,
        stores: Stores,
        bus: Bus,
        clock: Clock,
        tasks: Tasks,
        metrics: Metrics,
        group_events: GroupEvents | None = None,
        shared: Shared | None = None,
    ) -> None:
        self._shared = shared or alone(settings, clock)
        self._settings = settings
        self._stores = stores
        self._clock = clock
        self._tasks = tasks
        self._metrics = metrics
        self._notices = Notices(bus)
        self._delivery = Delivery(bus, self._notices, self._metrics)
        self._limiter = self._shared.sends
        self._log = Log(stores.messages, clock, self._metrics, is_shared=lambda: bus.has_company, turns=stores.turns)
        self._access = AccessBook(
            stores.conversations, stores.friends, stores.blocks, stores.groups, stores.members, self._notices, clock
        )
        self.passwords = Passwords()
        self.images = Images(stores.blobs)
        self.grants = FileGrants(stores.grants, public_url=settings.server.public_url)
        self.sweeper = FileSweeper(stores.files, stores.blobs, clock, settings.files)
        self.group_index = group_index(settings, stores, clock, self._metrics)
        self.second_look = SecondLook(self._notices, self._clock)
        self.behind = Behind(
            stores.conversations, stores.receipts, stores.groups, group_events or self.group_index, clock
        )
        self.indexer = indexer_of(stores, clock)
        self.hooks: Hooks | None
        self.operator: GroupOperator
        self.services = self._services()
        meet(self._shared, self.services, self._notices, clock)
        self.catch_up = catch_up_of(self.services, stores, bus, self._log, self._notices)

    def _services(self) -> Services:
        stores, settings, clock, delivery = self._stores, self._settings, self._clock, self._delivery
        sessions = self._sessions()
        devices = DeviceBook(stores.sessions, sessions, delivery, self._notices, clock, self._shared.elsewhere)
        gate = GroupGate(stores.groups, stores.members, stores.admissions)
        roster = self._roster()
        groups = self._groups(gate, roster)
        changes = self._changes()
        specials = Specials(
            stores.messages,
            stores.pending,
            stores.members,
            stores.conversations,
            stores.deletes,
            changes,
            delivery,
            self._notices,
            clock,
        )
        follow(self.indexer, self._log, changes, specials)
        receipts = self._receipts(specials)
        messages = self._messages(receipts, specials)
        streams = self._streams(messages, changes)
        files = self._files()
        accounts = self._accounts(sessions, devices)
        accounts.on_erase += [changes.erase_messages, groups.leave_all, files.erase]
        history = History(self._access, stores.messages, stores.changes, stores.deletes, self._log, streams, clock)
        one_message = OneMessage(self._access, history)
        favourites = FavouriteBook(stores.favourites, stores.users, self._access, one_message, clock)
        accounts.on_erase.append(favourites.erase)
        presence = PresenceBook(
            delivery,
            stores.sessions,
            stores.friends,
            stores.blocks,
            stores.members,
            self._access,
            clock,
            self._shared.elsewhere,
        )
        push = push_desk_of(settings, stores, clock)
        accounts.on_erase.append(push.erase)
        self.hooks = hooks_of(settings, stores, presence, clock, self._metrics)
        if self.hooks is not None:
            self.hooks.follow(messages, changes, roster, accounts)
        lines = Lines(stores.conversations, stores.deletes, stores.messages, self._log, self.behind, clock)
        return Services(
            settings=settings,
            clock=clock,
            metrics=self._metrics,
            delivery=delivery,
            access=self._access,
            accounts=accounts,
            sessions=sessions,
            devices=devices,
            favourites=favourites,
            friends=FriendBook(stores.users, stores.friends, stores.blocks, self._access, delivery, clock),
            groups=groups,
            group_door=GroupDoor(gate, stores.groups, stores.users, stores.admissions, roster, delivery, clock),
            group_notices=GroupNotices(gate, stores.notice_board, delivery, clock),
            conversations=ConversationList(
                stores.conversations,
                stores.changes,
                stores.users,
                stores.groups,
                lines,
                self._access,
                delivery,
                streams,
                self.second_look,
            ),
            messages=messages,
            streams=streams,
            specials=specials,
            receipts=receipts,
            readers=self._readers(one_message),
            changes=changes,
            history=history,
            search=self._search(one_message),
            unread=self._unread(lines, receipts),
            presence=presence,
            files=files,
            partial_uploads=PartialUploads(files, stores.blobs, clock, settings.files),
            calls=self._calls(messages),
            ice=IceServers(settings.webrtc, clock),
            push=push,
            administration=administration_of(
                settings,
                stores,
                accounts,
                sessions,
                devices,
                self._access,
                self.operator,
                delivery,
                self._metrics,
                clock,
            ),
        )

    def _sessions(self) -> SessionDesk:
        auth, stores = self._settings.auth, self._stores
        return SessionDesk(
            stores.sessions,
            stores.users,
            self._delivery,
            self._notices,
            self._clock,
            secrets=signing_secrets(self._settings),
            token_ttl=auth.token_ttl,
            refresh_ttl=auth.refresh_ttl,
        )

    def _roster(self) -> GroupRoster:
        stores = self._stores
        roster = GroupRoster(
            stores.groups,
            stores.members,
            self._log,
            self._access,
            self._notices,
            self._delivery,
            self._clock,
            stores.deletes,
            self.second_look,
            history_for_new_members=self._settings.groups.history_for_new_members,
        )
        self.operator = GroupOperator(stores.groups, stores.members, stores.users, roster, self._clock)
        return roster

    def _groups(self, gate: GroupGate, roster: GroupRoster) -> GroupDesk:
        stores = self._stores
        return GroupDesk(
            gate,
            stores.groups,
            stores.members,
            stores.users,
            stores.friends,
            stores.blocks,
            stores.admissions,
            roster,
            self._delivery,
            self._clock,
            self.grants,
        )

    def _changes(self) -> ChangeDesk:
        messages, stores = self._settings.messages, self._stores
        return ChangeDesk(
            self._access,
            stores.messages,
            stores.changes,
            stores.conversations,
            stores.deletes,
            self._delivery,
            self._clock,
            recall_window=messages.recall_window,
            edit_window=messages.edit_window,
        )

    def _receipts(self, specials: Specials) -> ReceiptBook:
        return ReceiptBook(
            self._stores.receipts,
            self._access,
            self._log,
            self.behind,
            specials,
            self._delivery,
            self._notices,
            self._clock,
            receipt_limit=self._settings.groups.receipt_limit,
        )

    def _readers(self, one_message: OneMessage) -> Readers:
        return Readers(
            self._access,
            one_message,
            self._stores.members,
            self._stores.receipts,
            self.behind,
            self._stores.messages,
            self._log,
            self._clock,
            receipt_limit=self._settings.groups.receipt_limit,
        )

    def _messages(self, receipts: ReceiptBook, specials: Specials) -> Messages:
        return Messages(
            self._access,
            self._log,
            receipts,
            self._delivery,
            self._limiter,
            self._clock,
            self._metrics,
            self._tasks,
            specials,
            self.grants,
        )

    def _streams(self, messages: Messages, changes: ChangeDesk) -> Streams:
        stores, streams = self._stores, self._settings.streams
        return Streams(
            messages,
            changes,
            self._access,
            stores.conversations,
            stores.messages,
            stores.pending,
            self._delivery,
            self._clock,
            idle_timeout=streams.idle_timeout,
            max_bytes=streams.max_bytes,
            notices=self._notices,
            elsewhere=self._shared.elsewhere,
        )

    def _files(self) -> FileDesk:
        stores = self._stores
        signer = LinkSigner(signing_secrets(self._settings))
        return FileDesk(
            stores.files, stores.grants, stores.blobs, self.images, signer, self._clock, self._settings.files
        )

    def _search(self, one_message: OneMessage) -> Search:
        stores = self._stores
        return Search(
            stores.index,
            self.indexer,
            stores.conversations,
            stores.deletes,
            self._access,
            one_message,
            self.behind,
        )

    def _unread(self, lines: Lines, receipts: ReceiptBook) -> Unread:
        mark = self._settings.mark_all_read
        return Unread(
            lines,
            receipts,
            self._clock,
            chunk_size=mark.chunk_size,
            concurrency=mark.concurrency,
            retry=mark.retry,
        )

    def _calls(self, messages: Messages) -> CallDesk:
        calls = self._settings.calls
        return CallDesk(
            self._shared.calls,
            self._stores.conversations,
            self._access,
            messages,
            self._delivery,
            self._notices,
            self._limiter,
            self._clock,
            enabled=self._settings.webrtc.enabled,
            ring_timeout=calls.ring_timeout,
            reconnect_grace=calls.reconnect_grace,
            elsewhere=self._shared.elsewhere,
        )

    def _accounts(self, sessions: SessionDesk, devices: DeviceBook) -> Accounts:
        auth, stores, per_minute = self._settings.auth, self._stores, self._shared.per_minute
        credentials = Credentials(
            self.passwords,
            per_minute("login", auth.login_per_minute),
            per_minute("login-address", auth.login_per_minute_per_address),
        )
        return Accounts(
            stores.users,
            stores.friends,
            stores.blocks,
            sessions,
            devices,
            self._access,
            self._delivery,
            self.passwords,
            credentials,
            per_minute("register", auth.register_per_minute),
            self._clock,
            self.grants,
        )


def group_index(settings: Settings, stores: Stores, clock: Clock, metrics: Metrics) -> GroupIndex:
    """What moves groups up in their members' lists: in a node, and in a consumer of its own."""
    groups = settings.groups
    return GroupIndex(
        stores.conversations, clock, metrics, batch_size=groups.batch_size, batch_sleep=groups.batch_sleep_ms / 1000
    )
