"""Which device a connection is."""

from __future__ import annotations

from goim.errors import invalid
from goim.ids import new_id
from goim.model.users import Login

MAX_DEVICE_ID = 64


def device_of(login: Login, wanted: str | None) -> str:
    """A session made for a device is that device's; another session takes what the connection names, or a new one."""
    if wanted is not None and not 0 < len(wanted) <= MAX_DEVICE_ID:
        raise invalid(f"deviceId has 1 to {MAX_DEVICE_ID} characters")
    if login.device_id is None:
        return wanted or new_id()
    if wanted not in (None, login.device_id):
        raise invalid("this session belongs to another device")
    return login.device_id
