"""The messages of a capture on disk, so that each connection can be replayed by itself, as often as needed.

In: messages as they are read, of all connections. Out: one connection's messages, in order.
Never: holds more than one message in memory; what stays is 12 bytes for each. The file has no name and is gone when it
is closed; what it holds was written here, so it can be read back without suspicion.

Compressors are why: 200 connections in 40 variants of the settings would need 8,000 of them at once, at 160 KB each.
One connection after the other needs 40.
"""

from __future__ import annotations

import pickle
import tempfile
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, NamedTuple, Self

from reznet_ws.audit.read.capture import Direction, Kind
from reznet_ws.deflate.frame import BINARY, TEXT
from reznet_ws.ledger import MAX_EVENTS, OTHER_EVENTS

# What is longer is shown as nobody's name (`names.py`), and would stand in memory once for each variant.
MAX_BOOKED_CHARACTERS = 65


class Kept(NamedTuple):
    """One message as the replay takes it.

    `parts` as captured. `args` is None for what only deflate can change: acks, pings, plain frames, and events that our
    JSON cannot carry. `label` is the event's name, or the kind in brackets.
    """

    time_ms: float | None
    label: str
    parts: tuple[str | bytes, ...]
    args: tuple[Any, ...] | None = None
    namespace: str = "/"
    ack_id: int | None = None

    @property
    def frames(self) -> list[tuple[int, bytes]]:
        """The WebSocket frames as captured, before compression."""
        return [
            (TEXT, part.encode(errors="surrogatepass")) if isinstance(part, str) else (BINARY, part)
            for part in self.parts
        ]

    @property
    def payload_bytes(self) -> int:
        """What the frames hold, as captured."""
        return sum(len(data) for _, data in self.frames)


def label_of(kind: Kind) -> str:
    """The label of what is no event."""
    return f"({kind})"


def book(counts: Counter[str], label: str, amount: int) -> None:
    """Add to a label's count, or to the others' where there are `MAX_EVENTS` labels already."""
    label = label[:MAX_BOOKED_CHARACTERS]
    if label not in counts and len(counts) >= MAX_EVENTS:
        label = OTHER_EVENTS
    counts[label] += amount


class Spool:
    """A temporary file of messages, by direction and connection."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed on leaving)
        self._end = 0
        self._starts: dict[Direction, dict[int, array[int]]] = {direction: {} for direction in Direction}
        self._sizes: dict[Direction, dict[int, array[int]]] = {direction: {} for direction in Direction}
        self._payload_bytes: dict[Direction, Counter[int]] = {direction: Counter() for direction in Direction}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, direction: Direction, connection: int, kept: Kept) -> None:
        """Append one message."""
        body = pickle.dumps(tuple(kept), pickle.HIGHEST_PROTOCOL)
        self._starts[direction].setdefault(connection, array("Q")).append(self._end)
        self._sizes[direction].setdefault(connection, array("L")).append(kept.payload_bytes)
        self._payload_bytes[direction][connection] += kept.payload_bytes
        self._file.seek(self._end)
        self._file.write(body)
        self._end += len(body)

    def set_aside(self, connections: Iterable[int]) -> int:
        """Forget some connections; the payload bytes that they were sent."""
        forgotten_bytes = 0
        for connection in connections:
            forgotten_bytes += self._payload_bytes[Direction.RECEIVED].pop(connection, 0)
            self._payload_bytes[Direction.SENT].pop(connection, None)
            for direction in Direction:
                self._starts[direction].pop(connection, None)
                self._sizes[direction].pop(connection, None)
        return forgotten_bytes

    def cut_to(self, most_bytes: int) -> bool:
        """Keep the leading part of each connection, the same share of its bytes; whether anything was cut."""
        is_cut = False
        for direction in Direction:
            whole_bytes = self.all_payload_bytes(direction)
            if whole_bytes <= most_bytes:
                continue
            is_cut = True
            for connection, sizes in self._sizes[direction].items():
                quota_bytes = self._payload_bytes[direction][connection] * most_bytes / whole_bytes
                kept_bytes = count = 0
                while count < len(sizes) and (count == 0 or kept_bytes + sizes[count] <= quota_bytes):
                    kept_bytes += sizes[count]
                    count += 1
                del sizes[count:]
                del self._starts[direction][connection][count:]
                self._payload_bytes[direction][connection] = kept_bytes
        return is_cut

    def span_ms(self, connection: int) -> float | None:
        """How long the messages of a connection last, from the first that has a time to the last."""
        ends = []
        for starts in (self._starts[direction].get(connection) for direction in Direction):
            ends += [self._at(starts[0]).time_ms, self._at(starts[-1]).time_ms] if starts else []
        times_ms = [time_ms for time_ms in ends if time_ms is not None]
        return max(times_ms) - min(times_ms) if times_ms else None

    def connections(self, direction: Direction) -> list[int]:
        """The connections that have messages in this direction, in the order of their first."""
        return list(self._starts[direction])

    def count(self, direction: Direction, connection: int) -> int:
        """How many messages one connection has."""
        return len(self._starts[direction].get(connection, ()))

    def count_all(self, direction: Direction) -> int:
        """How many messages there are."""
        return sum(map(len, self._starts[direction].values()))

    def payload_bytes(self, direction: Direction, connection: int) -> int:
        """What the frames of one connection hold."""
        return self._payload_bytes[direction][connection]

    def all_payload_bytes(self, direction: Direction) -> int:
        """What all frames hold."""
        return self._payload_bytes[direction].total()

    def read(self, direction: Direction, connection: int) -> Iterator[Kept]:
        """One connection's messages, in order."""
        for start in self._starts[direction].get(connection, ()):
            yield self._at(start)

    def read_all(self, direction: Direction) -> Iterator[Kept]:
        """Every connection's messages, one connection after the other."""
        for connection in self.connections(direction):
            yield from self.read(direction, connection)

    def _at(self, start: int) -> Kept:
        self._file.seek(start)
        return Kept(*pickle.load(self._file))
