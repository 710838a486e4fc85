"""A client without a socket: what is written on its line, and what its handlers would get."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from deflate.reader import Reader
from outgoing.sockets import Socket
from socketio.packet import ACK, BINARY_ACK, Packet

from reznet_ws.client.decoder import unpack
from reznet_ws.client.rows_decoder import RowsDecoder
from reznet_ws.message.packet import BATCH_EVENT
from reznet_ws.message.payload import decode_payload
from reznet_ws.outgoing.broadcast import Broadcast
from reznet_ws.outgoing.connection import Connection
from reznet_ws.outgoing.dispatch import Dispatch
from reznet_ws.outgoing.line import Line
from reznet_ws.replay.frames import split_frames

RSV1, CLOSE, PING = 0x40, 0x8, 0x9
GOODBYE = bytes((0x80 | CLOSE, 2, 3, 245))
# Sent again and again, so that there is much to refer to, within a message and across them.
WORDS = {"plan": 5, "task": 30, "agent": 60, "status": 60, "é😀": 60, "workflow": 120, "message": 300, "token": 300}
PARAGRAPHS = [" ".join(f"{word}{number * 7919 % 1013}" for number in range(count)) for word, count in WORDS.items()]
# What no client may be sent compressed.
SECRET = "sesame"

# Namespace, ack id, event (None for an acknowledgement), arguments as text; or a control frame.
Item = tuple[str, int | None, str | None, str] | int


class Granted(NamedTuple):
    """The namespaces in which a client has format 2, and those in which it has format 3."""

    short: frozenset[str] = frozenset()
    rows: frozenset[str] = frozenset()


class Session:
    """A queue that somebody polls, until there is a line."""

    def __init__(self) -> None:
        self.queued_bytes = 0
        self.queue: list[tuple[Dispatch, int]] = []
        self.is_slow = self.upgraded = False

    def enqueue(self, dispatch: Dispatch) -> bool:
        self.queue += [(dispatch, index) for index in range(len(dispatch.parts))]
        return True

    def close_slow(self) -> None:
        self.is_slow = True

    def log_sent(self, data: str | bytes) -> None:
        pass


@dataclass
class _Part:
    data: str | bytes
    is_compressed: bool
    wire_bytes: int
    # Whether another packet of the same frame came before it.
    is_next: bool = False


class Client:
    """Its connection, and what came of what it was sent. Full of sentinels: see `Reader`."""

    def __init__(self, road: Broadcast, sid: str, offer: tuple[int, bool, bool], granted: Granted) -> None:
        self.session = Session()
        self.connection = Connection(sid, self.session)
        self.connection.granted, self.connection.granted_rows = granted
        self.road, self.granted = road, granted
        self.socket = Socket()
        self.line: Line | None = None
        self.expected: list[Item] = []
        self.received: list[Item] = []
        # As the ledger should have it: of packets with events, at the line.
        self.deliveries: Counter[str] = Counter()
        self.event_bytes = self.event_frames = 0
        self._reader = Reader(offer[0], takeover=offer[1], offers=offer[2])
        self._rows = RowsDecoder()
        self._packet: Packet | None = None
        self._is_compressed = False
        self._read_bytes = 0
        road.connections[sid] = self.connection
        road.connections.changed()

    def upgrade(self) -> None:
        """From now on it has a line; what is queued goes first, as `Session` does it."""
        self.socket.line = self.line = Line(self.socket, self.road.ledger)
        self.line.inflater = self._reader.inflater
        self.road.open_line(self.connection, self.line)
        for dispatch, index in self.session.queue:
            self.road.post_part(self.connection, dispatch, index)
        self.session.queue.clear()

    def poll(self) -> None:
        """Take what is queued, by long-polling."""
        for dispatch, index in self.session.queue:
            part = dispatch.parts[index]
            self._take(_Part(f"4{part}" if isinstance(part, str) else part, False, 0))
        self.session.queue.clear()

    def read(self) -> None:
        """Take the whole frames on its line."""
        data = self.socket.written[self._read_bytes :]
        frames = split_frames(data)
        assert sum(map(len, frames)) == len(data), "half a frame was written"
        self._read_bytes += len(data)
        for wire in frames:
            opcode = wire[0] & 0x0F
            if opcode in (PING, CLOSE):
                self.received.append(opcode)
                continue
            self._reader.take(wire)
            payload: Any = self._reader.received[-1]
            self._take(_Part(payload.decode() if opcode == 1 else payload, bool(wire[0] & RSV1), len(wire)))

    def _take(self, part: _Part) -> None:
        if not isinstance(part.data, str) or not self.granted.rows:
            self._take_packet(part)
            return
        for number, text in enumerate(self._rows.decode(part.data[1:])):
            self._take_packet(replace(part, data=f"4{text}", is_next=number > 0))

    def _take_packet(self, part: _Part) -> None:
        is_first = isinstance(part.data, str)
        if isinstance(part.data, str):
            assert self._packet is None, "a packet in the midst of another"
            assert part.data[0] == "4"
            self._packet, self._is_compressed = Packet(encoded_packet=part.data[1:]), False
        assert self._packet is not None, "an attachment of nothing"
        self._is_compressed |= part.is_compressed
        packet = self._packet
        is_event = packet.packet_type not in (ACK, BINARY_ACK)
        if is_event and part.wire_bytes:
            self.event_bytes += 0 if part.is_next else part.wire_bytes
            self.event_frames += not part.is_next
            if is_first:
                self.deliveries.update(event for _, _, event, _ in self.items(packet, look_inside=False))
        if is_first and packet.attachment_count:
            return
        if not is_first and not packet.add_attachment(part.data):
            return
        self._packet = None
        items = self.items(packet)
        assert not (self._is_compressed and SECRET in repr(items)), "a secret was compressed"
        self.received += items

    def items(self, packet: Packet, *, look_inside: bool = True) -> list[Any]:
        """What its handlers get of a packet."""
        namespace = packet.namespace or "/"
        if packet.packet_type in (ACK, BINARY_ACK):
            return [(namespace, packet.id, None, repr(packet.data))]
        event, *args = packet.data
        events = [(event, args)]
        is_short = namespace in self.granted.short
        if is_short and event == BATCH_EVENT and len(args) == 1 and packet.id is None:
            events = unpack(args[0])
        return [
            (
                namespace,
                packet.id,
                name,
                repr([decode_payload(arg) if is_short else arg for arg in values] if look_inside else ""),
            )
            for name, values in events
        ]

    def items_of(self, dispatch: Dispatch) -> list[Item]:
        """What its handlers would get of a whole packet."""
        text, *attachments = dispatch.parts
        packet = Packet(encoded_packet=text)
        for attachment in attachments:
            packet.add_attachment(attachment)
        return self.items(packet)
