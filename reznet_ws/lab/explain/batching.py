"""What batching does to time and order: variants of the batcher, on simulated time, and what it does to a server's CPU.

In: traces, settings. Out: when each message leaves, in which order, and the CPU time that a delivery takes.
Never: is used by a server: the variants are here to be compared, the first is worse and the second is wrong.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self, TypeVar

import socketio

from reznet_ws.adapters.manager import attach
from reznet_ws.adapters.serving import ServerThread
from reznet_ws.demo.workload import TraceEvent
from reznet_ws.lab.clients.fleet import Fleet
from reznet_ws.lab.explain.journey import Event, engineio_packets
from reznet_ws.message.batch import Batch, MessageBatcher
from reznet_ws.replay.ablation import Outcome, encode, leave, record, replay
from reznet_ws.settings import Settings

Item = TypeVar("Item")

# Assumed, not measured: IPv4 and TCP without options (RFC 791, RFC 9293); a TLS 1.3 record's header, type and tag (RFC
# 8446 section 5.2). Each frame is taken to leave in a segment and a record of its own, and acknowledgements are free.
TCP_IP_BYTES = 20 + 20
TLS_BYTES = 5 + 1 + 16

# The seed document's example of a batch, under Layer 4, with full keys.
SEED_STATUSES: list[Event] = [
    ("agent_status", {"agent_name": "@backend", "status": "thinking"}),
    ("agent_status", {"agent_name": "@frontend", "status": "online"}),
    ("agent_status", {"agent_name": "@qa", "status": "idle"}),
    ("agent_status", {"agent_name": "@devops", "status": "busy"}),
    ("agent_status", {"agent_name": "@orchestrator", "status": "planning"}),
]

# The same agents a little later.
NEXT_STATUSES: list[Event] = [
    (event, {**data, "status": status})
    for (event, data), status in zip(SEED_STATUSES, ("online", "busy", "thinking", "idle", "online"), strict=True)
]

# The layer's colour, from light to dark: for one line each rate.
SHADES = ("#F4C7A1", "#E89A5B", "#D55E00", "#8C3D00")

_TIMEOUT_S = 30
_BURST = 10
_PACKINGS = 100


class TrailingBatcher(MessageBatcher[int, Item]):
    """Every message that may wait waits for its window's end, the first one too: the usual way, and the seed's."""

    def add(self, receivers: Iterable[int], message: Item, now_ms: float, *, may_wait: bool) -> list[Batch[int, Item]]:
        """Open a window for the message where none is open, as if its receivers had just been served."""
        receivers = tuple(receivers)
        batches = self.due(now_ms)
        if may_wait and self.settings.batch:
            self._served.update(receivers)
            if self._closes_ms is None:
                self._closes_ms = now_ms + self.settings.batch_window_ms
        return batches + super().add(receivers, message, now_ms, may_wait=may_wait)

    def due(self, now_ms: float) -> list[Batch[int, Item]]:
        """What the window held; the next message opens another."""
        batches = super().due(now_ms)
        if batches:
            self._closes_ms = None
        return batches


class OvertakingBatcher(TrailingBatcher[Item]):
    """Lets what may not wait past what waits."""

    def add(self, receivers: Iterable[int], message: Item, now_ms: float, *, may_wait: bool) -> list[Batch[int, Item]]:
        """Send at once what may not wait, and leave alone what does."""
        if may_wait:
            return super().add(receivers, message, now_ms, may_wait=True)
        return [*self.due(now_ms), Batch(tuple(receivers), (message,))]


def lone(count: int, apart_ms: float) -> list[TraceEvent]:
    """Statuses so far apart that no window holds two."""
    return retime(of_kinds(record(20 * count, mix="status"), "agent_status")[:count], apart_ms)


def retime(trace: Iterable[TraceEvent], apart_ms: float) -> list[TraceEvent]:
    """The same messages, evenly spaced."""
    return [
        TraceEvent(offset_ms=number * apart_ms, event=message.event, data=message.data)
        for number, message in enumerate(trace)
    ]


def of_kinds(trace: Iterable[TraceEvent], *events: str) -> list[TraceEvent]:
    """Only some events."""
    return [message for message in trace if message.event in events]


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
    """(Rate, window) -> outcome with the recommended settings; a window of 0 is batching off."""
    outcomes = {}
    for rate_per_s in rates_per_s:
        trace = record(count, seed=seed, rate_per_s=rate_per_s, mix=mix)
        for window_ms in windows_ms:
            changes = {"batch_window_ms": window_ms} if window_ms else {"batch": False}
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


class CpuBench:
    """One server in a thread, clients in another process, and how much CPU time that thread takes for a delivery."""

    def __init__(self, users: int) -> None:
        self.users = users
        sio = socketio.AsyncServer(async_mode="asgi")
        self._manager = attach(sio, Settings().replace(deflate_adjustable=True))

        async def stopping() -> None:
            self._manager.close()
            await sio.shutdown()

        self._server = ServerThread(socketio.ASGIApp(sio), stopping=stopping)
        self._fleet = Fleet(self._server.url)
        try:
            self._fleet.resize(users)
            self._fleet.wait()
        except BaseException:
            self.stop()
            raise

    @property
    def is_running(self) -> bool:
        """Whether the server or a client lives."""
        return self._server.is_running or bool(self._fleet.process_ids)

    def stop(self) -> None:
        """Stop clients and server; doing it twice does nothing."""
        self._fleet.stop()
        self._server.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def compare(self, trace: Sequence[TraceEvent], variants: dict[str, Settings], runs: int = 3) -> dict[str, float]:
        """µs of CPU for each delivery: the median of some runs, the variants taking turns."""
        self.measure_us(trace, next(iter(variants.values())))  # the first run pays for imports and caches
        measured: dict[str, list[float]] = {name: [] for name in variants}
        for _ in range(runs):
            for name, settings in variants.items():
                measured[name].append(self.measure_us(trace, settings))
        return {name: statistics.median(values) for name, values in measured.items()}

    def measure_us(self, trace: Sequence[TraceEvent], settings: Settings) -> float:
        """µs of the server thread's CPU for each delivery of a trace that is emitted ten messages at a time."""
        self._server.call(lambda: setattr(self._manager, "settings", settings.replace(deflate_adjustable=True)))
        wanted = self._fleet.counts.received + len(trace) * self.users
        before_s = self._server.call(time.thread_time)
        self._server.submit(self._emit(trace)).result(_TIMEOUT_S)
        self._fleet.wait_received(wanted, _TIMEOUT_S)
        return (self._server.call(time.thread_time) - before_s) * 1e6 / (len(trace) * self.users)

    async def _emit(self, trace: Sequence[TraceEvent]) -> None:
        for start in range(0, len(trace), _BURST):
            for message in trace[start : start + _BURST]:
                await self._manager.broadcast(message.event, message.data)
            await asyncio.sleep(0)


def _departures(
    trace: Sequence[TraceEvent], settings: Settings, batcher: MessageBatcher[int, Any] | None
) -> list[tuple[float, TraceEvent]]:
    timed = ((message.offset_ms, message) for message in trace)
    leaving = leave(timed, batcher or MessageBatcher(settings), lambda message: _may_wait(message, settings))
    return [(left_ms, message) for left_ms, together in leaving for _, message in together]


def _may_wait(message: TraceEvent, settings: Settings) -> bool:
    return encode(message.event, message.data, settings).may_wait(settings)
