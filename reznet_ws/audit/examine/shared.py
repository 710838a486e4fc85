"""One deflate window for all connections of a capture, message by message, by the server's own code.

In: the captured messages with their times. Out: the bytes of all connections together.
Never: takes what several connections got for one broadcast where it came to them in another order.

A capture holds what each connection got, not what was emitted. The same frames to several connections within `NEAR_MS`
were one broadcast; what a receiver got before its copy leaves before it, if nobody else has a copy of that. So the
order on each connection is that of the capture. A connection leaves its window with its last message.
"""

from __future__ import annotations

import heapq
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from reznet_ws.audit.examine.departures import Departure, EncodedMessage, encode, pack_together
from reznet_ws.audit.examine.replayed import SharedWindow
from reznet_ws.audit.examine.topology import BROADCAST_KINDS, NEAR_MS
from reznet_ws.audit.read.capture import Direction, Kind
from reznet_ws.audit.read.spool import Kept, Spool, label_of
from reznet_ws.deflate.frame import Frame
from reznet_ws.deflate.histories import Histories
from reznet_ws.deflate.inflater import Inflater
from reznet_ws.message.batch import Batch, MessageBatcher
from reznet_ws.settings import Settings

# More connections would hold too much of the capture in memory while copies are looked for.
MAX_CONNECTIONS = 500
# Acks, pings and the like: the same text to two connections is no broadcast.
_LABELS_OF_ONE = frozenset(label_of(kind) for kind in Kind if kind not in BROADCAST_KINDS)
_LOOK_AHEAD = 32
_LOOK_EVERY = 500
# What all connections together look ahead, as captured; what is decoded of it takes several times as much.
_LOOK_AHEAD_BYTES = 16 * 2**20


def share_window(
    spool: Spool,
    settings: Settings,
    own_bytes: int,
    progress: Callable[[int], None] = lambda _: None,
    clock: Callable[[], float] = time.thread_time,
) -> SharedWindow | None:
    """What all connections take with one window; None where there are too many of them.

    `own_bytes`: what they take with a window for each. `progress` is told how many more messages are done.
    """
    connections = spool.connections(Direction.RECEIVED)
    if len(connections) > MAX_CONNECTIONS:
        return None
    room = _SharedRoom(connections, settings, clock)
    broadcasts = 0
    for receivers, kept, gone in broadcasts_of(spool):
        room.emit(receivers, kept)
        room.leave(gone)
        broadcasts += 1
        progress(len(receivers))
    room.close()
    return SharedWindow(
        connections=len(connections),
        deliveries=room.deliveries,
        broadcasts=broadcasts,
        own_bytes=own_bytes,
        shared_bytes=room.wire_bytes,
        deflate_us=1e6 * room.deflate_s / max(1, room.deliveries),
        memory_bytes=room.memory_bytes,
    )


def broadcasts_of(spool: Spool) -> Iterator[tuple[list[int], Kept, list[int]]]:
    """Who got what, in the order of time; and for whom of them it was the last."""
    connections = spool.connections(Direction.RECEIVED)
    most_bytes = _LOOK_AHEAD_BYTES // max(1, len(connections))
    queues = {connection: _Queue(spool.read(Direction.RECEIVED, connection), most_bytes) for connection in connections}
    # Frames -> connections that have them ahead.
    ahead: dict[int, Counter[int]] = {}
    heap: list[tuple[float, int, int]] = []

    def fill(connection: int) -> None:
        queue = queues[connection]
        for key in queue.fill():
            ahead.setdefault(key, Counter())[connection] += 1
        if queue.waiting:
            heapq.heappush(heap, (queue.waiting[0][0], queue.taken, connection))

    def take(connection: int) -> Kept:
        _, key, kept = queues[connection].take()
        holders = ahead[key]
        holders[connection] -= 1
        if not holders[connection]:
            del holders[connection]
        if not holders:
            del ahead[key]
        return kept

    def gone(connections: Sequence[int]) -> list[int]:
        for connection in connections:
            fill(connection)
        return [connection for connection in connections if not queues[connection].waiting]

    for connection in queues:
        fill(connection)
    while heap:
        now_ms, taken, first = heapq.heappop(heap)
        if taken != queues[first].taken or not queues[first].waiting:
            continue  # it left with another's
        key = queues[first].waiting[0][1]
        receivers = [first]
        for connection in list(ahead[key]):
            if connection == first:
                continue
            before = queues[connection].before(key, now_ms + NEAR_MS)
            if before is None or any(len(ahead[other]) > 1 for other in before):
                continue
            for _ in before:
                yield [connection], take(connection), []
            receivers.append(connection)
        kept, *_ = [take(connection) for connection in receivers]
        # As a room has them: who comes first tips the balance between ways to share that cost the same.
        yield sorted(receivers), kept, gone(receivers)


