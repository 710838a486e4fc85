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

import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import parse_qs

import msgpack

from reznet_ws.audit.read.capture import Direction, Kind, Record, Transport

# A frame above this is reported, not read. socket.io's default limit for what comes in is 1 MB.
MAX_FRAME_BYTES = 64 * 2**20
# socket.io-parser 4.2 takes 10; older ones have no limit. Ours keeps a hostile count from holding frames back.
MAX_ATTACHMENTS = 1_000

_ENGINEIO_KINDS = dict(
    zip("0123456", (Kind.OPEN, Kind.CLOSE, Kind.PING, Kind.PONG, Kind.MESSAGE, Kind.UPGRADE, Kind.NOOP), strict=True)
)
_SOCKETIO_KINDS = (Kind.CONNECT, Kind.DISCONNECT, Kind.EVENT, Kind.ACK, Kind.ERROR, Kind.EVENT, Kind.ACK)
_BINARY_TYPES = (5, 6)
_SEPARATOR = "\x1e"
# Type, attachments, namespace, acknowledgement; JSON follows. Nobody counts to more than 18 digits.
_SOCKETIO_HEAD = re.compile(r"([0-6])(?:([0-9]{1,10})-)?(?:(/[^,]*)(?:,|\Z))?([0-9]{0,18})")
_JSONP_RESPONSE = re.compile(r"(?:/\*\*/)?___eio\[[0-9]{1,9}\]\((.*)\);?\s*\Z", re.DOTALL)
_LENGTH = re.compile("([0-9]{1,9}):")
_BINARY_LENGTH = re.compile(rb"([\x00\x01])([\x00-\x09]{1,9})\xff")


@dataclass(frozen=True, slots=True)
class Fault:
    """Why something was not understood."""

    reason: str


class NotAPacket(Exception):
    """The bytes are not what the protocol asks for."""


@dataclass(slots=True)
class _SocketioPacket:
    """A Socket.IO packet; `args` still has placeholders where `attachments` are to come."""

    kind: Kind
    namespace: str
    ack_id: int | None
    event: str | None
    args: list[Any]
    attachments: int


@dataclass(slots=True)
class _Unfinished:
    """A binary packet whose attachments have not all come."""

    packet: _SocketioPacket
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
            self._engineio = _engineio_of(frame)
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
            self._engineio = _engineio_of(packet) or 4
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
            kind, content = _engineio_packet(packet, self._engineio)
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
            packet = _socketio_packet(content)
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
            packet = _msgpack_packet(content)
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
                waiting.packet.args = _filled(waiting.packet.args, waiting.attachments)
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
        packet: _SocketioPacket,
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


def split_body(body: str | bytes, engineio: int) -> Iterator[str | bytes]:
    """The packets of a long-polling body, with JSONP's wrapping taken off.

    Raises: NotAPacket where revision 3's lengths do not fit, after the packets before it.
    """
    if isinstance(body, bytes) and not (engineio == 3 and body[:1] in (b"\x00", b"\x01")):
        body = body.decode("utf-8", "replace")
    if isinstance(body, bytes):
        yield from _split_binary_body(body)
        return
    text = _without_jsonp(body)
    if engineio == 3:
        yield from _split_counted(text)
        return
    begin = 0
    while text and begin <= len(text):
        end = text.find(_SEPARATOR, begin)
        end = len(text) if end < 0 else end
        yield text[begin:end]
        begin = end + 1


def session_of(body: str | bytes, engineio: int) -> str | None:
    """The session that the open packet of a long-polling response names, if it holds one."""
    try:
        first = next(split_body(body[:4096], engineio), None)
    except NotAPacket:
        return None
    opened = _opened(first) if isinstance(first, str) else None
    return opened["sid"] if opened else None


