"""What the servers emit: the same messages for all, from the lab's workload or from a capture.

In: a seed, or lines of JSON. Out: conversations: events with their data, in order.
Never: holds more than `MAX_FILE_BYTES` of a capture.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reznet_ws.demo.cursors import move_cursors
from reznet_ws.demo.workload import generate

MAX_FILE_BYTES = 64 * 1024 * 1024
PER_BATCH = 5
BATCH_EVENT = "messages"
# Of the workload: at 270 bytes each, far more than the largest window holds, so that a second lap repeats nothing.
LAB_MESSAGES = 3000
# More bytes of the lab's traffic than any window holds, so that a second time round repeats nothing.
CONVERSATION_MESSAGES = 400
_LAB_RATE_PER_S = 20.0
# What a client is sent, in the words of the captures that are read.
_RECEIVED = (None, "in", "received")


class TrafficError(ValueError):
    """A capture that cannot be emitted; names the file and the line."""


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """One event with its data, as `emit` takes them; `at_ms` where the source has a clock."""

    event: str
    data: Any
    at_ms: float | None = None


def lab_traffic(seed: int = 1, count: int = LAB_MESSAGES) -> list[RecordedEvent]:
    """The lab's agent chat."""
    messages = itertools.islice(generate(seed, _LAB_RATE_PER_S), count)
    return [RecordedEvent(message.event, message.data, message.offset_ms) for message in messages]


def read_traffic(path: Path, most: int | None = None) -> list[RecordedEvent]:
    """A capture's messages to the client: lines of `{"event", "data"}`, perhaps with `dir` and `ts_ms`.

    Raises: TrafficError, OSError.
    """
    if path.stat().st_size > MAX_FILE_BYTES:
        raise TrafficError(f"{path} is larger than {MAX_FILE_BYTES} bytes")
    emissions: list[RecordedEvent] = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if most is not None and len(emissions) >= most:
                break
            if line.strip():
                row = _read_row(line, f"{path}:{number}")
                if row.get("dir") in _RECEIVED:
                    emissions.append(RecordedEvent(row["event"], row["data"], row.get("ts_ms")))
    if not emissions:
        raise TrafficError(f"{path} holds no message to a client")
    return emissions


def chat_conversations(count: int, seed: int = 1) -> list[list[RecordedEvent]]:
    """The lab's agent chat, each conversation from a seed of its own."""
    return [lab_traffic(seed + number, CONVERSATION_MESSAGES) for number in range(count)]


def small_conversations(count: int, seed: int = 1) -> list[list[RecordedEvent]]:
    """Moves of cursors: about 100 bytes each, all of one shape."""
    moves = (itertools.islice(move_cursors(seed * 1000 + number), CONVERSATION_MESSAGES) for number in range(count))
    return [[RecordedEvent(move.event, move.data) for move in several] for several in moves]


def in_batches(emissions: Sequence[RecordedEvent], size: int = PER_BATCH) -> list[RecordedEvent]:
    """The same messages, so many in the data of one event of the application's; what is over is left out."""
    return [
        RecordedEvent(BATCH_EVENT, [{"event": one.event, "data": one.data} for one in several], several[-1].at_ms)
        for several in (emissions[start : start + size] for start in range(0, len(emissions) - size + 1, size))
    ]


def _read_row(line: str, place: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise TrafficError(f"{place} is no JSON: {error}") from None
    if not isinstance(row, dict) or not isinstance(row.get("event"), str) or "data" not in row:
        raise TrafficError(f"{place} is no object with an event's name and its data")
    return row


# Name -> how its conversations are made: how many, from which seed.
TRAFFICS: Mapping[str, Callable[[int, int], list[list[RecordedEvent]]]] = {
    "chat": chat_conversations,
    "small": small_conversations,
}
