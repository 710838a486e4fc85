"""How many connections one message goes to, and to which of them: what compressing once for all of them is worth.

In: when which payload came to which connection. Out: deliveries for each broadcast, and the shapes of audiences.
Never: keeps a payload: 24 bytes for each message, and no more than `_MAX_DELIVERIES` of them.
"""

from __future__ import annotations

import hashlib
import math
import os
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from reznet_ws.audit.examine.findings import Reach, ReachShape
from reznet_ws.audit.read.capture import Kind

# The same payload to another connection within this time is the same broadcast.
NEAR_MS = 1000.0
# Without a clock: with as many other messages in between it is another. A server writes its copies in one go.
_NEAR_MESSAGES = 2
# What goes to several connections at once; acks and pings are each connection's own.
BROADCAST_KINDS = frozenset({Kind.EVENT, Kind.MESSAGE, Kind.PLAIN})
_MAX_DELIVERIES = 500_000
_HASH_BYTES = 8
# What the copies of a message show: `emit`, `emit(skip_sid=…)`, `emit(room=…)`, `emit(to=sid)`.
SHAPES = ("to all", "to all but one", "to some", "to one")


class Deliveries:
    """What came to whom, by a salted hash."""

    def __init__(self) -> None:
        self._salt = os.urandom(16)
        self._hashes, self._connections, self._times_ms = array("Q"), array("q"), array("d")
        self._without_time = 0

    def add(self, connection: int, frames: Iterable[bytes], time_ms: float | None) -> None:
        """Note one delivery."""
        if len(self._hashes) >= _MAX_DELIVERIES:
            return
        digest = hashlib.blake2b(key=self._salt, digest_size=_HASH_BYTES)
        for frame in frames:
            digest.update(b"%d " % len(frame))
            digest.update(frame)
        self._hashes.append(int.from_bytes(digest.digest()))
        self._connections.append(connection)
        self._times_ms.append(math.nan if time_ms is None else time_ms)
        self._without_time += time_ms is None

    def audience(self, users: int | None, connections: frozenset[int] | None = None) -> Reach:
        """The mean over all broadcasts; for one connection by itself, or where nothing tells, `users`.

        `connections`: those that count, None for all.
        """
        chosen = [at for at in range(len(self._hashes)) if connections is None or self._connections[at] in connections]
        has_clock = self._without_time * 2 < len(self._hashes)
        if has_clock:
            chosen = [at for at in chosen if not math.isnan(self._times_ms[at])]
        count = len(chosen)
        alone = Reach(float(users or 1), "one" if users is None else "users", count, count, NEAR_MS)
        if len({self._connections[at] for at in chosen}) <= 1:
            return alone
        broadcasts = list(self._by_time(chosen) if has_clock else self._by_order(chosen))
        if not has_clock and len(broadcasts) == count:
            return alone  # what came at once cannot be seen
        moments: Sequence[float] = self._times_ms if has_clock else range(len(self._hashes))
        shapes = self._shapes(chosen, broadcasts, moments)
        return Reach(
            count / len(broadcasts), "capture" if has_clock else "order", count, len(broadcasts), NEAR_MS, shapes
        )

    def _by_time(self, chosen: Sequence[int]) -> Iterator[list[int]]:
        """The deliveries of each broadcast: the same payload to other connections within `NEAR_MS`."""
        together: list[int] = []
        receivers: set[int] = set()
        for at in sorted(chosen, key=lambda at: (self._hashes[at], self._times_ms[at], at)):
            if together and not (
                self._hashes[at] == self._hashes[together[0]]
                and self._times_ms[at] <= self._times_ms[together[0]] + NEAR_MS
                and self._connections[at] not in receivers
            ):
                yield together
                together, receivers = [], set()
            together.append(at)
            receivers.add(self._connections[at])
        if together:
            yield together

    def _by_order(self, chosen: Sequence[int]) -> Iterator[list[int]]:
        """The same without a clock: copies that stand next to each other, but for a few messages."""
        open_ones: dict[int, list[int]] = {}
        receivers: dict[int, set[int]] = {}
        last_at: dict[int, int] = {}
        for number, at in enumerate(chosen):
            payload = self._hashes[at]
            together = open_ones.get(payload)
            if together is not None and (
                number - last_at[payload] > 1 + _NEAR_MESSAGES or self._connections[at] in receivers[payload]
            ):
                yield together
                together = None
            if together is None:
                together = open_ones[payload] = []
                receivers[payload] = set()
            together.append(at)
            receivers[payload].add(self._connections[at])
            last_at[payload] = number
        yield from open_ones.values()

    def _shapes(
        self, chosen: Sequence[int], broadcasts: Sequence[Sequence[int]], moments: Sequence[float]
    ) -> tuple[ReachShape, ...]:
        """Whom the broadcasts went to, of the connections that were there, from their first message to their last."""
        first: dict[int, float] = {}
        last: dict[int, float] = {}
        for at in chosen:
            connection, moment = self._connections[at], moments[at]
            first[connection] = min(first.get(connection, moment), moment)
            last[connection] = max(last.get(connection, moment), moment)
        begins, ends = sorted(first.values()), sorted(last.values())
        counts: Counter[str] = Counter()
        copies: Counter[str] = Counter()
        for together in broadcasts:
            low, high = min(moments[at] for at in together), max(moments[at] for at in together)
            there = bisect_right(begins, high) - bisect_left(ends, low)
            shape = _shape(len(together), there)
            counts[shape] += 1
            copies[shape] += len(together)
        return tuple(ReachShape(shape, counts[shape], copies[shape]) for shape in SHAPES if counts[shape])


def _shape(receivers: int, there: int) -> str:
    if receivers >= there and there > 1:
        return "to all"
    if receivers == 1:
        return "to one"
    return "to all but one" if receivers == there - 1 else "to some"
