"""Makes the services of administrators, over the services they look into."""

from __future__ import annotations

from goim.app.storage import Stores
from goim.clock import Clock
from goim.config import Settings
from goim.delivery import Delivery
from goim.metrics import Metrics
from goim.services.access import AccessBook
from goim.services.accounts import Accounts
from goim.services.admin_groups import AdminGroups
from goim.services.admin_users import AdminUsers
from goim.services.administration import Administration
from goim.services.administrators import Administrators
from goim.services.devices import DeviceBook
from goim.services.group_operator import GroupOperator
from goim.services.sessions import SessionDesk
from goim.services.statistics import Statistics


def administration_of(
    settings: Settings,
    stores: Stores,
    accounts: Accounts,
    sessions: SessionDesk,
    devices: DeviceBook,
    access: AccessBook,
    operator: GroupOperator,
    delivery: Delivery,
    metrics: Metrics,
    clock: Clock,
) -> Administration:
    """Everything behind `/api/admin`."""
    admins = Administrators(stores.users)
    return Administration(
        admins=admins,
        users=AdminUsers(admins, stores.overview, accounts, sessions, devices, access),
        groups=AdminGroups(admins, stores.overview, operator, stores.users),
        statistics=Statistics(stores.overview, stores.files, delivery, metrics, settings.server.data_dir, clock),
    )
