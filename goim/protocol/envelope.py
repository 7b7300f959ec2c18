"""What every envelope from a client has besides its data."""

from __future__ import annotations

from msgspec import UNSET, Raw, Struct, UnsetType

RequestId = Raw | UnsetType
"""The client's own `id`, any string or number (or null), given back as it came."""

# `gc=False` here and where there is one for each message: plain data is in no circle, and the collector need not know.


class Request(Struct, frozen=True, gc=False, tag_field="action"):
    """An envelope from a client."""

    id: RequestId = UNSET
