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
from websockets.exceptions import NegotiationError
from websockets.frames import Frame, Opcode

from reznet_ws.client.decoder import unpack
from reznet_ws.deflate.extension import AdjustableDeflate, AdjustableDeflateFactory
from reznet_ws.message.packet import BATCH_EVENT, Message, Packet, pack
from reznet_ws.message.payload import PayloadOptimizer, decode_payload
from reznet_ws.replay.frames import framed_bytes
from reznet_ws.replay.trace import Event
from reznet_ws.settings import Settings

_MESSAGE_PREFIX = "4"  # Engine.IO's packet type
# What browsers offer: permessage-deflate; client_max_window_bits.
_BROWSER_OFFER = [("client_max_window_bits", None)]


def encode(event: str, data: Any, settings: Settings) -> Message:
    """An event as the server encodes it for a client of format 2."""
    optimizer = PayloadOptimizer(settings)
    return Message(event, (optimizer.encode(optimizer.encode_plain(data)),))


def frames_of(packet: Packet) -> list[tuple[Opcode, bytes]]:
    """What goes into WebSocket frames, before any compression: a packet's text, then each attachment."""
    frames = [(Opcode.TEXT, f"{_MESSAGE_PREFIX}{packet.text}".encode())]
    return frames + [(Opcode.BINARY, attachment) for attachment in packet.attachments]


def engineio_packets(events: Iterable[Event], settings: Settings) -> list[str | bytes]:
    """The same for one event, or for several as a batch: the text, and any bytes after it."""
    return [data.decode() if opcode is Opcode.TEXT else data for opcode, data in _pack(events, settings)]


def as_text(event: Event) -> bytes:
    """The WebSocket message of an event as a stock client gets it."""
    ((_, text),) = _pack([event], Settings.recommended().replace(abbreviate=False, gzip=False))
    return text


def _pack(events: Iterable[Event], settings: Settings) -> list[tuple[Opcode, bytes]]:
    return frames_of(pack([encode(*event, settings) for event in events], utf8=settings.utf8))


class Link:
    """The server's side of one connection to a browser, and the deflate window that its frames fill.

    Other `settings` may be assigned between two frames.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        # One connection has nobody to share a window with.
        self.settings = (settings or Settings.recommended()).replace(deflate_shared=False)
        self._deflate = self._negotiate()

    def send(self, *events: Event) -> list[bytes]:
        """The frames of one event, or of several as a batch. The window moves on."""
        extensions = [] if self._deflate is None else [self._deflate]
        return [
            Frame(opcode, data).serialize(mask=False, extensions=extensions)
            for opcode, data in _pack(events, self.settings)
        ]

    def carry(self, opcode: Opcode, data: bytes) -> int:
        """How many bytes one frame takes at the socket. The window moves on."""
        if self._deflate is not None:
            data = bytes(self._deflate.encode(Frame(opcode, data)).data)
        return framed_bytes(len(data))

    # The only place that knows the server's permessage-deflate for a connection by itself.
    def _negotiate(self) -> AdjustableDeflate | None:
        try:
            _, deflate = AdjustableDeflateFactory(self).process_request_params(_BROWSER_OFFER, [])
        except NegotiationError:  # the layer is off
            return None
        assert isinstance(deflate, AdjustableDeflate)
        return deflate


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
