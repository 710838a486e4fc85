"""What a trace is made of.

In: recorded messages. Out: counts, sizes as plain JSON, and parts of the trace.
Never: changes a message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reznet_ws.demo.workload import TraceEvent
from reznet_ws.message.json_text import dumps


def plain_bytes(message: TraceEvent) -> int:
    """The size of a message's data as python-socketio would send it."""
    return len(dumps(message.data, utf8=False))


def byte_shares(trace: Iterable[TraceEvent]) -> list[tuple[str, int, int, float]]:
    """For each event: how many messages, their bytes, and their share of all bytes in percent; most bytes first."""
    counts: dict[str, list[int]] = {}
    for message in trace:
        counts.setdefault(message.event, []).append(plain_bytes(message))
    total = sum(map(sum, counts.values()))
    rows = [(event, len(sizes), sum(sizes), 100 * sum(sizes) / total) for event, sizes in counts.items()]
    return sorted(rows, key=lambda row: -row[2])


def split_by_size(trace: Sequence[TraceEvent], threshold_bytes: int) -> tuple[list[TraceEvent], list[TraceEvent]]:
    """Those up to a size, and those above it."""
    sizes = [plain_bytes(message) for message in trace]
    small = [message for message, size in zip(trace, sizes, strict=True) if size <= threshold_bytes]
    return small, [message for message, size in zip(trace, sizes, strict=True) if size > threshold_bytes]
