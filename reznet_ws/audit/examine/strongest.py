"""How far down it could go: everything that the server sent, through the strongest general compressors.

In: the captured messages. Out: sizes. Never: holds what it compresses; both compressors take it piece by piece.
"""

from __future__ import annotations

import lzma
import sys
from collections.abc import Callable, Iterable
from typing import Protocol

# A dictionary as long as the capture changes nothing; above 16 MB it would take a gigabyte of memory to use.
_MAX_WINDOW_LOG = 24
_MIN_WINDOW_LOG = 12
_ZSTD_LEVEL = 22
_CHUNK_BYTES = 262_144


class _WholeCompressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


def compress_whole(
    pieces: Callable[[], Iterable[bytes]], size: int, progress: Callable[[int], None] = lambda _: None
) -> tuple[int, int | None]:
    """The sizes that xz at its highest level and zstd at its highest give; None where zstd's library is missing.

    `pieces` begins anew at each call: one compressor after the other, since each takes up to 300 MB.
    Units: bytes; `size` of all pieces together, exactly; `progress` is told how many more are done, of twice as many.
    """
    xz_bytes = _compress(_xz(size), pieces(), progress)
    zstd = _zstd(size)
    if zstd is None:
        progress(size)
        return xz_bytes, None
    return xz_bytes, _compress(zstd, pieces(), progress)


def _compress(compressor: _WholeCompressor, pieces: Iterable[bytes], progress: Callable[[int], None]) -> int:
    size = 0
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        if len(waiting) >= _CHUNK_BYTES:
            size += len(compressor.compress(bytes(waiting)))
            progress(len(waiting))
            waiting.clear()
    size += len(compressor.compress(bytes(waiting)))
    progress(len(waiting))
    return size + len(compressor.flush())


def _window_log(size: int) -> int:
    return min(_MAX_WINDOW_LOG, max(_MIN_WINDOW_LOG, size.bit_length()))


def _xz(size: int) -> _WholeCompressor:
    filters = [
        {
            "id": lzma.FILTER_LZMA2,
            "preset": lzma.PRESET_EXTREME | 9,
            "dict_size": 1 << _window_log(size),
        }
    ]
    return lzma.LZMACompressor(lzma.FORMAT_XZ, filters=filters)


def _zstd(size: int) -> _WholeCompressor | None:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        try:
            from backports import zstd
        except ImportError:
            return None
    parameters = zstd.CompressionParameter
    compressor = zstd.ZstdCompressor(
        options={parameters.compression_level: _ZSTD_LEVEL, parameters.window_log: _window_log(size)}
    )
    compressor.set_pledged_input_size(size)  # or it takes tables of 600 MB for a few messages
    return compressor
