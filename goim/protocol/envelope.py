"""What every envelope from a client has besides its data."""

from __future__ import annotations

from msgspec import UNSET, Raw, Struct, UnsetType

RequestId = Raw | UnsetType
"""The client's own `id`, any string or number, given back as it came."""


class Request(Struct, frozen=True, gc=False, tag_field="action"):
    """An envelope from a client."""

    id: RequestId = UNSET
