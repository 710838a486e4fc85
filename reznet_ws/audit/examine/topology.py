"""How many connections one message goes to, which is what encoding and compressing once for all of them is worth.

In: when which payload came to which connection. Out: deliveries for each broadcast.
Never: keeps a payload: 24 bytes for each message, and no more than `_MAX_DELIVERIES` of them.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Iterable

from reznet_ws.audit.examine.findings import Reach
from reznet_ws.audit.read.capture import Kind

# The same payload to another connection within this time is the same broadcast.
NEAR_MS = 1000.0
# What goes to several connections at once; acks and pings are each connection's own.
BROADCAST_KINDS = frozenset({Kind.EVENT, Kind.MESSAGE, Kind.PLAIN})
_MAX_DELIVERIES = 500_000
_HASH_BYTES = 8


class Deliveries:
    """What came to whom, by a salted hash."""

    def __init__(self) -> None:
        self._salt = os.urandom(16)
        self._hashes, self._connections, self._times_ms = array("Q"), array("q"), array("d")

    def add(self, connection: int, frames: Iterable[bytes], time_ms: float | None) -> None:
        """Note one delivery; without a clock nothing tells what was sent at once, and it is not counted."""
        if time_ms is None or len(self._hashes) >= _MAX_DELIVERIES:
            return
        digest = hashlib.blake2b(key=self._salt, digest_size=_HASH_BYTES)
        for frame in frames:
            digest.update(b"%d " % len(frame))
            digest.update(frame)
        self._hashes.append(int.from_bytes(digest.digest()))
        self._connections.append(connection)
        self._times_ms.append(time_ms)

    def audience(self, users: int | None) -> Reach:
        """The mean over all broadcasts; for one connection by itself, or without a clock, `users`."""
        count = len(self._hashes)
        if len(set(self._connections)) <= 1:
            source = "one" if users is None else "users"
            return Reach(float(users or 1), source, count, count, NEAR_MS)
        order = sorted(range(count), key=lambda at: (self._hashes[at], self._times_ms[at], at))
        broadcasts = 0
        began_ms = 0.0
        payload: int | None = None
        receivers: set[int] = set()
        for at in order:
            connection, time_ms = self._connections[at], self._times_ms[at]
            is_same = self._hashes[at] == payload and time_ms <= began_ms + NEAR_MS and connection not in receivers
            if not is_same:
                broadcasts += 1
                payload, began_ms = self._hashes[at], time_ms
                receivers = set()
            receivers.add(connection)
        return Reach(count / broadcasts, "capture", count, broadcasts, NEAR_MS)
