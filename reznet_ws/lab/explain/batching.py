"""What batching does to time and order: variants of the batcher on simulated time, and what it does to a server's CPU.

In: traces, settings. Out: when each message leaves, in which order, and the CPU time that a delivery takes.
Never: is used by a server: the variants are here to be compared, the first is worse and the second is wrong.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from reznet_ws.demo.workload import TraceEvent
from reznet_ws.lab.lab import Lab
from reznet_ws.message.batch import Batch, MessageBatcher
from reznet_ws.replay.ablation import Outcome, leave, replay
from reznet_ws.replay.link import encode, engineio_packets
from reznet_ws.replay.trace import Event, events_of, of_kinds, record, retime
from reznet_ws.settings import Settings

Item = TypeVar("Item")

# Assumed, not measured: IPv4 and TCP without options (RFC 791, RFC 9293); a TLS 1.3 record's header, type and tag (RFC
# 8446 section 5.2). Each frame is taken to leave in a segment and a record of its own, and acknowledgements are free.
TCP_IP_BYTES = 20 + 20
TLS_BYTES = 5 + 1 + 16

# The layer's colour, from light to dark: for one line each rate.
SHADES = ("#F4C7A1", "#E89A5B", "#D55E00", "#8C3D00")

_TIMEOUT_S = 30
_BURST = 10
_PACKINGS = 100


class TrailingBatcher(MessageBatcher[int, Item]):
    """The usual way: every message that may wait waits for its window's end, the first one too.

    For one receiver.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._held: list[Item] = []
        self._ends_ms: float | None = None

    @property
    def closes_ms(self) -> float | None:
        """When the window ends."""
        return self._ends_ms

    def add(
        self, receivers: Iterable[int], message: Item, now_ms: float, *, may_wait: bool, latest: Any = None
    ) -> list[Batch[int, Item]]:
        """Open a window for the message where none is open; what may not wait takes along what waits."""
        batches = self.due(now_ms)
        if not may_wait or not self.settings.batch:
            return [*batches, *self._release(), Batch(tuple(receivers), (message,))]
        if self._ends_ms is None:
            self._ends_ms = now_ms + self.settings.batch_window_ms
        self._held.append(message)
        return batches + (self._release() if len(self._held) >= self.settings.batch_max_messages else [])

    def due(self, now_ms: float) -> list[Batch[int, Item]]:
        """What the window held; the next message opens another."""
        if self._ends_ms is None or now_ms < self._ends_ms:
            return []
        self._ends_ms = None
        return self._release()

    def _release(self) -> list[Batch[int, Item]]:
        held, self._held = self._held, []
        return [Batch((0,), tuple(held))] if held else []


class OvertakingBatcher(TrailingBatcher[Item]):
    """Lets what may not wait past what waits."""

    def add(
        self, receivers: Iterable[int], message: Item, now_ms: float, *, may_wait: bool, latest: Any = None
    ) -> list[Batch[int, Item]]:
        """Send at once what may not wait, and leave alone what does."""
        if may_wait:
            return super().add(receivers, message, now_ms, may_wait=True)
        return [*self.due(now_ms), Batch(tuple(receivers), (message,))]


def lone(count: int, apart_ms: float) -> list[TraceEvent]:
    """Statuses so far apart that no window holds two."""
    return retime(of_kinds(record(20 * count, mix="status"), "agent_status")[:count], apart_ms)


def waiting_delays_ms(
    trace: Sequence[TraceEvent], settings: Settings, batcher: MessageBatcher[int, Any] | None = None
) -> list[float]:
    """What batching adds to each message that may wait; the others are never held back."""
    departures = _departures(trace, settings, batcher)
    return [round(left_ms - message.offset_ms, 3) for left_ms, message in departures if _may_wait(message, settings)]


def seqs_as_sent(
    trace: Sequence[TraceEvent], settings: Settings, batcher: MessageBatcher[int, Any] | None = None
) -> list[int]:
    """The messages' numbers in the order in which they leave."""
    return [int(message.data["seq"]) for _, message in _departures(trace, settings, batcher)]


def count_overtaken(seqs: Sequence[int]) -> int:
    """How many come after one that was emitted later."""
    highest, overtaken = -1, 0
    for seq in seqs:
        overtaken += seq < highest
        highest = max(highest, seq)
    return overtaken


