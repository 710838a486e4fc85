"""What there is in a capture: connections, messages by kind, events.

In: records, as they are read. Out: counts. Never: keeps a message; connections and events past a bound are summed up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from reznet_ws.audit.examine.findings import ConnectionCount, EventCount, KindCount
from reznet_ws.audit.examine.names import Names
from reznet_ws.audit.read.capture import Opened, Record
from reznet_ws.audit.read.spool import MAX_BOOKED_CHARACTERS
from reznet_ws.ledger import MAX_EVENTS, OTHER_EVENTS

_MAX_CONNECTIONS = 2000
_OTHER_CONNECTIONS = Opened(-1, "(other connections)", "")
_MAX_EVENTS_EACH = 200

_KindKey = tuple[str, str, str]
_EventKey = tuple[str, str]


@dataclass(slots=True)
class _Tallies:
    opened: Opened
    messages: Counter[_KindKey] = field(default_factory=Counter)
    frames: Counter[_KindKey] = field(default_factory=Counter)
    payload_bytes: Counter[_KindKey] = field(default_factory=Counter)
    events: Counter[_EventKey] = field(default_factory=Counter)
    event_bytes: Counter[_EventKey] = field(default_factory=Counter)

    def add(self, record: Record, size: int, most_events: int) -> None:
        key = record.direction.value, record.kind.value, record.transport.value
        self.messages[key] += 1
        self.frames[key] += len(record.parts)
        self.payload_bytes[key] += size
        if record.event is not None:
            event = record.direction.value, record.event[:MAX_BOOKED_CHARACTERS]
            if event not in self.events and len(self.events) >= most_events:
                event = record.direction.value, OTHER_EVENTS
            self.events[event] += 1
            self.event_bytes[event] += size

    def kinds(self) -> tuple[KindCount, ...]:
        return tuple(
            KindCount(*key, messages, self.frames[key], self.payload_bytes[key])
            for key, messages in sorted(self.messages.items())
        )

    def event_counts(self, names: Names) -> tuple[EventCount, ...]:
        """By what is shown of the names, most bytes first."""
        messages: Counter[_EventKey] = Counter()
        payload_bytes: Counter[_EventKey] = Counter()
        for (direction, event), count in self.events.items():
            shown = direction, event if event == OTHER_EVENTS else names.event(event)
            messages[shown] += count
            payload_bytes[shown] += self.event_bytes[direction, event]
        counts = [EventCount(*key, count, payload_bytes[key]) for key, count in messages.items()]
        return tuple(sorted(counts, key=lambda count: (-count.payload_bytes, count.direction, count.event)))


class Census:
    """Counts records."""

    def __init__(self) -> None:
        self._opened: dict[int, Opened] = {}
        self._counts: dict[int, _Tallies] = {}
        self._all = _Tallies(_OTHER_CONNECTIONS)
        self._files: set[str] = set()
        # When the first and the last message of a connection came, either way.
        self._spans_ms: dict[int, tuple[float, float]] = {}

    def open(self, opened: Opened) -> None:
        """Note a connection, also one without messages."""
        self._files.add(opened.file)
        self._of(opened.connection, opened)

    def add(self, record: Record, size: int) -> None:
        """Count a message whose frames have that size."""
        self._of(record.connection).add(record, size, _MAX_EVENTS_EACH)
        self._all.add(record, size, MAX_EVENTS)
        now_ms = record.time_ms
        if now_ms is not None:
            first_ms, last_ms = self._spans_ms.get(record.connection, (now_ms, now_ms))
            self._spans_ms[record.connection] = min(first_ms, now_ms), max(last_ms, now_ms)

    @property
    def messages(self) -> int:
        """How many there were."""
        return self._all.messages.total()

    @property
    def files(self) -> int:
        """How many files had connections."""
        return len(self._files)

    @property
    def connections(self) -> int:
        """How many were opened."""
        return len(self._opened)

    def connected_ms(self, connections: Iterable[int]) -> float | None:
        """How long some connections were seen, summed; None where none has a clock."""
        spans = [self._spans_ms[connection] for connection in connections if connection in self._spans_ms]
        return sum(last_ms - first_ms for first_ms, last_ms in spans) if spans else None

    def kinds(self) -> tuple[KindCount, ...]:
        """Of all connections."""
        return self._all.kinds()

    def counts(self, names: Names) -> tuple[ConnectionCount, ...]:
        """Each connection."""
        return tuple(
            ConnectionCount(
                connection=counts.opened.connection,
                url=names.address(counts.opened.url),
                file=names.file(counts.opened.file),
                engineio=counts.opened.engineio,
                duration_ms=self.connected_ms([counts.opened.connection]),
                kinds=counts.kinds(),
                events=counts.event_counts(names),
            )
            for counts in self._counts.values()
        )

    def _of(self, connection: int, opened: Opened | None = None) -> _Tallies:
        if opened is not None:
            self._opened[connection] = opened
        if connection not in self._counts and len(self._counts) >= _MAX_CONNECTIONS:
            return self._counts.setdefault(_OTHER_CONNECTIONS.connection, _Tallies(_OTHER_CONNECTIONS))
        if connection not in self._counts:
            known = self._opened.get(connection) or Opened(connection, "", "")
            self._counts[connection] = _Tallies(known)
        return self._counts[connection]
