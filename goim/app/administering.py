"""Makes the services of administrators, over the services they look into."""

from __future__ import annotations

from goim.app.ground import Ground
from goim.app.people import People
from goim.services.admin_groups import AdminGroups
from goim.services.admin_users import AdminUsers
from goim.services.administration import Administration
from goim.services.administrators import Administrators
from goim.services.group_operator import GroupOperator
from goim.services.statistics import Statistics


def administration_of(ground: Ground, people: People, operator: GroupOperator) -> Administration:
    """Everything behind `/api/admin`."""
    stores = ground.stores
    admins = Administrators(stores.users)
    return Administration(
        admins=admins,
        users=AdminUsers(admins, stores.overview, people.accounts, people.sessions, people.devices, ground.access),
        groups=AdminGroups(admins, stores.overview, operator, stores.users),
        statistics=Statistics(
            stores.overview,
            stores.files,
            ground.delivery,
            ground.metrics,
            ground.settings.server.data_dir,
            ground.clock,
        ),
    )
