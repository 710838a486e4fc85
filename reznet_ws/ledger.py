"""Who cost what: for each event name, the bytes after every step, down to the wire.

In: what a packet carries, and what each of its copies took at the socket. Out: rows of exact totals.
Never: measures anything itself, or guesses: a row's wire bytes were counted at a transport.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

# An application that emits names chosen by its users must not grow the ledger without end.
MAX_EVENTS = 1000
OTHER_EVENTS = "(other events)"


def _count(description: str) -> Any:
    return field(default=0, metadata={"description": description})


@dataclass(slots=True)
class EventTotals:
    """Totals over everything delivered; a message to 100 receivers is 100 deliveries.

    Units: bytes, after each step: `plain` JSON as the application gave it and python-socketio would send it,
    `abbreviated`, `encoded` (UTF-8), `gzipped`, `frame` (WebSocket payloads, with the packets' envelopes), `deflated`
    (the same compressed), `wire` (with the frames' headers; for long-polling with the HTTP response's).
    `off_wire_bytes` is what `Settings.off()` would have put on the wire for the same deliveries; for long-polling that
    leaves out the HTTP headers, so the saving there is not overstated.
    """

    deliveries: int = _count("messages times receivers")
    frames: int = _count("WebSocket frames; a batch's frame counts for one of its messages")
    plain_bytes: int = _count("JSON as python-socketio would send it")
    abbreviated_bytes: int = _count("after short keys and timestamps")
    encoded_bytes: int = _count("after UTF-8 instead of escapes")
    gzipped_bytes: int = _count("after gzip of large payloads")
    packed_saved_bytes: int = _count("by which MessagePack is shorter than the text")
    held_saved_bytes: int = _count("that snapshots would have taken, less what keeping them takes")
    rows_saved_bytes: int = _count("by which lines of rows are shorter than their packets")
    frame_bytes: int = _count("as WebSocket payloads, envelopes included")
    deflated_bytes: int = _count("after permessage-deflate")
    wire_bytes: int = _count("at the socket, frame headers included")
    off_wire_bytes: int = _count("what no layer at all would have put there")

    def add(self, other: EventTotals) -> None:
        """Add each total of another row."""
        for item in dataclasses.fields(self):
            setattr(self, item.name, getattr(self, item.name) + getattr(other, item.name))


class Saved(NamedTuple):
    """By how much one message's plain frames are larger than what travels in their place. Units: bytes.

    `packed` MessagePack instead of text, `held` a snapshot that was named, less what it took to let clients keep it,
    `rows` a line instead of its packet.
    """

    packed: int = 0
    held: int = 0
    rows: int = 0


class Share(NamedTuple):
    """One message's part in a packet: its sizes after each step, and its weight in what the frame takes."""

    event: str
    plain_bytes: int
    abbreviated_bytes: int
    encoded_bytes: int
    gzipped_bytes: int
    off_frame_bytes: tuple[int, ...]
    weight: int
    # None where no layer but those of the steps above has anything to do with it.
    saved: Saved | None = None


class Ledger:
    """Rows by event name, and every byte that left: before encryption, and what that adds."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start again from nothing; what is on its way counts once it has left."""
        self._rows: dict[str, EventTotals] = {}
        self.sent_bytes = self.tls_bytes = 0

    def rows(self) -> dict[str, EventTotals]:
        """Event name -> totals so far."""
        return {event: dataclasses.replace(row) for event, row in self._rows.items()}

    def record(
        self,
        shares: Sequence[Share],
        frame_bytes: int,
        wire_bytes: int,
        *,
        first: bool,
        copies: int = 1,
        is_polled: bool = False,
    ) -> None:
        """So many copies of one part of a packet left; `first` for the one that begins the packet.

        `frame_bytes`: before compression; `wire_bytes`: a whole WebSocket frame, or with `is_polled` a part of a
        long-polling response, which holds its part of the HTTP headers.
        """
        deflated_bytes = min(frame_bytes, wire_bytes) if is_polled else payload_bytes(wire_bytes)
        totals = copies, copies * frame_bytes, copies * deflated_bytes, copies * wire_bytes
        parts: Iterable[Sequence[int]] = (totals,)
        if len(shares) > 1:
            weights = [share.weight for share in shares]
            parts = zip(*(apportion(total, weights) for total in totals), strict=True)
        for share, (frames, framed, deflated, wire) in zip(shares, parts, strict=False):
            row = self._rows.get(share.event) or self._row(share.event)
            row.frames += frames
            row.frame_bytes += framed
            row.deflated_bytes += deflated
            row.wire_bytes += wire
            if first:
                row.deliveries += copies
                row.plain_bytes += copies * share.plain_bytes
                row.abbreviated_bytes += copies * share.abbreviated_bytes
                row.encoded_bytes += copies * share.encoded_bytes
                row.gzipped_bytes += copies * share.gzipped_bytes
                if share.saved is not None:
                    row.packed_saved_bytes += copies * share.saved.packed
                    row.held_saved_bytes += copies * share.saved.held
                    row.rows_saved_bytes += copies * share.saved.rows
                for size in share.off_frame_bytes:
                    row.off_wire_bytes += copies * (size if is_polled else size + header_bytes(size))

    def _row(self, event: str) -> EventTotals:
        return self._rows.setdefault(event if len(self._rows) < MAX_EVENTS else OTHER_EVENTS, EventTotals())


def apportion(total: int, weights: Sequence[int]) -> list[int]:
    """Split a whole number by weights into whole numbers that add up to it."""
    whole = sum(weights)
    if not whole:
        return [total, *[0] * (len(weights) - 1)]
    parts, before, weight = [], 0, 0
    for item in weights:
        weight += item
        upto = total * weight // whole
        parts.append(upto - before)
        before = upto
    return parts


def header_bytes(payload_bytes: int) -> int:
    """The size of the header of a WebSocket frame from a server. Source: RFC 6455 section 5.2."""
    if payload_bytes < 126:
        return 2
    return 4 if payload_bytes < 65_536 else 10


def payload_bytes(wire_bytes: int) -> int:
    """The size of the payload of a whole frame from a server; undoes `header_bytes`."""
    if wire_bytes < 128:
        return wire_bytes - 2
    return wire_bytes - (4 if wire_bytes < 65_540 else 10)
