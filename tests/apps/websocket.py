"""WebSocket frames out of the bytes of a TCP connection, inflated by zlib alone (RFC 6455 section 5.2, RFC 7692).

In: what one side sent on one TCP connection. Out: its frames and their messages. Never: imports what it checks.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

CONTINUATION, TEXT, BINARY = 0, 1, 2
MAX_MESSAGE_BYTES = 2**26
TAIL = b"\x00\x00\xff\xff"


@dataclass(frozen=True)
class Frame:
    """One frame as it was on the wire."""

    opcode: int
    payload: bytes
    is_final: bool
    is_compressed: bool
    wire_bytes: int


def split_head(sent: bytes) -> tuple[bytes, bytes]:
    """The first HTTP head, in lower case, and what comes after it."""
    head, _, rest = sent.partition(b"\r\n\r\n")
    return head.lower(), rest


def is_websocket(from_client: bytes) -> bool:
    return b"\r\nupgrade: websocket" in split_head(from_client)[0]


def read_frames(data: bytes) -> Iterator[Frame]:
    """Every whole frame of a server, which masks none; a torn last one is left out."""
    at = 0
    while at + 2 <= len(data):
        first, size = data[at], data[at + 1]
        if size & 0x80:
            raise ValueError("a server's frame is masked")
        begins = at + 2
        if size >= 126:
            length_bytes = 2 if size == 126 else 8
            size = int.from_bytes(data[begins : begins + length_bytes], "big")
            begins += length_bytes
        if begins + size > len(data):
            return
        yield Frame(first & 15, data[begins : begins + size], bool(first & 128), bool(first & 64), begins + size - at)
        at = begins + size


def read_messages(frames: Iterable[Frame]) -> Iterator[str | bytes]:
    """The data messages, inflated with one window for the connection. Raises: ValueError for what no client follows."""
    window = zlib.decompressobj(-15)
    opcode, compressed, parts = 0, False, b""
    for frame in frames:
        if frame.opcode >= 8:
            continue
        if frame.opcode != CONTINUATION:
            opcode, compressed, parts = frame.opcode, frame.is_compressed, b""
        parts += frame.payload
        if not frame.is_final:
            continue
        if compressed:
            parts = window.decompress(parts + TAIL, MAX_MESSAGE_BYTES)
            if window.unconsumed_tail:
                raise ValueError(f"a message of more than {MAX_MESSAGE_BYTES} bytes")
        yield parts.decode() if opcode == TEXT else parts
