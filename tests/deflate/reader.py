"""A client at the other end: it inflates what it is sent, and counts what stock would have sent it."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from reznet_ws.deflate.frame import TEXT, Frame
from reznet_ws.deflate.histories import Histories
from reznet_ws.deflate.inflater import Inflater
from reznet_ws.ledger import header_bytes
from reznet_ws.settings import Settings

RSV1 = 0x40
# No message has this byte; a window of 32 KB is as far as any reference reaches.
SENTINEL = b"\xff" * 32_768
# Little at a time, so that a reference is resolved in the window and not in what is being put out.
INFLATED_AT_ONCE = 16


class Reader:
    """A line, as far as histories know, and the client behind it: as strict as the window that it promised.

    Its inflater begins full of bytes that no message has: whatever is compressed against text that this client was not
    sent comes out as those.
    """

    def __init__(self, max_bits: int = 15, *, takeover: bool = True, offers: bool = True) -> None:
        self.inflater = Inflater(max_bits, takeover=takeover) if offers else None
        self.received: list[bytes] = []
        self.was_compressed: list[bool] = []
        self.wire_bytes: list[int] = []
        self.stock_bytes: list[int] = []
        self._max_bits, self._takeover = max_bits, takeover
        self._decoder = self._new_decoder()
        self._stock = zlib.compressobj(6, zlib.DEFLATED, -min(max_bits, 12), 5)

    def take(self, wire: bytes) -> None:
        """Read a whole frame."""
        payload = wire[{126: 4, 127: 10}.get(wire[1], 2) :]
        is_compressed = bool(wire[0] & RSV1)
        if is_compressed:
            if not self._takeover:
                self._decoder = self._new_decoder()
            payload = self._inflate(payload + b"\x00\x00\xff\xff")
        self.received.append(payload)
        self.was_compressed.append(is_compressed)
        self.wire_bytes.append(len(wire))
        stock = self._stock.compress(payload) + self._stock.flush(zlib.Z_SYNC_FLUSH)
        self.stock_bytes.append(len(stock) - 4 + header_bytes(len(stock) - 4))

    def _new_decoder(self) -> zlib._Decompress:
        return zlib.decompressobj(-self._max_bits, SENTINEL[: 1 << self._max_bits])

    def _inflate(self, data: bytes) -> bytes:
        parts = []
        while data:
            parts.append(self._decoder.decompress(data, INFLATED_AT_ONCE))
            data = self._decoder.unconsumed_tail
        while part := self._decoder.decompress(b"", INFLATED_AT_ONCE):
            parts.append(part)
        return b"".join(parts)


def send(
    histories: Histories,
    data: bytes,
    readers: Sequence[Reader],
    settings: Settings | None = None,
    *,
    opcode: int = TEXT,
    secret: bool = False,
) -> int:
    """Compress and deliver; gives how many different frames there were."""
    frame = Frame(opcode, data, is_secret=secret)
    ways = histories.frames(frame, readers, settings or Settings())
    served: list[Reader] = []
    for wire, several in ways:
        for reader in several:
            reader.take(wire)
            served.append(reader)
    assert sorted(map(id, served)) == sorted(map(id, readers)), "each line once"
    for reader in readers:
        assert reader.received[-1] == data
    return len(ways)
