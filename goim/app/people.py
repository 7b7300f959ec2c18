"""Makes the services of people: their accounts, sessions and devices, who they know and who of them is here."""

from __future__ import annotations

from dataclasses import dataclass

from goim.app.ground import Ground
from goim.config import signing_secrets
from goim.services.accounts import Accounts, Credentials
from goim.services.devices import DeviceBook
from goim.services.friends import FriendBook
from goim.services.passwords import Passwords
from goim.services.presence import PresenceBook
from goim.services.sessions import SessionDesk


@dataclass(frozen=True, kw_only=True, slots=True)
class People:
    """The services of people by name."""

    passwords: Passwords
    sessions: SessionDesk
    devices: DeviceBook
    accounts: Accounts
    friends: FriendBook
    presence: PresenceBook


def people_of(ground: Ground) -> People:
    """Devices before presence: of a connection that comes or goes, whoever keeps devices hears first."""
    stores, delivery, clock = ground.stores, ground.delivery, ground.clock
    elsewhere, passwords = ground.shared.elsewhere, Passwords()
    sessions = _sessions(ground)
    devices = DeviceBook(stores.sessions, sessions, delivery, ground.notices, elsewhere, clock)
    return People(
        passwords=passwords,
        sessions=sessions,
        devices=devices,
        accounts=_accounts(ground, passwords, sessions, devices),
        friends=FriendBook(stores.users, stores.friends, stores.blocks, ground.access, delivery, clock),
        presence=PresenceBook(
            delivery,
            stores.sessions,
            stores.friends,
            stores.blocks,
            stores.members,
            ground.access,
            elsewhere,
            clock,
        ),
    )


def _sessions(ground: Ground) -> SessionDesk:
    auth = ground.settings.auth
    return SessionDesk(
        ground.stores.sessions,
        ground.stores.users,
        ground.delivery,
        ground.notices,
        ground.clock,
        secrets=signing_secrets(ground.settings),
        token_ttl=auth.token_ttl,
        refresh_ttl=auth.refresh_ttl,
    )


def _accounts(ground: Ground, passwords: Passwords, sessions: SessionDesk, devices: DeviceBook) -> Accounts:
    auth, stores, per_minute = ground.settings.auth, ground.stores, ground.shared.per_minute
    credentials = Credentials(
        passwords,
        per_minute("login", auth.login_per_minute),
        per_minute("login-address", auth.login_per_minute_per_address),
    )
    return Accounts(
        stores.users,
        stores.friends,
        stores.blocks,
        sessions,
        devices,
        ground.access,
        ground.delivery,
        passwords,
        credentials,
        per_minute("register", auth.register_per_minute),
        ground.clock,
        ground.grants,
    )
