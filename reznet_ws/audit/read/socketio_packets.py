"""Socket.IO packets, as text or by socket.io-msgpack-parser.

In: what an Engine.IO message holds. Out: the packet.
Never: takes for a packet what is none.

Source: github.com/socketio/socket.io-protocol (revisions 4 and 5), github.com/socketio/socket.io-msgpack-parser.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

import msgpack

from reznet_ws.audit.read.capture import Kind

# socket.io-parser 4.2 takes 10; older ones have no limit. Ours keeps a hostile count from holding frames back.
MAX_ATTACHMENTS = 1_000
_SOCKETIO_KINDS = (Kind.CONNECT, Kind.DISCONNECT, Kind.EVENT, Kind.ACK, Kind.ERROR, Kind.EVENT, Kind.ACK)
_BINARY_TYPES = (5, 6)
# Type, attachments, namespace, acknowledgement; JSON follows. Nobody counts to more than 18 digits.
_SOCKETIO_HEAD = re.compile(r"([0-6])(?:([0-9]{1,10})-)?(?:(/[^,]*)(?:,|\Z))?([0-9]{0,18})")


class NotAPacket(Exception):
    """The bytes are not what the protocol asks for."""


@dataclass(slots=True)
class SocketioPacket:
    """A Socket.IO packet; `args` still has placeholders where `attachments` are to come."""

    kind: Kind
    namespace: str
    ack_id: int | None
    event: str | None
    args: list[Any]
    attachments: int


def socketio_packet(text: str) -> SocketioPacket:
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


def msgpack_packet(content: bytes) -> SocketioPacket | None:
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


def filled(value: Any, attachments: list[bytes]) -> Any:
    """The value with its attachments in their places. Raises: NotAPacket."""
    try:
        return _fill(value, attachments)
    except RecursionError:
        raise NotAPacket("its data is nested too deep to be read; counted frame by frame") from None


def _extension(code: int, data: bytes) -> Any:
    # notepack.io writes `undefined` as extension 0 of one zero byte; JSON would have null in its place.
    return None if (code, data) == (0, b"\x00") else data


def _checked(number: int, data: Any, namespace: str, ack_id: int | None, attachments: int) -> SocketioPacket:
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
    return SocketioPacket(kind, namespace, ack_id, event, args, attachments)


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
