"""JSON within binary data, which some applications send as a buffer, and within frames of other protocols.

In: bytes. Out: the value, if they are an object or an array. Never: looks at more than `_MOST_BYTES`.
"""

from __future__ import annotations

import json
from typing import Any

_MOST_BYTES = 2**20


def json_in(data: bytes) -> Any | None:
    """The object or array that these bytes are as JSON, None where they are none."""
    if len(data) > _MOST_BYTES or data[:1] not in (b"{", b"["):
        return None
    try:
        # SignalR ends a message with a record separator.
        value = json.loads(data.rstrip(b"\x1e\x00"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, (dict, list)) else None
