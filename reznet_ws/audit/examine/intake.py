"""What is learned while a capture is read: counts, names, who was sent what; the messages themselves go to the disk.

In: the items that `reading.read` yields, one after the other. Out: a spool and what stands here.
Never: holds a message.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from reznet_ws.audit.examine.census import Census
from reznet_ws.audit.examine.findings import ProblemNote, Totals
from reznet_ws.audit.examine.names import Names
from reznet_ws.audit.examine.topology import BROADCAST_KINDS, Deliveries
from reznet_ws.audit.read.capture import Assumption, Carried, Direction, Item, Kind, Opened, Problem, Record, Transport
from reznet_ws.audit.read.spool import Kept, Spool, book, label_of
from reznet_ws.ledger import OTHER_EVENTS
from reznet_ws.message.payload import PayloadOptimizer
from reznet_ws.settings import Settings

# Beside events' names.
_OWN_LABELS = frozenset({OTHER_EVENTS, *map(label_of, Kind)})
_MAX_NOTES = 1000
# Of what a server sent, as much is replayed; of a larger capture the leading part of each connection.
REPLAYED_BYTES = 24 * 2**20
_NO_SOCKETIO = (
    "This is no Socket.IO: no connection speaks Engine.IO, so none of our settings apply to it. What other servers can "
    "set is below"
)
_MSGPACK = (
    'These messages are encoded by socket.io-msgpack-parser: attach() refuses a server with serializer="msgpack", so '
    "none of our settings apply to it. What other servers can set is below"
)
_ENGINEIO_ALONE = (
    "This is Engine.IO without Socket.IO: attach() takes a python-socketio server, so none of our settings apply to "
    "it. What other servers can set is below"
)


class Intake:
    """Takes items in."""

    def __init__(self, spool: Spool, names: Names) -> None:
        self.spool, self.names = spool, names
        self.census, self.deliveries = Census(), Deliveries()
        self.problems: list[ProblemNote] = []
        self.assumptions: list[ProblemNote] = []
        self.as_captured = 0
        self.labels: dict[Direction, Counter[str]] = {direction: Counter() for direction in Direction}
        self.extensions: dict[int, str | None] = {}
        self.measured_bytes: dict[int, int] = {}
        self._text_events = self._msgpack_events = self._engineio_messages = 0
        self._speaks_socketio: set[int] = set()
        self._speaks_engineio: set[int] = set()
        self._foreign_connections = self._foreign_bytes = 0
        self._received_messages = self._received_bytes = 0
        self._is_cut = False
        self._optimizer = PayloadOptimizer(Settings.off())

    def take(self, item: Item) -> None:
        """One after the other."""
        if isinstance(item, Opened):
            self.census.open(item)
            self.extensions[item.connection] = item.extensions
        elif isinstance(item, Problem):
            self._note(self.problems, item, "more problems are not shown")
        elif isinstance(item, Assumption):
            self._note(self.assumptions, item, "more is not shown")
        elif isinstance(item, Carried):
            if item.direction is Direction.RECEIVED:
                self.measured_bytes[item.connection] = item.wire_bytes
        else:
            self._record(item)

    def close(self) -> None:
        """Nothing more is to be read: leave out what is no Socket.IO beside Socket.IO, and what is too much."""
        connections = self.spool.connections(Direction.RECEIVED)
        foreign = [connection for connection in connections if connection not in self._speaks_engineio]
        if foreign and len(foreign) < len(connections):
            self._foreign_connections = len(foreign)
            self._foreign_bytes = self.spool.set_aside(foreign)
        self._received_messages = self.spool.count_all(Direction.RECEIVED)
        self._received_bytes = self.spool.all_payload_bytes(Direction.RECEIVED)
        self._is_cut = self.spool.cut_to(REPLAYED_BYTES)
        if self._is_cut or self._foreign_connections:
            for direction in Direction:
                self.labels[direction].clear()
                for kept in self.spool.read_all(direction):
                    book(self.labels[direction], kept.label, 1)

    @property
    def obstacle(self) -> str | None:
        """Why our settings cannot be set for what was read."""
        if not self.spool.count_all(Direction.RECEIVED):
            return None
        if not self._speaks_engineio.intersection(self.spool.connections(Direction.RECEIVED)):
            return _NO_SOCKETIO
        if self._msgpack_events > self._text_events:
            return _MSGPACK
        return _ENGINEIO_ALONE if self._engineio_messages and not self._speaks_socketio else None

    @property
    def replayed_measured_bytes(self) -> int | None:
        """What was on the wire of all that is replayed, where the capture has it for all."""
        connections = self.spool.connections(Direction.RECEIVED)
        if self._is_cut or not connections or not self.measured_bytes.keys() >= set(connections):
            return None
        return sum(self.measured_bytes[connection] for connection in connections)

    def show(self, label: str) -> str:
        """How what stands for an event is written."""
        return label if label in _OWN_LABELS else self.names.event(label)

    def connected_ms(self) -> float | None:
        """How long the connections lasted, each by itself, summed; of what is replayed."""
        connections = self.spool.connections(Direction.RECEIVED)
        if not self._is_cut:
            return self.census.connected_ms(connections)
        spans_ms = [span_ms for one in connections if (span_ms := self.spool.span_ms(one)) is not None]
        return sum(spans_ms) if spans_ms else None

    def totals(self) -> Totals:
        """What there was."""
        return Totals(
            files=self.census.files,
            connections=self.census.connections,
            messages=self.census.messages,
            connected_ms=self.connected_ms(),
            kinds=self.census.kinds(),
            replayed_messages=self.spool.count_all(Direction.RECEIVED),
            replayed_payload_bytes=self.spool.all_payload_bytes(Direction.RECEIVED),
            as_captured=self.as_captured,
            received_messages=self._received_messages,
            received_payload_bytes=self._received_bytes,
            foreign_connections=self._foreign_connections,
            foreign_payload_bytes=self._foreign_bytes,
        )

    def _note(self, notes: list[ProblemNote], item: Problem | Assumption, more: str) -> None:
        if len(notes) < _MAX_NOTES:
            notes.append(ProblemNote(self.names.file(item.file), item.position, item.reason))
        elif len(notes) == _MAX_NOTES:
            notes.append(ProblemNote(self.names.file(item.file), "here and later", more))

    def _record(self, record: Record) -> None:
        kept = self._keep(record)
        self.census.add(record, kept.payload_bytes)
        if record.kind is not Kind.PLAIN:
            self._speaks_engineio.add(record.connection)
        if record.event is not None:
            self.names.learn(record.event, kept.args or ())
        elif record.kind is Kind.PLAIN:
            self.names.learn(kept.label, [data for _, data in kept.frames])
        if record.transport is Transport.POLLING or not record.parts:
            return  # there is no frame that permessage-deflate could change
        if record.kind in (Kind.EVENT, Kind.ACK, Kind.CONNECT):
            self._speaks_socketio.add(record.connection)
        self._engineio_messages += record.kind is Kind.MESSAGE
        if record.kind is Kind.EVENT and record.direction is Direction.RECEIVED:
            is_msgpack = isinstance(record.parts[0], bytes)
            self._msgpack_events += is_msgpack
            self._text_events += not is_msgpack
        book(self.labels[record.direction], kept.label, 1)
        if record.direction is Direction.RECEIVED and record.kind in BROADCAST_KINDS:
            frames = [data for _, data in kept.frames]
            self.deliveries.add(record.connection, frames, kept.time_ms)
        self.spool.add(record.direction, record.connection, kept)

    def _keep(self, record: Record) -> Kept:
        if record.kind is not Kind.EVENT or record.event is None:
            return Kept(record.time_ms, label_of(record.kind), record.parts)
        args = None if record.direction is Direction.SENT else self._sendable(record)
        return Kept(record.time_ms, record.event, record.parts, args, record.namespace, record.ack_id)

    def _sendable(self, record: Record) -> tuple[Any, ...] | None:
        """The arguments, where our server could send them: not too deep, no integer of thousands of digits, ..."""
        try:
            record.namespace.encode()
            return tuple(self._optimizer.encode_plain(arg).value for arg in record.args)
        except ValueError:
            self.as_captured += 1
            return None
