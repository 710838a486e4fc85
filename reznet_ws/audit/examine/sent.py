"""What clients send: only permessage-deflate at the client can change it.

In: the captured frames of the clients. Out: wire bytes with and without it, in all and by event.
Never: changes a frame. A server cannot compress what a client sends; it can only grant what the client offers.
"""

from __future__ import annotations

from collections import Counter

from reznet_ws.audit.examine.alternatives import Deflate, Stream
from reznet_ws.audit.examine.replayed import SentRow
from reznet_ws.audit.read.capture import Direction
from reznet_ws.audit.read.spool import Spool, book

AS_IT_IS = "as it is"
GRANTED_BY_UVICORN = "permessage-deflate, 12 bits (what uvicorn grants)"
WHOLE_WINDOW = "permessage-deflate, 15 bits"
_WAYS = {
    AS_IT_IS: None,
    GRANTED_BY_UVICORN: Deflate(bits=12),
    WHOLE_WINDOW: Deflate(),
    "permessage-deflate, each message by itself": Deflate(threshold_bytes=0),
}


def compress_sent(spool: Spool) -> tuple[tuple[SentRow, ...], dict[str, Counter[str]]]:
    """A row for each way, and for each label the bytes by event; nothing where clients sent nothing."""
    by_event: dict[str, Counter[str]] = {label: Counter() for label in _WAYS}
    for connection in spool.connections(Direction.SENT):
        streams = {label: Stream(deflate, masked=True) for label, deflate in _WAYS.items()}
        for kept in spool.read(Direction.SENT, connection):
            frames = kept.frames
            for label, stream in streams.items():
                book(by_event[label], kept.label, sum(stream.carry(data) for _, data in frames))
    messages = spool.count_all(Direction.SENT)
    if not messages:
        return (), by_event
    return tuple(SentRow(label, messages, counts.total()) for label, counts in by_event.items()), by_event
