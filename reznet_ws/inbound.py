"""What a client may send: everything that is not well-formed closes its connection, and only its own.

In: a received WebSocket message. Out: whether Engine.IO and Socket.IO can take it.
Never: handles an event.

Leans on python-engineio 4.15 (`async_socket.py`: an undecodable packet raises out of the WebSocket handler and leaves
the socket behind) and python-socketio 5.18 (`async_server.py`, `_handle_eio_message`).
"""

from __future__ import annotations

from typing import Any

from engineio import packet as eio_packet
from socketio import packet as sio_packet

# socket.io-parser refuses more than 10; python-socketio would gather up to 9,999,999,999.
MAX_ATTACHMENTS = 64

INVALID_DATA = 1007
POLICY_VIOLATION = 1008


def is_engineio_packet(data: str | bytes) -> bool:
    """Whether a WebSocket message is an Engine.IO packet that a client may send."""
    if isinstance(data, bytes):
        return True
    try:
        return eio_packet.Packet(encoded_packet=data).packet_type in (
            eio_packet.CLOSE,
            eio_packet.PING,
            eio_packet.PONG,
            eio_packet.MESSAGE,
            eio_packet.UPGRADE,
        )
    except (ValueError, RecursionError):
        return False


def is_socketio_packet(packet_class: Any, data: Any) -> bool:
    """Whether an Engine.IO message is a Socket.IO packet of the right shape."""
    try:
        packet = packet_class(encoded_packet=data)
    except Exception:  # a parser may be any class that the application chose
        return False
    body = packet.data
    match packet.packet_type:
        case sio_packet.CONNECT | sio_packet.DISCONNECT:
            return True
        case sio_packet.EVENT | sio_packet.BINARY_EVENT:
            return isinstance(body, list) and bool(body) and isinstance(body[0], str)
        case sio_packet.ACK | sio_packet.BINARY_ACK:
            return isinstance(body, list) and packet.id is not None
    return False
