"""What messages take as WebSocket frames of one connection, with one deflate window behind them or without.

In: the payloads of frames, before any compression. Out: bytes, headers included.
Never: opens a socket, or estimates: every frame is made, and compressed as one connection would be sent it.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterable, Iterator

from reznet_ws.ledger import header_bytes

_LEVEL, _WINDOW_BITS, _MEM_LEVEL = 6, 15, 8
# Engine.IO's packet type, in front of text.
_MESSAGE = "4"
_TAIL_BYTES = 4


def bare_sizes(packets: Iterable[str | bytes]) -> Iterator[int]:
    """Without permessage-deflate. Shape: the texts of Socket.IO packets, or binary messages -> bytes of each frame."""
    return (_framed(len(_payload(packet))) for packet in packets)


def deflated_sizes(packets: Iterable[str | bytes]) -> Iterator[int]:
    """Behind a window of 15 bits that is carried over. Source: RFC 7692 section 7.2.1."""
    window = zlib.compressobj(_LEVEL, zlib.DEFLATED, -_WINDOW_BITS, _MEM_LEVEL)
    for packet in packets:
        body = window.compress(_payload(packet)) + window.flush(zlib.Z_SYNC_FLUSH)
        yield _framed(len(body) - _TAIL_BYTES)


def zstd_sizes(packets: Iterable[str | bytes], level: int = 9, window_bits: int = 23) -> Iterator[int]:
    """Behind a zstd stream of so large a window, flushed after each message; what no browser decodes by itself.

    Source: RFC 8878. Raises: ImportError before Python 3.14 without the backport.
    """
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    parameter = zstd.CompressionParameter
    stream = zstd.ZstdCompressor(options={parameter.compression_level: level, parameter.window_log: window_bits})
    for packet in packets:
        yield _framed(len(stream.compress(_payload(packet)) + stream.flush(zstd.ZstdCompressor.FLUSH_BLOCK)))


def _payload(packet: str | bytes) -> bytes:
    return f"{_MESSAGE}{packet}".encode() if isinstance(packet, str) else packet


def _framed(size: int) -> int:
    return size + header_bytes(size)
