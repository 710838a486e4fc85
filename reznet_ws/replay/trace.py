"""Traces: recorded messages, what they are made of, and variants of them.

In: a seed and a kind of traffic, or a trace. Out: traces, and counts of what is in them.
Never: changes a message of the trace that it is given.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from reznet_ws.demo.workload import Mix, TraceEvent, generate
from reznet_ws.message.json_text import dumps

Event = tuple[str, Any]


def record(
    count: int, mix: Mix | str = "chat", seed: int = 1, *, event: str | None = None, rate_per_s: float = 20
) -> list[TraceEvent]:
    """The first messages of the demo's seeded traffic, or of those of one kind."""
    messages = generate(seed, rate_per_s, mix)
    return list(itertools.islice((message for message in messages if event in (None, message.event)), count))


def take(count: int, mix: Mix | str = "chat", *, event: str | None = None) -> list[Event]:
    """The same messages as names and data, without the times."""
    return events_of(record(count, mix, event=event))


def events_of(trace: Iterable[TraceEvent]) -> list[Event]:
    """Names and data, without the times."""
    return [(message.event, message.data) for message in trace]


def of_kinds(trace: Iterable[TraceEvent], *events: str) -> list[TraceEvent]:
    """Only some events."""
    return [message for message in trace if message.event in events]


def retime(trace: Iterable[TraceEvent], apart_ms: float) -> list[TraceEvent]:
    """The same messages, evenly spaced."""
    return [dataclasses.replace(message, offset_ms=number * apart_ms) for number, message in enumerate(trace)]


def change(trace: Iterable[TraceEvent], how: Callable[[Any], Any]) -> list[TraceEvent]:
    """The same trace with the data of each message changed."""
    return [dataclasses.replace(message, data=how(message.data)) for message in trace]


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
    small = [message for message in trace if plain_bytes(message) <= threshold_bytes]
    return small, [message for message in trace if plain_bytes(message) > threshold_bytes]
