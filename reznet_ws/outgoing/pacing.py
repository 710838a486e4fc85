"""When writes that wait for one another may leave.

In: when writing began and ended, in ms. Out: when it may begin again.
Never: reads a clock or writes.
"""

from __future__ import annotations

# Writing rests this many times as long as it took: it then has at most a quarter of the time, and the more there is to
# write to, the more leaves with each write. An idle server is always rested.
_REST = 3
# uvloop's timers have a resolution of 1 ms; what would wait less leaves at once.
_SHORTEST_MS = 1.0


class Pacer:
    """Spaces writes by what they took."""

    def __init__(self) -> None:
        self._rested_ms = 0.0

    def wrote(self, began_ms: float, ended_ms: float) -> None:
        """Writing took from then to then."""
        self._rested_ms = ended_ms + _REST * max(0.0, ended_ms - began_ms)

    def wait_ms(self, now_ms: float, most_ms: float) -> float:
        """How long what is there now waits, at most `most_ms`; 0 where it may leave."""
        wait_ms = min(self._rested_ms - now_ms, most_ms)
        return wait_ms if wait_ms >= _SHORTEST_MS else 0.0