class _Queue:
    """One connection's messages, some of them in advance: no more than `_LOOK_AHEAD`, and than fit in `most_bytes`."""

    __slots__ = ("_messages", "_most_bytes", "_now_ms", "_read", "_waiting_bytes", "taken", "waiting")

    def __init__(self, messages: Iterator[Kept], most_bytes: int) -> None:
        self._messages = messages
        self._most_bytes = most_bytes
        self._now_ms = 0.0
        self._read = self._waiting_bytes = 0
        self.taken = 0
        self.waiting: deque[tuple[float, int, Kept]] = deque()

    def fill(self) -> Iterator[int]:
        """Read ahead; the keys of what was read."""
        while not self.waiting or (len(self.waiting) < _LOOK_AHEAD and self._waiting_bytes < self._most_bytes):
            kept = next(self._messages, None)
            if kept is None:
                return
            self._now_ms = max(self._now_ms, kept.time_ms or 0)
            is_for_one = kept.args is None and kept.label in _LABELS_OF_ONE
            key = hash((id(self), self._read) if is_for_one else kept.parts)
            self._read += 1
            self.waiting.append((self._now_ms, key, kept))
            self._waiting_bytes += kept.payload_bytes
            yield key

    def take(self) -> tuple[float, int, Kept]:
        """The next."""
        self.taken += 1
        time_ms, key, kept = self.waiting.popleft()
        self._waiting_bytes -= kept.payload_bytes
        return time_ms, key, kept

    def before(self, key: int, until_ms: float) -> list[int] | None:
        """The keys of what comes before a message; None where it does not come in time."""
        keys: list[int] = []
        for time_ms, other, _ in self.waiting:
            if time_ms > until_ms:
                return None
            if other == key:
                return keys
            keys.append(other)
        return None


@dataclass(slots=True)
class _Reader:
    """A connection, as far as histories know it."""

    inflater: Inflater = field(default_factory=lambda: Inflater(15))


class _SharedRoom:
    """Everybody's inflater, and what waits in a batch."""

    def __init__(self, connections: Sequence[int], settings: Settings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._histories = Histories()
        self._readers = {connection: _Reader() for connection in connections}
        self._writes, self._next_look = 0, 1
        self._batcher: MessageBatcher[int, tuple[float, EncodedMessage]] = MessageBatcher(settings)
        self._now_ms = 0.0
        self._clock = clock
        self.deliveries = self.wire_bytes = 0
        self.memory_bytes = 0.0
        self.deflate_s = 0.0

    def emit(self, receivers: Sequence[int], kept: Kept) -> None:
        """Send a message to some, at its time."""
        self._now_ms = max(self._now_ms, kept.time_ms or 0)
        while (closes_ms := self._batcher.closes_ms) is not None and closes_ms < self._now_ms:
            self._send(self._batcher.due(closes_ms), closes_ms)
        (item,) = encode([kept], self._settings)
        if item.message is None:
            self._write(receivers, Departure(kept.frames, [item], [0.0]))
            return
        settings = self._settings
        may_wait = (
            settings.batch and kept.time_ms is not None and kept.ack_id is None and item.message.may_wait(settings)
        )
        batches = self._batcher.add(receivers, (self._now_ms, item), self._now_ms, may_wait=may_wait)
        self._send(batches, self._now_ms)

    def leave(self, connections: Sequence[int]) -> None:
        """They go, with what waits for them."""
        self._send(self._batcher.flush(connections), self._now_ms)
        for connection in connections:
            self._histories.leave(self._readers[connection].inflater)
            self._batcher.discard(connection)

    def close(self) -> None:
        """Send what waits."""
        self._send(self._batcher.flush(), self._now_ms)

    def _send(self, batches: Sequence[Batch[int, tuple[float, EncodedMessage]]], now_ms: float) -> None:
        for batch in batches:
            for departure in pack_together(batch.messages, now_ms, self._settings):
                self._write(batch.receivers, departure)

    def _write(self, receivers: Sequence[int], departure: Departure) -> None:
        readers = [self._readers[receiver] for receiver in receivers]
        self.deliveries += len(receivers) * len(departure.messages)
        began_s = self._clock()
        for opcode, data in departure.frames:
            ways = self._histories.frames(Frame(opcode, data), readers, self._settings)
            self.wire_bytes += sum(len(frame) * len(to) for frame, to in ways)
        self.deflate_s += self._clock() - began_s
        self._look()

    def _look(self) -> None:
        """How much is held for each connection, now and then: the most that was seen."""
        self._writes += 1
        if self._writes < self._next_look:
            return
        self._next_look += min(self._writes, _LOOK_EVERY)
        held = self._histories.figures()
        if held.connections:
            self.memory_bytes = max(self.memory_bytes, (held.text_bytes + held.kept_bytes) / held.connections)