def _without_jsonp(body: str) -> str:
    if body.startswith("d="):
        # Source: engine.io's polling-jsonp.js: a line feed that was escaped is unescaped after the form is decoded.
        return parse_qs(body, max_num_fields=2).get("d", [""])[0].replace("\\n", "\n")
    if "___eio[" in body[:12] and (wrapped := _JSONP_RESPONSE.match(body)):
        try:
            text = json.loads(wrapped[1])
        except ValueError:
            return body
        return text if isinstance(text, str) else body
    return body


def _split_counted(text: str) -> Iterator[str]:
    # The length counts UTF-16 units, as JavaScript does.
    units = None if not text or max(text) <= "\uffff" else text.encode("utf-16-le", "surrogatepass")
    begin = 0
    while begin < (len(text) if units is None else len(units) // 2):
        head = (
            text[begin : begin + 10]
            if units is None
            else units[begin * 2 : begin * 2 + 20].decode("utf-16-le", "replace")
        )
        length = _LENGTH.match(head)
        if length is None:
            raise NotAPacket("a length and a colon are missing")
        begin += length.end()
        end = begin + int(length[1])
        if end > (len(text) if units is None else len(units) // 2):
            raise NotAPacket("a packet is shorter than its length says")
        yield text[begin:end] if units is None else units[begin * 2 : end * 2].decode("utf-16-le", "surrogatepass")
        begin = end


def _split_binary_body(body: bytes) -> Iterator[str | bytes]:
    begin = 0
    while begin < len(body):
        head = _BINARY_LENGTH.match(body, begin)
        if head is None:
            raise NotAPacket("a length is missing")
        end = head.end() + int("".join(map(str, head[2])))
        if end > len(body):
            raise NotAPacket("a packet is shorter than its length says")
        packet = body[head.end() : end]
        yield packet if head[1] == b"\x01" else packet.decode("utf-8", "replace")
        begin = end


def _engineio_of(frame: str | bytes) -> int | None:
    """The revision that the first frame of a connection lets us suppose."""
    if frame == "2probe":
        return 4
    opened = _opened(frame) if isinstance(frame, str) else None
    # Servers of revision 4 began to say `maxPayload` in 2022 (engine.io 6.2); where in doubt, only the first byte of
    # binary frames would be read differently.
    return None if opened is None else 4 if "maxPayload" in opened else 3


def _opened(packet: str) -> dict[str, Any] | None:
    """The content of an open packet, if it is one."""
    if not packet.startswith("0{") or len(packet) > 4096:
        return None
    try:
        content = json.loads(packet[1:])
    except (ValueError, RecursionError):
        return None
    is_open = isinstance(content.get("sid"), str) and "pingInterval" in content
    return content if is_open else None


def _engineio_packet(packet: str | bytes, engineio: int | None) -> tuple[Kind, str | bytes]:
    """Raises: NotAPacket."""
    if isinstance(packet, bytes):
        # Revision 3 has the type in front of bytes, 4 has only messages.
        return Kind.MESSAGE, packet[1:] if engineio == 3 and packet[:1] == b"\x04" else packet
    kind = _ENGINEIO_KINDS.get(packet[:1])
    content = packet[1:]
    if kind is Kind.MESSAGE:
        return kind, content
    if packet[:1] == "b":
        encoded = content[1:] if engineio == 3 and content[:1] == "4" else content
        try:
            return Kind.MESSAGE, binascii.a2b_base64(encoded, strict_mode=True)
        except (binascii.Error, ValueError):
            raise NotAPacket("its base64 is broken") from None
    if kind is Kind.OPEN and _opened(packet):
        return kind, content
    if kind in (Kind.PING, Kind.PONG) and content in ("", "probe"):
        return kind, content
    if kind in (Kind.CLOSE, Kind.UPGRADE, Kind.NOOP) and not content:
        return kind, content
    raise NotAPacket(
        "its first character is no type of packet" if kind is None else f"no {kind.value} has such content"
    )


def _socketio_packet(text: str) -> _SocketioPacket:
    """Raises: NotAPacket, with a reason where it is meant to be a packet but cannot be read."""
    head = _SOCKETIO_HEAD.match(text)
    if head is None:
        raise NotAPacket
    number = int(head[1])
    if (head[2] is not None) != (number in _BINARY_TYPES):
        raise NotAPacket
    attachments = int(head[2] or 0)
    if attachments > MAX_ATTACHMENTS:
        raise NotAPacket(f"a packet announces {attachments} attachments; at most {MAX_ATTACHMENTS} are waited for")
    data = _json(text[head.end() :]) if head.end() < len(text) else None
    # A client of revision 4 may put a query behind the namespace.
    namespace = (head[3] or "/").partition("?")[0]
    return _checked(number, data, namespace, int(head[4]) if head[4] else None, attachments)


def _msgpack_packet(content: bytes) -> _SocketioPacket | None:
    """A packet of socket.io-msgpack-parser, or None.

    Source: github.com/socketio/socket.io-msgpack-parser: a map of type, nsp, data, id and, from clients, options.
    """
    if not content or not 0x82 <= content[0] <= 0x86:
        return None
    try:
        # Room for an array is made when its length is read, at up to 511 depths.
        packet = msgpack.unpackb(content, ext_hook=_extension, timestamp=1, max_array_len=2**16)
    except (ValueError, RecursionError, msgpack.UnpackException):
        return None
    number, namespace, ack_id = packet.get("type"), packet.get("nsp"), packet.get("id")
    if type(number) is not int or not 0 <= number <= 4 or not isinstance(namespace, str):
        return None
    if ack_id is not None and (type(ack_id) is not int or ack_id < 0):
        return None
    try:
        return _checked(number, packet.get("data"), namespace, ack_id, 0)
    except NotAPacket:
        return None


def _extension(code: int, data: bytes) -> Any:
    # notepack.io writes `undefined` as extension 0 of one zero byte; JSON would have null in its place.
    return None if (code, data) == (0, b"\x00") else data


def _checked(number: int, data: Any, namespace: str, ack_id: int | None, attachments: int) -> _SocketioPacket:
    kind = _SOCKETIO_KINDS[number]
    event: str | None = None
    args: list[Any] = []
    if kind is Kind.EVENT:
        if not isinstance(data, list) or not data or type(data[0]) not in (str, int, float):
            raise NotAPacket
        event, args = str(data[0]), data[1:]
    elif kind is Kind.ACK:
        if not isinstance(data, list) or ack_id is None:
            raise NotAPacket
        args = data
    elif kind is Kind.CONNECT:
        if data is not None and not isinstance(data, dict):
            raise NotAPacket
    elif kind is Kind.ERROR:
        if not isinstance(data, (str, dict, list)):
            raise NotAPacket
    elif data is not None:
        raise NotAPacket
    return _SocketioPacket(kind, namespace, ack_id, event, args, attachments)


def _json(text: str) -> Any:
    try:
        return _JSON.decode(text)
    except RecursionError:
        raise NotAPacket("its data is nested too deep to be read; counted as a message without an event") from None
    except ValueError:
        raise NotAPacket from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"JSON has no {constant}")


_JSON = json.JSONDecoder(parse_constant=_refuse)


def _filled(value: Any, attachments: list[bytes]) -> Any:
    """The value with its attachments in their places. Raises: NotAPacket."""
    try:
        return _fill(value, attachments)
    except RecursionError:
        raise NotAPacket("its data is nested too deep to be read; counted frame by frame") from None


def _fill(value: Any, attachments: list[bytes]) -> Any:
    if isinstance(value, list):
        return [_fill(item, attachments) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("_placeholder") is True:
        number = value.get("num")
        if type(number) is not int or not 0 <= number < len(attachments):
            raise NotAPacket("a placeholder names an attachment that there is none of; counted frame by frame")
        return attachments[number]
    return {key: _fill(item, attachments) for key, item in value.items()}
