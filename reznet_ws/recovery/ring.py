"""What was emitted last, for those who are away: bounded by bytes and by seconds.

In: events with their numbers, which grow, and the rooms they are for. Out: those after a number, and whether they are
all there.
Never: reads a clock, or knows who is in a room.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Kept = TypeVar("Kept")

# What an event takes beside its text: objects of its own and of its packet, measured in CPython 3.11.
ENTRY_BYTES = 900


@dataclass(frozen=True, slots=True)
class Entry(Generic[Kept]):
    """One event: its number, when it was emitted, for whom, and what is sent."""

    number: int
    at_s: float
    namespace: str
    # None stands for everybody in the namespace.
    rooms: tuple[Hashable, ...]
    skipped: frozenset[str]
    kept: Kept
    size_bytes: int
    # A client, or a user, that it is for in any case.
    user: str | None = None


class Ring(Generic[Kept]):
    """The last events, the oldest first."""

    def __init__(self, *, max_bytes: int, max_s: float, number: int) -> None:
        """`number`: the last one that was given before this ring began."""
        self.max_bytes, self.max_s = max_bytes, max_s
        self.bytes = 0
        # The newest event that is no longer here, and when it was emitted; None for what was before the ring.
        self.dropped_number, self.dropped_at_s = number, None  # type: int, float | None
        self._entries: deque[Entry[Kept]] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    def append(self, entry: Entry[Kept]) -> None:
        """Keep an event, whose number is greater than that of any before, and drop what is then over the bounds."""
        self._entries.append(entry)
        self.bytes += entry.size_bytes
        self.expire(entry.at_s)

    def expire(self, now_s: float) -> None:
        """Drop what is too old, or too much."""
        entries = self._entries
        while entries and (self.bytes > self.max_bytes or entries[0].at_s < now_s - self.max_s):
            dropped = entries.popleft()
            self.bytes -= dropped.size_bytes
            self.dropped_number, self.dropped_at_s = dropped.number, dropped.at_s

    def before(self, at_s: float) -> int:
        """The number of the newest event that was emitted before some time."""
        number = self.dropped_number if self.dropped_at_s is not None and self.dropped_at_s < at_s else 0
        for entry in self._entries:
            if entry.at_s >= at_s:
                break
            number = entry.number
        return number

    def restart(self, number: int) -> None:
        """Forget everything: the numbers begin anew, or some are missing."""
        self._entries.clear()
        self.bytes, self.dropped_number, self.dropped_at_s = 0, number, None

    def covers(self, number: int) -> bool:
        """Whether all that came after a number is here."""
        return number >= self.dropped_number

    def after(self, number: int) -> Sequence[Entry[Kept]]:
        """What came after a number, the oldest first; costs what it gives."""
        found = list(self._newest(number))
        found.reverse()
        return found

    def _newest(self, number: int) -> Iterator[Entry[Kept]]:
        for entry in reversed(self._entries):
            if entry.number <= number:
                return
            yield entry
