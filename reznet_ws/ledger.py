"""Who cost what: for each event name, the bytes after every step, down to the wire.

In: what a packet carries, and what each of its copies took at the socket. Out: rows of exact totals.
Never: measures anything itself, or guesses: a row's wire bytes were counted at a transport.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

# An application that emits names chosen by its users must not grow the ledger without end.
MAX_EVENTS = 1000
OTHER_EVENTS = "(other events)"
# Nor may it when nobody reads it: 10 ms of work at once, at most.
_MAX_UNSETTLED = 500


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
    frame_bytes: int = _count("as WebSocket payloads, envelopes included")
    deflated_bytes: int = _count("after permessage-deflate")
    wire_bytes: int = _count("at the socket, frame headers included")
    off_wire_bytes: int = _count("what no layer at all would have put there")

    def add(self, other: EventTotals) -> None:
        """Add each total of another row."""
        for item in dataclasses.fields(self):
            setattr(self, item.name, getattr(self, item.name) + getattr(other, item.name))


class Share(NamedTuple):
    """One message's part in a packet: its sizes after each step, and its weight in what the frame takes."""

    event: str
    plain_bytes: int
    abbreviated_bytes: int
    encoded_bytes: int
    gzipped_bytes: int
    off_frame_bytes: tuple[int, ...]
    weight: int


class Tally:
    """What the copies of one packet have taken at the socket so far."""

    __slots__ = (
        "_ledger",
        "copies",
        "deflated_bytes",
        "frame_bytes",
        "frames",
        "polled_copies",
        "shares",
        "wire_bytes",
    )

    def __init__(self, ledger: Ledger, shares: Sequence[Share]) -> None:
        self._ledger = ledger
        self.shares = shares
        self.copies = self.frames = self.frame_bytes = self.deflated_bytes = self.wire_bytes = 0
        self.polled_copies = 0

    def clear(self) -> None:
        """Start again from nothing."""
        self.copies = self.frames = self.frame_bytes = self.deflated_bytes = self.wire_bytes = 0
        self.polled_copies = 0

    def record(self, frame_bytes: int, deflated_bytes: int, wire_bytes: int, *, first: bool, copies: int = 1) -> None:
        """One WebSocket frame left, to so many; `first` for the one that begins the packet."""
        if not self.frames and copies and self.shares:
            self._ledger.touch(self)
        self.copies += first * copies
        self.frames += copies
        self.frame_bytes += frame_bytes * copies
        self.deflated_bytes += deflated_bytes * copies
        self.wire_bytes += wire_bytes * copies

    def booking(self, frame_bytes: int, wire_bytes: int, *, first: bool) -> Callable[..., None]:
        """What records a frame that leaves later, to one or to so many `copies`."""
        return functools.partial(self.record, frame_bytes, payload_bytes(wire_bytes), wire_bytes, first=first)

    def record_polled(self, frame_bytes: int, wire_bytes: int, *, first: bool) -> None:
        """One part of a long-polling response left; `wire_bytes` holds its part of the HTTP headers."""
        self.record(frame_bytes, min(frame_bytes, wire_bytes), wire_bytes, first=first)
        self.polled_copies += first


class Ledger:
    """Rows by event name, and every byte that left: before encryption, and what that adds."""

    def __init__(self) -> None:
        self._touched: list[Tally] = []
        self.reset()

    def reset(self) -> None:
        """Start again from nothing; what is on its way counts once it has left."""
        for tally in self._touched:
            tally.clear()
        self._rows: dict[str, EventTotals] = {}
        self._touched = []
        self.sent_bytes = self.tls_bytes = 0

    def touch(self, tally: Tally) -> None:
        """Remember a tally that has something to settle."""
        if len(self._touched) >= _MAX_UNSETTLED:
            self._settle()
        self._touched.append(tally)

    def rows(self) -> dict[str, EventTotals]:
        """Event name -> totals so far."""
        self._settle()
        return {event: dataclasses.replace(row) for event, row in self._rows.items()}

    def _settle(self) -> None:
        touched, self._touched = self._touched, []
        for tally in touched:
            self._book(tally)
            tally.clear()

    def _book(self, tally: Tally) -> None:
        totals = tally.frames, tally.frame_bytes, tally.deflated_bytes, tally.wire_bytes
        parts: Iterable[Sequence[int]] = [totals]
        if len(tally.shares) > 1:
            weights = [share.weight for share in tally.shares]
            parts = zip(*(apportion(total, weights) for total in totals), strict=True)
        copies, written = tally.copies, tally.copies - tally.polled_copies
        for share, (frames, frame_bytes, deflated_bytes, wire_bytes) in zip(tally.shares, parts, strict=True):
            row = self._row(share.event)
            row.deliveries += copies
            row.frames += frames
            row.plain_bytes += copies * share.plain_bytes
            row.abbreviated_bytes += copies * share.abbreviated_bytes
            row.encoded_bytes += copies * share.encoded_bytes
            row.gzipped_bytes += copies * share.gzipped_bytes
            row.frame_bytes += frame_bytes
            row.deflated_bytes += deflated_bytes
            row.wire_bytes += wire_bytes
            for size in share.off_frame_bytes:
                row.off_wire_bytes += copies * size + written * header_bytes(size)

    def _row(self, event: str) -> EventTotals:
        row = self._rows.get(event)
        if row is None:
            if len(self._rows) >= MAX_EVENTS:
                event = OTHER_EVENTS
            row = self._rows.setdefault(event, EventTotals())
        return row


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
