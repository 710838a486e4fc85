"""Format 3 by computation: packets as lines of rows, and lines as packets again.

In: the texts of Socket.IO packets, in the order in which one connection is sent them. Out: its lines, as lossless as
the decoder finds them. Never: shares a state, or sends.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from reznet_ws.client.rows_decoder import RowsDecoder
from reznet_ws.message.rows import begin, encode
from reznet_ws.message.rows_state import DEFAULT, Bounds


def packet_of(event: str, data: Any) -> str:
    """The Socket.IO packet of an event, as this package's codec writes it."""
    return "2" + json.dumps([event, data], separators=(",", ":"), ensure_ascii=False)


def encode_rows(packets: Iterable[str], bounds: Bounds = DEFAULT) -> Iterator[str]:
    """One line for each packet."""
    state = begin(bounds)
    for packet in packets:
        line, after = encode(state, packet, bounds)
        state = after or state
        yield line


def decode_rows(lines: Iterable[str]) -> list[str]:
    """The packets, character by character. Raises: RowsError."""
    decoder = RowsDecoder()
    return [packet for line in lines for packet in decoder.decode(line)]
