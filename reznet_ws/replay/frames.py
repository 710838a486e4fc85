"""A WebSocket frame taken apart, bit by bit: the one reader of frames, for plain sockets and for pictures.

In: the bytes that a server wrote. Out: each field of the header, and the payload.
Never: inflates, or joins messages.
Source: RFC 6455 section 5.2, RFC 7692 section 6.
"""

from __future__ import annotations

from dataclasses import dataclass

from reznet_ws.ledger import header_bytes

OPCODES = {0: "continuation", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}
_MASK_BYTES = 4


@dataclass(frozen=True, slots=True)
class FrameParts:
    """One frame. `length_bytes` is what tells the payload's length: 1, 3 or 9 bytes with the mask bit in the first."""

    fin: bool
    rsv1: bool
    opcode: int
    masked: bool
    length: int
    length_bytes: bytes
    payload: bytes

    @property
    def header_bytes(self) -> int:
        """The size of the header, the masking key included."""
        return 1 + len(self.length_bytes) + _MASK_BYTES * self.masked


def dissect(data: bytes) -> FrameParts:
    """The fields of the frame that the data begins with. Raises: ValueError where it is cut off."""
    size = _frame_bytes(data)
    if size is None or len(data) < size:
        raise ValueError("the frame is cut off")
    first, second = data[0], data[1]
    extended = _extended_bytes(second)
    length = int.from_bytes(data[2 : 2 + extended]) if extended else second & 0x7F
    return FrameParts(
        fin=bool(first & 0x80),
        rsv1=bool(first & 0x40),
        opcode=first & 0x0F,
        masked=bool(second & 0x80),
        length=length,
        length_bytes=data[1 : 2 + extended],
        payload=data[size - length : size],
    )


def missing_bytes(data: bytes) -> int:
    """How many more bytes the first frame takes at least; 0 where it is whole. For who reads from a stream."""
    size = _frame_bytes(data)
    header = 2 + _extended_bytes(data[1]) if len(data) > 1 else 2
    return max(0, (header if size is None else size) - len(data))


def split_frames(data: bytes) -> list[bytes]:
    """The whole frames at the beginning of a stream; what is cut off is left out."""
    frames = []
    while (size := _frame_bytes(data)) is not None and len(data) >= size:
        frames.append(data[:size])
        data = data[size:]
    return frames


def framed_bytes(size: int) -> int:
    """What a server's WebSocket message of so many bytes takes at the socket."""
    return header_bytes(size) + size


def _frame_bytes(data: bytes) -> int | None:
    """The size of the first frame, None where its header is cut off."""
    if len(data) < 2 or len(data) < 2 + _extended_bytes(data[1]):
        return None
    extended = _extended_bytes(data[1])
    length = int.from_bytes(data[2 : 2 + extended]) if extended else data[1] & 0x7F
    return 2 + extended + _MASK_BYTES * (data[1] >> 7) + length


def _extended_bytes(second: int) -> int:
    return {126: 2, 127: 8}.get(second & 0x7F, 0)
