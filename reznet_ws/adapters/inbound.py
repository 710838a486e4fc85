"""What a client may send: what would do harm closes its connection, and only its own.

In: a received WebSocket message. Out: whether Engine.IO and Socket.IO can take it.
Never: handles an event. A packet that is merely no packet is left to python-socketio, which logs it and goes on.

Leans on python-engineio 4.15 (`async_socket.py`: an undecodable packet raises out of the WebSocket handler and leaves
the socket behind) and python-socketio 5.18 (`async_server.py`, `_handle_eio_message`; `packet.py`, `add_attachment`,
which takes a text for an attachment too).
"""

from __future__ import annotations

from typing import Any

from engineio import packet as eio_packet

# Names that python-socketio calls handlers of its own accord by; a client's event would run them a second time.
# socket.io-parser refuses them too (`RESERVED_EVENTS`).
RESERVED_EVENTS = frozenset({"connect", "disconnect", "connect_error"})

INVALID_DATA = 1007
POLICY_VIOLATION = 1008
TRY_AGAIN_LATER = 1013


class ForbiddenPacket(ValueError):
    """What a client sent would harm the server, so its connection is closed."""

    code = INVALID_DATA


class TooFrequent(ForbiddenPacket):
    """It would not, but for its number."""

    code = POLICY_VIOLATION


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


def check_event(data: Any) -> None:
    """Let an event's name and arguments pass.

    Raises: ValueError for what is none, which engineio logs, ForbiddenPacket for a name that is the server's to call.
    """
    if not (isinstance(data, list) and data and isinstance(data[0], str)):
        raise ValueError("an event is a list that begins with its name")
    if data[0] in RESERVED_EVENTS:
        raise ForbiddenPacket(f"an event may not be called {data[0]}")


def check_ack(ack_id: int | None, data: Any) -> None:
    """Let an acknowledgement pass. Raises: ValueError, which engineio logs."""
    if ack_id is None or not isinstance(data, list):
        raise ValueError("an acknowledgement is a number and a list")


def announced_attachments(packet_class: Any, data: str | bytes) -> int:
    """How many attachments follow a packet that could not be handled; 0 where it is none."""
    try:
        packet = packet_class(encoded_packet=data)
    except Exception:  # a parser may be any class that the application chose
        return 0
    return int(packet.attachment_count)
