r"""What a frame means: Engine.IO 3 and 4, and the Socket.IO packets inside.

In: the frames of one connection (or the bodies of its long-polling requests), in order. Out: `Record`s, and what could
not be understood.
Never: reads a file; guesses message by message.

Whether a connection speaks Engine.IO is decided once: because its address says `EIO=`, or else by its first frame,
which has to be an open packet (`0{"sid":...}` with a `pingInterval`) or a probe (`2probe`). Every frame of any other
connection is PLAIN, also one that reads `42["a"]`.

A connection that does speak Engine.IO may have frames that are no packet: they are PLAIN too. An Engine.IO message
that is no Socket.IO packet is a MESSAGE: Engine.IO is also used by itself.

Source: github.com/socketio/engine.io-protocol (revisions 3 and 4), github.com/socketio/socket.io-protocol (revisions 4
and 5), engine.io-parser 2.2 for revision 3's binary bodies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reznet_ws.audit.read.capture import Direction, Kind, Record, Transport
from reznet_ws.audit.read.engineio_packets import engineio_of, engineio_packet
from reznet_ws.audit.read.polling_bodies import split_body
from reznet_ws.audit.read.socketio_packets import NotAPacket, SocketioPacket, filled, msgpack_packet, socketio_packet

# A frame above this is reported, not read. socket.io's default limit for what comes in is 1 MB.
MAX_FRAME_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Fault:
    """Why something was not understood."""

    reason: str


@dataclass(slots=True)
class _Unfinished:
    """A binary packet whose attachments have not all come."""

    packet: SocketioPacket
    parts: list[str | bytes]
    attachments: list[bytes]
    at_ms: float | None
    transport: Transport
    held_bytes: int


class ProtocolDecoder:
    """Turns the frames of one connection into records.

    `engineio`: the revision that its address names, None if it names none. `holds_binary`: False for a source that does
    not have binary data as it was; it is left out, no attachment is waited for, and placeholders stay where they are.
    """

    def __init__(self, connection: int, engineio: int | None = None, *, holds_binary: bool = True) -> None:
        self._connection = connection
        self._engineio = engineio
        self._is_decided = engineio is not None
        self._holds_binary = holds_binary
        self._waiting: dict[Direction, _Unfinished] = {}
        self._strangers = 0
        self._owed = dict.fromkeys(Direction, 0)
        self._left_out = 0

    @property
    def engineio(self) -> int | None:
        """The revision, None for a connection that does not speak Engine.IO or has not begun."""
        return self._engineio

    def frame(self, direction: Direction, frame: str | bytes, at_ms: float | None = None) -> Iterator[Record | Fault]:
        """What one WebSocket message means: nothing yet, if it waits for attachments."""
        if not self._is_decided:
            self._engineio = engineio_of(frame)
            self._is_decided = True
        if self._engineio is None:
            yield Record(self._connection, direction, Kind.PLAIN, (frame,), at_ms)
        else:
            yield from self._packet(direction, frame, at_ms, Transport.WEBSOCKET)

    def body(self, direction: Direction, body: str | bytes, at_ms: float | None = None) -> Iterator[Record | Fault]:
        """What the body of one long-polling request (SENT) or response (RECEIVED) means."""
        revision = 4 if self._engineio is None else self._engineio
        try:
            for packet in split_body(body, revision):
                yield from self._packet(direction, packet, at_ms, Transport.POLLING)
        except NotAPacket as error:
            yield Fault(f"a long-polling body ends in what is no packet: {error}")

    def packet(
        self, direction: Direction, packet: str | bytes, at_ms: float | None = None, *, transport: Transport
    ) -> Iterator[Record | Fault]:
        """What one packet means, for a source that has those of Engine.IO rather than frames."""
        if not self._is_decided:
            self._engineio = engineio_of(packet) or 4
            self._is_decided = True
        yield from self._packet(direction, packet, at_ms, transport)

    def owes(self, direction: Direction) -> bool:
        """Whether attachments of the last packet are still to come, from a source that does not hold them."""
        return self._owed[direction] > 0

    def leave_out(self, direction: Direction) -> None:
        """There was binary data, but the source does not have it."""
        self._left_out += 1
        self._owed[direction] = max(0, self._owed[direction] - 1)

    def close(self) -> Iterator[Record | Fault]:
        """What is left when the capture ends."""
        for direction in list(self._waiting):
            yield from self._give_up(direction)
        if self._strangers > 1:
            yield Fault(f"{self._strangers} frames of this connection are no Engine.IO packets")
        if self._left_out:
            yield Fault(f"{self._left_out} binary messages of this connection are left out: a log does not hold them")

    def _packet(
        self, direction: Direction, packet: str | bytes, at_ms: float | None, transport: Transport
    ) -> Iterator[Record | Fault]:
        if self._owed[direction]:
            self.leave_out(direction)
            return
        try:
            kind, content = engineio_packet(packet, self._engineio)
        except NotAPacket as error:
            self._strangers += 1
            if self._strangers == 1:
                yield Fault(f"no Engine.IO packet: {error}; counted as a plain frame")
            yield Record(self._connection, direction, Kind.PLAIN, (packet,), at_ms, transport)
            return
        if kind is not Kind.MESSAGE:
            yield Record(self._connection, direction, kind, (packet,), at_ms, transport)
        elif isinstance(content, bytes):
            yield from self._binary(direction, packet, content, at_ms, transport)
        else:
            yield from self._text(direction, packet, content, at_ms, transport)

    def _text(
        self, direction: Direction, frame: str | bytes, content: str, at_ms: float | None, transport: Transport
    ) -> Iterator[Record | Fault]:
        if direction in self._waiting:
            yield from self._give_up(direction)
        try:
            packet = socketio_packet(content)
        except NotAPacket as error:
            yield Record(self._connection, direction, Kind.MESSAGE, (frame,), at_ms, transport)
            if error.args:
                yield Fault(str(error))
            return
        if not self._holds_binary:
            self._owed[direction] = packet.attachments
        elif packet.attachments:
            self._waiting[direction] = _Unfinished(packet, [frame], [], at_ms, transport, len(frame))
            return
        yield self._record(direction, packet, (frame,), at_ms, transport)

    def _binary(
        self, direction: Direction, frame: str | bytes, content: bytes, at_ms: float | None, transport: Transport
    ) -> Iterator[Record | Fault]:
        waiting = self._waiting.get(direction)
        if waiting is None:
            packet = msgpack_packet(content)
            if packet is None:
                yield Record(self._connection, direction, Kind.MESSAGE, (frame,), at_ms, transport)
            else:
                yield self._record(direction, packet, (frame,), at_ms, transport)
            return
        waiting.parts.append(frame)
        waiting.attachments.append(content)
        waiting.held_bytes += len(frame)
        if waiting.held_bytes > MAX_FRAME_BYTES:
            yield from self._give_up(direction)
        elif len(waiting.attachments) == waiting.packet.attachments:
            del self._waiting[direction]
            try:
                waiting.packet.args = filled(waiting.packet.args, waiting.attachments)
            except NotAPacket as error:
                yield from self._as_messages(direction, waiting)
                yield Fault(str(error))
                return
            parts = tuple(waiting.parts)
            yield self._record(direction, waiting.packet, parts, waiting.at_ms, waiting.transport)

    def _give_up(self, direction: Direction) -> Iterator[Record | Fault]:
        waiting = self._waiting.pop(direction)
        yield from self._as_messages(direction, waiting)
        yield Fault(
            f"a binary packet has {len(waiting.attachments)} of its {waiting.packet.attachments} attachments "
            f"({waiting.held_bytes} bytes); counted frame by frame"
        )

    def _as_messages(self, direction: Direction, waiting: _Unfinished) -> Iterator[Record]:
        for part in waiting.parts:
            yield Record(self._connection, direction, Kind.MESSAGE, (part,), waiting.at_ms, waiting.transport)

    def _record(
        self,
        direction: Direction,
        packet: SocketioPacket,
        parts: tuple[str | bytes, ...],
        at_ms: float | None,
        transport: Transport,
    ) -> Record:
        return Record(
            connection=self._connection,
            direction=direction,
            kind=packet.kind,
            parts=parts,
            time_ms=at_ms,
            transport=transport,
            event=packet.event,
            namespace=packet.namespace,
            args=tuple(packet.args),
            ack_id=packet.ack_id,
        )
