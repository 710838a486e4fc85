"""Two clocks in one HAR: dates for entries, and for the messages of a WebSocket one that began with the browser.

In: when each WebSocket's entry began, and when its first message came. Out: what to add to the messages' times.
Never: moves times that already are dates.

A first message comes after its connection was opened. So the true difference of the clocks is at least that of every
connection, and of one browser's connections the largest is the nearest.
"""

from __future__ import annotations

from collections.abc import Mapping

# A connection's first message comes sooner than this; two clocks are farther apart.
_OTHER_CLOCK_MS = 86_400_000
# The connections of one browser differ by how long they waited for a first message.
_SAME_BROWSER_MS = 3_600_000


def align(begins: Mapping[int, tuple[float | None, float | None]]) -> dict[int, float]:
    """What to add, in ms, for each connection whose messages are not timed by dates."""
    apart_ms = {
        connection: started_ms - first_ms
        for connection, (started_ms, first_ms) in begins.items()
        if started_ms is not None and first_ms is not None and abs(started_ms - first_ms) > _OTHER_CLOCK_MS
    }
    if apart_ms and max(apart_ms.values()) - min(apart_ms.values()) <= _SAME_BROWSER_MS:
        return dict.fromkeys(apart_ms, max(apart_ms.values()))
    return apart_ms
