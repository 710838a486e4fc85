"""The messages of a capture on disk, so that each connection can be replayed by itself, as often as needed.

In: messages as they are read, of all connections. Out: one connection's messages, in order.
Never: holds more than one message in memory; what stays is 8 bytes for each. The file has no name and is gone when it
is closed; what it holds was written here, so it can be read back without suspicion.

Compressors are why: 200 connections in 40 variants of the settings would need 8,000 of them at once, at 160 KB each.
One connection after the other needs 40.
"""

from __future__ import annotations

import pickle
import tempfile
from array import array
from collections import Counter
from collections.abc import Iterator
from types import TracebackType
from typing import Any, NamedTuple, Self

from websockets.frames import Opcode

from reznet_ws.audit.read.capture import Direction, Kind
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
    def frames(self) -> list[tuple[Opcode, bytes]]:
        """The WebSocket frames as captured, before compression."""
        return [
            (Opcode.TEXT, part.encode(errors="surrogatepass")) if isinstance(part, str) else (Opcode.BINARY, part)
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
        self._payload_bytes[direction][connection] += kept.payload_bytes
        self._file.seek(self._end)
        self._file.write(body)
        self._end += len(body)

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
            self._file.seek(start)
            yield Kept(*pickle.load(self._file))

    def read_all(self, direction: Direction) -> Iterator[Kept]:
        """Every connection's messages, one connection after the other."""
        for connection in self.connections(direction):
            yield from self.read(direction, connection)
