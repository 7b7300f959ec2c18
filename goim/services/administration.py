"""What `/api/admin` and the commands of `goimctl` have in common."""

from __future__ import annotations

from dataclasses import dataclass

from goim.services.admin_groups import AdminGroups
from goim.services.admin_users import AdminUsers
from goim.services.administrators import Administrators
from goim.services.statistics import Statistics


@dataclass(frozen=True, kw_only=True, slots=True)
class Administration:
    """The services of administrators by name."""

    admins: Administrators
    users: AdminUsers
    groups: AdminGroups
    statistics: Statistics
