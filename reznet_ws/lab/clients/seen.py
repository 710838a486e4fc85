"""What clients saw, on its way from their process to the lab's: one JSON object a line.

In: arrivals, connections, answers. Out: the same at the other end.
Never: holds a message: an arrival is a number, its client and a time.
"""

from __future__ import annotations

import base64
from array import array
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Self


@dataclass
class Counts:
    """What all clients saw since their process started; the last four are found by the lab (`Deliveries`)."""

    connected: int = 0
    drops: int = 0
    reconnects: int = 0
    refused: int = 0
    received: int = 0
    answered: int = 0
    unanswered: int = 0
    failed: int = 0
    plain_bytes: int = 0
    lost: int = 0
    doubled: int = 0
    overtaken: int = 0
    altered: int = 0

    @property
    def wrong(self) -> int:
        """Deliveries that were not once, in order and as emitted."""
        return self.lost + self.doubled + self.overtaken + self.altered


@dataclass
class Seen:
    """What was seen since the last report. Times on the monotonic clock; NaN where the client reads slowly.

    `connections` are Engine.IO sessions that are new, `ended` those that are over, and whether the client went by
    itself. `failures` are tracebacks of the scenario's functions.
    """

    connections: list[str] = field(default_factory=list)
    ended: list[tuple[str, bool]] = field(default_factory=list)
    answers_ms: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    places: array[int] = field(default_factory=lambda: array("I"))
    digests: array[int] = field(default_factory=lambda: array("Q"))
    times_s: array[float] = field(default_factory=lambda: array("d"))

    def packed(self) -> dict[str, Any]:
        """As plain data for JSON."""
        return {
            "connections": self.connections,
            "ended": self.ended,
            "answers_ms": self.answers_ms,
            "failures": self.failures,
            "places": _text(self.places),
            "digests": _text(self.digests),
            "times_s": _text(self.times_s),
        }

    @classmethod
    def unpacked(cls, report: dict[str, Any]) -> Self:
        """Undoes `packed`."""
        return cls(
            report["connections"],
            [(sid, by_client) for sid, by_client in report["ended"]],
            report["answers_ms"],
            report["failures"],
            _array("I", report["places"]),
            _array("Q", report["digests"]),
            _array("d", report["times_s"]),
        )


@dataclass
class Log:
    """What a process of clients has seen; `taken` gives what is new."""

    counts: Counts = field(default_factory=Counts)
    refusal: str = ""  # why a connection was refused, the last time
    new: Seen = field(default_factory=Seen)
    _places: dict[str, int] = field(default_factory=dict)

    def place(self, sid: str) -> int:
        """The number of a connection, which is told of when it is first seen."""
        place = self._places.get(sid)
        if place is None:
            place = self._places[sid] = len(self._places)
            self.new.connections.append(sid)
        return place

    def arrived(self, sid: str, digest: int, at_s: float) -> None:
        """A handler got a message."""
        new = self.new
        new.places.append(self.place(sid))
        new.digests.append(digest)
        new.times_s.append(at_s)
        self.counts.received += 1

    def taken(self) -> dict[str, Any]:
        """The counts, and what is new since the last call, as plain data."""
        new, self.new = self.new, Seen()
        return {"counts": asdict(self.counts), "refusal": self.refusal, "seen": new.packed()}


@dataclass
class Arrivals:
    """The other end of one process: connections keep the numbers that they were told with."""

    _sids: list[str] = field(default_factory=list)

    def of(self, seen: Seen) -> Iterator[tuple[str, int, float]]:
        """Session, digest and time of each arrival in a report; reports come in their order."""
        self._sids += seen.connections
        sids = self._sids
        return (
            (sids[place], digest, at_s)
            for place, digest, at_s in zip(seen.places, seen.digests, seen.times_s, strict=True)
        )


def _array(kind: str, text: str) -> Any:
    return array(kind, base64.b64decode(text))


def _text(values: array[Any]) -> str:
    return base64.b64encode(values.tobytes()).decode()
