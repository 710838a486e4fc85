"""One direction of a TCP connection, put in order.

In: segments as a network had them: late, twice, overlapping. Out: the bytes that the application got.
Never: holds more than `MAX_WAITING_BYTES` for a segment that is missing.
"""

from __future__ import annotations

MAX_WAITING_BYTES = 2**22
_MODULUS = 2**32


class Gap(Exception):
    """Bytes that the capture does not have."""


class Half:
    """What one side sends."""

    def __init__(self) -> None:
        self._first: int | None = None
        self._next: int | None = None
        self._waiting: dict[int, bytes] = {}
        self._waiting_bytes = 0

    def begin(self, sequence: int) -> None:
        """The side says with which number it begins; said again, or after what it stands before, it changes nothing."""
        first = (sequence + 1) % _MODULUS
        if first == self._first:
            return
        self._first = self._next = first
        self._waiting.clear()
        self._waiting_bytes = 0

    def add(self, sequence: int, data: bytes) -> bytes:
        """What is in order now. Raises: Gap where what is missing will not come."""
        if not data:
            return b""
        if self._next is None:
            self._first = self._next = sequence
        self._keep(sequence, data)
        ready = bytearray()
        while found := self._take():
            ready += found
        if self._waiting_bytes > MAX_WAITING_BYTES:
            raise Gap
        return bytes(ready)

    @property
    def is_waiting(self) -> bool:
        """Whether something is there that what is missing stands before."""
        return bool(self._waiting)

    def _keep(self, sequence: int, data: bytes) -> None:
        known = self._waiting.get(sequence)
        if known is None or len(known) < len(data):
            self._waiting_bytes += len(data) - len(known or b"")
            self._waiting[sequence] = data

    def _take(self) -> bytes:
        assert self._next is not None
        # Nearly always the one that is due; else one that overlaps it.
        data = self._waiting.pop(self._next, None)
        offset = 0
        if data is None:
            for sequence in list(self._waiting):
                behind = (self._next - sequence) % _MODULUS
                if behind < _MODULUS // 2:  # it begins before what is due
                    data = self._waiting.pop(sequence)
                    offset = behind
                    if offset < len(data):
                        break
                    self._waiting_bytes -= len(data)  # all of it is known
                    data = None
        if data is None:
            return b""
        self._waiting_bytes -= len(data)
        self._next = (self._next + len(data) - offset) % _MODULUS
        return data[offset:]
