"""A picture is made smaller without a change to its pixels."""

from __future__ import annotations

import struct
import zlib

from reznet_ws.draw.picture import repack


def test_a_repacked_picture_has_the_same_pixels() -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = bytes(1000)
    packed = zlib.compress(pixels, 0)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 200, 8, 6, 0, 0, 0))
    loose = b"\x89PNG\r\n\x1a\n" + header
    loose += chunk(b"IDAT", packed[:500]) + chunk(b"IDAT", packed[500:]) + chunk(b"IEND", b"")
    tight = repack(loose)
    at = tight.index(b"IDAT") + 4
    assert len(tight) < 100
    assert zlib.decompressobj().decompress(tight[at:]) == pixels
    assert tight == loose[:8] + header + chunk(b"IDAT", zlib.compress(pixels, 9)) + chunk(b"IEND", b"")
