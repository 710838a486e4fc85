"""What formats 3 and m would send: for clients with our parser, each with a window of its own or with none.

In: the captured messages. Out: wire bytes of each format, bare and behind deflate; how many messages of each event
another one follows soon.
Never: needs a client; never batches: messages leave one by one, as in format 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from reznet_ws.audit.examine.departures import encode
from reznet_ws.audit.examine.replayed import FormatRow, Superseded
from reznet_ws.audit.read.capture import Direction
from reznet_ws.audit.read.spool import Spool, book
from reznet_ws.ledger import MAX_EVENTS
from reznet_ws.message import message_pack
from reznet_ws.replay.formats import PACKED, WAYS, FormatLine, write
from reznet_ws.replay.link import Link, frames_of
from reznet_ws.settings import Settings

TEXT = "plain"
_FORMATS = {TEXT: "1", **dict.fromkeys(WAYS, "3"), PACKED: "m"}
_PLAIN = Settings.off().replace(utf8=True)
# The window that our settings begin with.
_DEFLATED = _PLAIN.replace(deflate=True)


class _Way:
    """One connection in one format, bare and behind its window."""

    def __init__(self, name: str) -> None:
        self.line = None if name == TEXT else FormatLine(name, _PLAIN)
        self.links = Link(_PLAIN), Link(_DEFLATED)


def try_formats(spool: Spool, progress: Callable[[int], None] = lambda _: None) -> tuple[FormatRow, ...]:
    """Everything that the server sent, in each format; what is no event travels as it was captured.

    `progress` is told how many more messages are done. MessagePack is left out where the library is missing.
    """
    sizes = {name: [0, 0] for name in _FORMATS if name != PACKED or message_pack.is_installed()}
    for connection in spool.connections(Direction.RECEIVED):
        ways = {name: _Way(name) for name in sizes}
        for kept, message in encode(spool.read(Direction.RECEIVED, connection), _PLAIN):
            as_it_came = kept.frames
            written = None
            if message is not None:
                written = write(message, utf8=True, ack_id=kept.ack_id)
                as_it_came = frames_of(written.packet)
            for name, way in ways.items():
                frames = as_it_came
                if way.line is not None and written is not None:
                    frames = [frame for packet_frames in way.line.frames([written]) for frame in packet_frames]
                for at, link in enumerate(way.links):
                    sizes[name][at] += sum(link.carry(*frame) for frame in frames)
            progress(1)
    return tuple(FormatRow(name, _FORMATS[name], bare, deflated) for name, (bare, deflated) in sizes.items())


def count_superseded(spool: Spool, show: Callable[[str], str], window_ms: float) -> tuple[Superseded, ...]:
    """For each event how many messages one of the same event follows on the same connection within a window.

    The most first; events of which none is followed are left out. Without a clock there are none.
    """
    counts: Counter[str] = Counter()
    followed: Counter[str] = Counter()
    for connection in spool.connections(Direction.RECEIVED):
        last_ms: dict[str, float] = {}
        for kept in spool.read(Direction.RECEIVED, connection):
            if kept.args is None:
                continue
            book(counts, kept.label, 1)
            if kept.time_ms is None or (len(last_ms) >= MAX_EVENTS and kept.label not in last_ms):
                continue
            if kept.time_ms - last_ms.get(kept.label, float("-inf")) <= window_ms:
                book(followed, kept.label, 1)
            last_ms[kept.label] = kept.time_ms
    rows = [Superseded(show(label), counts[label], count, window_ms) for label, count in followed.items()]
    return tuple(sorted(rows, key=lambda row: (-row.superseded, row.event)))
