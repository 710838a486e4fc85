"""One WebSocket message on its way to many, and whole frames.

In: an opcode and a payload. Out: the bytes of a frame as a server sends it, unmasked.
Never: compresses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from reznet_ws.deflate.history import History

TEXT, BINARY = 1, 2
# The largest window that deflate has.
WINDOW_BYTES = 32_768

_FIN, _RSV1 = 0x80, 0x40


class Made(NamedTuple):
    """The whole frame for who promised so many bits and held just these messages; and the history of the last of them,
    which has moved on if it was used at another time."""

    bits: int
    messages: Sequence[bytes]
    wire: bytes
    history: History
    used: int


class Frame:
    """A message: `data` as the client gets it. One that `is_secret` is never compressed and enters no history."""

    __slots__ = ("_clear", "data", "is_secret", "made", "opcode", "text")

    def __init__(self, opcode: int, data: bytes, *, is_secret: bool = False) -> None:
        self.opcode, self.data, self.is_secret = opcode, data, is_secret
        # What an inflater's window can hold of it; one object for all histories.
        self.text = data if len(data) <= WINDOW_BYTES else data[-WINDOW_BYTES:]
        self._clear: bytes | None = None
        # What it was compressed to, for those who are sent it one by one.
        self.made: list[Made] = []

    @property
    def clear(self) -> bytes:
        """The whole frame, uncompressed (RSV1 clear); built once."""
        if self._clear is None:
            self._clear = build_frame(self.opcode, self.data)
        return self._clear


def build_frame(opcode: int, payload: bytes, *, compressed: bool = False) -> bytes:
    """A whole frame as a server sends it. Source: RFC 6455 section 5.2."""
    first = _FIN | (_RSV1 if compressed else 0) | opcode
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65_536:
        return bytes((first, 126)) + size.to_bytes(2) + payload
    return bytes((first, 127)) + size.to_bytes(8) + payload
