"""What was captured, in one form whatever file it comes from.

In: nothing. Out: the records that the readers yield and the replay takes.
Never: reads a file, or keeps more than one message.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Direction(StrEnum):
    """Which way a message went, as the client sees it."""

    RECEIVED = "received"
    SENT = "sent"


class Transport(StrEnum):
    """What carried a message."""

    WEBSOCKET = "websocket"
    POLLING = "polling"


class Kind(StrEnum):
    """What a message is; PLAIN is any WebSocket message that is no Engine.IO packet."""

    EVENT = "event"
    ACK = "ack"
    CONNECT = "connect"
    DISCONNECT = "disconnect"
    ERROR = "error"
    OPEN = "open"
    CLOSE = "close"
    PING = "ping"
    PONG = "pong"
    UPGRADE = "upgrade"
    NOOP = "noop"
    MESSAGE = "message"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection: its number in this capture, its address without a query string, and the file it stands in.

    `extensions`: what the handshake's response granted (`Sec-WebSocket-Extensions`), "" where it granted nothing, None
    where the capture does not have it.
    """

    connection: int
    url: str
    file: str
    engineio: int | None = None
    extensions: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One message: what the WebSocket frames (or the packet in a long-polling body) held, and what it means.

    `parts`: the text or bytes of each frame as sent; a binary event has its attachments behind its text.
    `time_ms`: since the first record of the capture, None where the source has no clock.
    `event`, `args`: of an EVENT (bytes put back in their places), None and () otherwise; `args` of an ACK too.
    """

    connection: int
    direction: Direction
    kind: Kind
    parts: tuple[str | bytes, ...]
    time_ms: float | None = None
    transport: Transport = Transport.WEBSOCKET
    event: str | None = None
    namespace: str = "/"
    args: tuple[Any, ...] = ()
    ack_id: int | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be read; what follows it still counts where the format allows it."""

    file: str
    position: str
    reason: str


@dataclass(frozen=True, slots=True)
class Assumption:
    """Something that the capture does not say and that was supplied, so that what follows from it is a guess."""

    file: str
    position: str
    reason: str


@dataclass(frozen=True, slots=True)
class Carried:
    """What a connection's frames took on the wire one way, headers and masks included, as the network had them."""

    connection: int
    direction: Direction
    frames: int
    wire_bytes: int


Item = Opened | Record | Problem | Assumption | Carried