def sweep(
    rates_per_s: Sequence[float], windows_ms: Sequence[float], count: int, *, mix: str = "chat", seed: int = 1
) -> dict[tuple[float, float], Outcome]:
    """(Rate, window) -> outcome with the recommended settings and batching; a window of 0 is batching off."""
    outcomes = {}
    for rate_per_s in rates_per_s:
        trace = record(count, seed=seed, rate_per_s=rate_per_s, mix=mix)
        for window_ms in windows_ms:
            changes = {"batch": True, "batch_window_ms": window_ms} if window_ms else {"batch": False}
            outcomes[rate_per_s, window_ms] = replay(trace, Settings.recommended().replace(**changes))
    return outcomes


def curves(
    swept: Mapping[tuple[float, float], Outcome], value: Callable[[Outcome, Outcome], float]
) -> dict[str, list[tuple[float, float]]]:
    """Rate -> a curve over the windows; `value` is given an outcome and the same rate's without batching."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for (rate_per_s, window_ms), outcome in swept.items():
        line = lines.setdefault(f"{rate_per_s:g}/s", [])
        line.append((window_ms, value(outcome, swept[rate_per_s, 0])))
    return lines


def below_bytes(outcome: Outcome, *, tls: bool = False) -> int:
    """Bytes on the line for what the socket took, under the assumptions above: headers of segments, and of records."""
    return outcome.wire_bytes + outcome.frames * (TCP_IP_BYTES + tls * TLS_BYTES)


def pack_us(events: Sequence[Event], settings: Settings, *, together: bool, runs: int = 5) -> list[float]:
    """µs a message that turning events into text takes, one by one or as a batch, in each of some runs."""
    groups = [list(events)] if together else [[event] for event in events]
    measured = []
    for _ in range(runs):
        before_s = time.process_time()
        for _ in range(_PACKINGS):
            for group in groups:
                engineio_packets(group, settings)
        measured.append((time.process_time() - before_s) * 1e6 / (_PACKINGS * len(events)))
    return measured


def first_overtaken(trace: Sequence[TraceEvent], seqs: Sequence[int]) -> tuple[TraceEvent, TraceEvent]:
    """The first message that comes after a later one, and that one. Raises: ValueError where none does."""
    by_seq = {int(message.data["seq"]): message for message in trace}
    highest = -1
    for seq in seqs:
        if seq < highest:
            return by_seq[seq], by_seq[highest]
        highest = seq
    raise ValueError("nothing overtakes")


def compare_cpu(
    lab: Lab, trace: Sequence[TraceEvent], variants: Mapping[str, Settings], runs: int = 3
) -> dict[str, float]:
    """µs of the server's CPU for each delivery: the median of some runs, the variants taking turns."""
    measure_cpu_us(lab, trace, next(iter(variants.values())))  # the first run pays for imports and caches
    measured: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(runs):
        for name, settings in variants.items():
            measured[name].append(measure_cpu_us(lab, trace, settings))
    return {name: statistics.median(values) for name, values in measured.items()}


def measure_cpu_us(lab: Lab, trace: Sequence[TraceEvent], settings: Settings) -> float:
    """µs of the server thread's CPU for each delivery of a trace that is emitted ten messages at a time."""
    lab.settings = settings
    events = events_of(trace)
    wanted = lab.fleet.counts.received + len(events) * lab.users
    before_s = lab.server.call(time.thread_time)
    for start in range(0, len(events), _BURST):
        lab.emit(events[start : start + _BURST])
    lab.fleet.wait_received(wanted, _TIMEOUT_S)
    return (lab.server.call(time.thread_time) - before_s) * 1e6 / (len(events) * lab.users)


def _departures(
    trace: Sequence[TraceEvent], settings: Settings, batcher: MessageBatcher[int, Any] | None
) -> list[tuple[float, TraceEvent]]:
    timed = ((message.offset_ms, message) for message in trace)
    leaving = leave(timed, batcher or MessageBatcher(settings), lambda message: _may_wait(message, settings))
    return [(left_ms, message) for left_ms, together in leaving for _, message in together]


def _may_wait(message: TraceEvent, settings: Settings) -> bool:
    return encode(message.event, message.data, settings).may_wait(settings)
