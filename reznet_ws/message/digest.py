"""Which message this is: a number made of its event and its arguments.

In: an event and its arguments, as the application emitted them or as a client's handler got them. Out: the same number
for both, as long as nothing was changed on the way.
Never: I/O.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any


def digest(event: str, args: Sequence[Any]) -> int:
    """64 bits of the JSON text, in which attachments stand as digests of their own. Raises: TypeError for no JSON."""
    return _number(_encoder.encode([event, *args]).encode("ascii"))


def _number(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


def _stand_in(value: Any) -> dict[str, int]:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"attachment": _number(bytes(value))}
    raise TypeError(f"{type(value).__name__} is no JSON")


_encoder = json.JSONEncoder(default=_stand_in, separators=(",", ":"))
