"""Engine.IO packets on a stream of bytes, as WebTransport carries them.

In: packets, or bytes as they arrive. Out: bytes, or packets, text as `str` and binary ones as `bytes`.
Never: holds more than one packet that is not whole, nor one that is longer than allowed.

A packet has a header in front: one byte, whose first bit is set for a binary packet and whose other seven are its
length, or 126 and two bytes of length, or 127 and eight. Source: engine.io-parser 5.2, `createPacketEncoderStream`.
"""

from __future__ import annotations

import struct

_BINARY = 0x80
_TWO_BYTES, _EIGHT_BYTES = 126, 127


class PacketStreamError(ValueError):
    """What arrived is no stream of Engine.IO packets, or a packet is longer than allowed."""


def encode(packet: str | bytes) -> bytes:
    """One packet with its header."""
    binary, data = (0, packet.encode()) if isinstance(packet, str) else (_BINARY, packet)
    size = len(data)
    if size < _TWO_BYTES:
        header = struct.pack("!B", binary | size)
    elif size < 1 << 16:
        header = struct.pack("!BH", binary | _TWO_BYTES, size)
    else:
        header = struct.pack("!BQ", binary | _EIGHT_BYTES, size)
    return header + data


class Decoder:
    """Finds the packets of one stream, none longer than `max_packet_bytes`."""

    def __init__(self, max_packet_bytes: int) -> None:
        self._max_packet_bytes = max_packet_bytes
        self._held = bytearray()

    def feed(self, data: bytes) -> list[str | bytes]:
        """The packets that are whole now. Raises: PacketStreamError; the stream is then of no use any more."""
        self._held += data
        packets: list[str | bytes] = []
        at = 0
        while (found := self._find(at)) is not None:
            start, end = found
            packet = bytes(self._held[start:end])
            if self._held[at] & _BINARY:
                packets.append(packet)
            else:
                try:
                    packets.append(packet.decode())
                except UnicodeDecodeError as error:
                    raise PacketStreamError("a text packet is not UTF-8") from error
            at = end
        del self._held[:at]
        return packets

    def _find(self, at: int) -> tuple[int, int] | None:
        """Where the packet whose header is there begins and ends, if it is whole; its length is checked before."""
        if at >= len(self._held):
            return None
        size = self._held[at] & ~_BINARY
        start = at + {_TWO_BYTES: 3, _EIGHT_BYTES: 9}.get(size, 1)
        if start > len(self._held):
            return None
        if size >= _TWO_BYTES:
            size = int.from_bytes(self._held[at + 1 : start])
        if not 0 < size <= self._max_packet_bytes:
            raise PacketStreamError(f"a packet of {size} bytes, where 1 to {self._max_packet_bytes} are allowed")
        return (start, start + size) if start + size <= len(self._held) else None
