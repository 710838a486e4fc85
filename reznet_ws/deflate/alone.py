"""permessage-deflate where connections share nothing, or carry nothing over: as stock servers do it.

In: a message, the lines that it is for, the settings in force. Out: whole frames, and which lines get which.
Never: looks at a history.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from reznet_ws.deflate.compressor import Compressor
from reznet_ws.deflate.frame import Frame, build_frame
from reznet_ws.deflate.inflater import Inflater
from reznet_ws.deflate.sharing import STOCK_LEVEL
from reznet_ws.settings import Settings

# RFC 7692 has 8 bits too, which zlib does not make for raw deflate.
LEAST_BITS = 9


class HasInflater(Protocol):
    """A connection's line; `inflater` is None where permessage-deflate was not negotiated."""

    @property
    def inflater(self) -> Inflater | None: ...


L = TypeVar("L", bound=HasInflater)
Ways = list[tuple[bytes, Sequence[L]]]


def without_histories(frame: Frame, lines: Sequence[L], settings: Settings) -> tuple[Ways[L], int]:
    """Frames by a compressor for each line, or by one that has seen nothing; and how many compressions they took.

    A compressor that carries its window over is always kept. Source: RFC 7692 section 7.2, and websockets/ws,
    lib/sender.js, for the threshold.
    """
    fresh: dict[int, list[L]] = {}
    ways: Ways[L] = []
    clear: list[L] = []
    mem_level = settings.deflate_mem_level
    for line in lines:
        inflater = line.inflater
        assert inflater is not None
        bits = min(inflater.max_bits, settings.deflate_window_bits)
        own, inflater.alone = inflater.alone, None
        if bits < LEAST_BITS:
            clear.append(line)
        elif settings.deflate_takeover and inflater.takeover:
            if own is None or (own.bits, own.mem_level) != (bits, mem_level):
                own = Compressor(bits, STOCK_LEVEL, mem_level)
            inflater.alone = own
            ways.append((build_frame(frame.opcode, own.payload(frame.data), compressed=True), [line]))
        elif len(frame.data) < settings.deflate_threshold_bytes:
            clear.append(line)
        else:
            fresh.setdefault(bits, []).append(line)
    for bits, several in fresh.items():
        payload = Compressor(bits, STOCK_LEVEL, mem_level).payload(frame.data)
        ways.append((build_frame(frame.opcode, payload, compressed=True), several))
    compressions = len(ways)
    if clear:
        ways.append((frame.clear, clear))
    return ways, compressions
