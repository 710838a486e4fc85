"""One connection's outgoing side without a socket: the WebSocket frames that the server would write to it.

In: events, settings. Out: frames byte for byte, and the events that are in what a client received.
Never: opens a socket or reads a clock.
Never: encodes by code of its own: each step is the function that the server calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from engineio import packet as eio_packet
from socketio import packet as sio_packet

from reznet_ws.client.decoder import unpack
from reznet_ws.deflate.frame import BINARY, TEXT, Frame
from reznet_ws.deflate.histories import Histories
from reznet_ws.deflate.inflater import Inflater
from reznet_ws.message.packet import BATCH_EVENT, Message, Packet, pack
from reznet_ws.message.payload import PayloadOptimizer, decode_payload
from reznet_ws.replay.trace import Event
from reznet_ws.settings import Settings

_MESSAGE_PREFIX = "4"  # Engine.IO's packet type


def encode(event: str, data: Any, settings: Settings) -> Message:
    """An event as the server encodes it for a client of format 2."""
    optimizer = PayloadOptimizer(settings)
    return Message(event, (optimizer.encode(optimizer.encode_plain(data)),))


def frames_of(packet: Packet) -> list[tuple[int, bytes]]:
    """What goes into WebSocket frames, before any compression: a packet's text, then each attachment."""
    frames = [(TEXT, f"{_MESSAGE_PREFIX}{packet.text}".encode())]
    return frames + [(BINARY, attachment) for attachment in packet.attachments]


def engineio_packets(events: Iterable[Event], settings: Settings) -> list[str | bytes]:
    """The same for one event, or for several as a batch: the text, and any bytes after it."""
    return [data.decode() if opcode == TEXT else data for opcode, data in _pack(events, settings)]


def as_text(event: Event) -> bytes:
    """The WebSocket message of an event as a stock client gets it."""
    ((_, text),) = _pack([event], Settings.recommended().replace(abbreviate=False, gzip=False))
    return text


def _pack(events: Iterable[Event], settings: Settings) -> list[tuple[int, bytes]]:
    return frames_of(pack([encode(*event, settings) for event in events], utf8=settings.utf8))


class Link:
    """The server's side of one connection to a browser, and the deflate window that its frames fill.

    Other `settings` may be assigned between two frames.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings.recommended()
        self.inflater = Inflater(self.settings.deflate_window_bits, takeover=self.settings.deflate_takeover)
        self._histories = Histories()

    def send(self, *events: Event) -> list[bytes]:
        """The frames of one event, or of several as a batch. The window moves on."""
        return [self._frame(opcode, data) for opcode, data in _pack(events, self.settings)]

    def carry(self, opcode: int, data: bytes) -> int:
        """How many bytes one frame takes at the socket. The window moves on."""
        return len(self._frame(opcode, data))

    def _frame(self, opcode: int, data: bytes) -> bytes:
        ((wire, _),) = self._histories.frames(Frame(opcode, data), [self], self.settings)
        return wire


def wire_bytes(events: Iterable[Event], settings: Settings, *, before: Iterable[Event] = ()) -> list[int]:
    """How many bytes each event takes at the socket, sent one by one after those `before` it."""
    link = Link(settings)
    for event in before:
        link.send(event)
    return [len(b"".join(link.send(event))) for event in events]


def decode(received: Sequence[str | bytes]) -> list[Event]:
    """The events in what a WebSocket received, as the server emitted them. Raises: DecodeError."""
    events: list[Event] = []
    packet = None
    for part in received:
        if packet is None:
            assert isinstance(part, str)
            packet = sio_packet.Packet(encoded_packet=eio_packet.Packet(encoded_packet=part).data)
            complete = packet.attachment_count == 0
        else:
            complete = packet.add_attachment(part)
        if complete:
            name, data = packet.data
            inside = unpack(data) if name == BATCH_EVENT else [(name, [data])]
            events += [(event, decode_payload(arg)) for event, (arg,) in inside]
            packet = None
    return events
