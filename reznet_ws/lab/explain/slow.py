"""Slow readers, and how many frames leave in one write.

In: a quiet lab with listeners. Out: what became of each of them.
Never: knows what the server decides; it only emits, and reads.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from reznet_ws.lab.lab import Lab
from reznet_ws.replay.frames import dissect
from reznet_ws.replay.trace import Event

CLOSE = 8
# On loopback the kernel takes some 6 MB before a writer has to wait.
_FILLER_BYTES = 200_000
_MOST_FILLERS = 500


@dataclass(frozen=True, slots=True)
class Drowned:
    """What became of a slow reader and of those beside it: the numbers of the messages that each got, of so many sent.

    `close_code` is what its connection was closed with, None where it stayed.
    """

    sent: int
    got: list[list[int]]
    close_code: int | None


def drown(lab: Lab, place: int, fillers: int = _MOST_FILLERS) -> Drowned:
    """Send numbered messages that deflate cannot shrink much; one listener reads none of them before the end.

    It ends after so many, or as soon as that listener's connection has been closed for it.
    """
    slow = lab.listeners[place]
    others = [listener for listener in lab.listeners if listener is not slow]
    have = [len(listener.messages) for listener in lab.listeners]

    def emit(event: Event) -> None:
        lab.emit([event])
        for listener in others:
            listener.read(1)

    sent = 0
    while sent < fillers and not lab.stats["slow_readers"]["closed_connections"]:
        emit(("filler", {"number": sent, "filler": random.Random(sent).randbytes(_FILLER_BYTES // 2).hex()}))
        sent += 1
    while lab.stats["slow_readers"]["queued_bytes"]:  # what waits for it may not push out the last one
        slow.read(1)
    emit(("last", {}))
    code = None
    while code is None and not (slow.messages and str(slow.messages[-1]).startswith('42["last"')):
        parts = dissect(slow.read(1)[0])
        code = int.from_bytes(parts.payload[:2]) if parts.opcode == CLOSE else None
    got = [_numbers(listener.messages[start:]) for listener, start in zip(lab.listeners, have, strict=True)]
    return Drowned(sent, got, code)


def _numbers(messages: Iterable[str | bytes]) -> list[int]:
    texts = [text for text in messages if isinstance(text, str) and text.startswith('42["filler"')]
    return [json.loads(text[2:])[1]["number"] for text in texts]


def frames_per_write(lab: Lab, events: Sequence[Event], rate_per_s: float) -> float:
    """How many frames leave together when events are emitted at a rate, or one in each turn if that is infinite.

    Counted at the server's transports.
    """
    counters = lab.server.call(lambda: _count_writes(lab))
    lab.emit(events, pause_s=1 / rate_per_s)
    frames = sum(len(listener.read(len(events))) for listener in lab.listeners)
    for line, counter in counters:
        line.inner = counter.inner
    return frames / sum(counter.writes for _, counter in counters)


class _CountingWrites:
    """A transport that counts the writes."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.writes = inner, 0

    def write(self, data: bytes) -> None:
        self.writes += 1
        self.inner.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


# The one place where the lab reaches into a connection of the server: nothing public tells of single writes.
def _count_writes(lab: Lab) -> list[tuple[Any, _CountingWrites]]:
    lines = [line for known in lab.site.manager.road.connections.values() if (line := known.line) is not None]
    counters = [(line, _CountingWrites(line.inner)) for line in lines]
    for line, counter in counters:
        line.inner = counter
    return counters
