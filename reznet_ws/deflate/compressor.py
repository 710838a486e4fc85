"""zlib, as permessage-deflate uses it.

In: a message, and the text that it may refer to. Out: the payload of a frame.
Never: refers to more than it was given.
"""

from __future__ import annotations

import zlib

# What a sync flush ends with and RFC 7692 section 7.2.1 cuts off.
_TAIL_BYTES = 4


class Compressor:
    """Raw deflate with a window of so many bits, in step with whoever was sent `text`."""

    __slots__ = ("_deflate", "bits", "level", "mem_level")

    def __init__(self, bits: int, level: int, mem_level: int, text: bytes = b"") -> None:
        self.bits, self.level, self.mem_level = bits, level, mem_level
        # Given an empty dictionary, zlib says that it is wrong.
        primed = (text,) if text else ()
        self._deflate = zlib.compressobj(level, zlib.DEFLATED, -bits, mem_level, zlib.Z_DEFAULT_STRATEGY, *primed)

    def payload(self, message: bytes) -> bytes:
        """The message compressed, so that it ends with a whole byte. Source: RFC 7692 section 7.2.1."""
        deflate = self._deflate
        return (deflate.compress(message) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-_TAIL_BYTES]

    @property
    def memory_bytes(self) -> int:
        """What it takes."""
        return self.size(self.bits, self.mem_level)

    @staticmethod
    def size(bits: int, mem_level: int) -> int:
        """What one takes, in bytes. Source: zlib's zconf.h."""
        return (1 << (bits + 2)) + (1 << (mem_level + 9))
