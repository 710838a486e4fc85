"""What a running lab's server and clients did since a moment, put together.

In: a server, the tap on what it emits, and a fleet of clients. Out: measurements.
Never: lets a server look fast that was too busy to emit in time: latencies count from when a message was due, where
the application says so, else from when it called `emit`.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections import deque
from typing import Any, Protocol

from reznet_ws.adapters.manager import ConnectionManager
from reznet_ws.adapters.serving import ServerThread
from reznet_ws.adapters.tap import Tap
from reznet_ws.lab.clients.fleet import Fleet
from reznet_ws.lab.clients.seen import Counts
from reznet_ws.lab.deliveries import Deliveries
from reznet_ws.lab.measurement import Latencies, Measurement

# What is for connections that nobody claims is kept this long.
_REMEMBER_S = 60
_RECENT_S = 2.0


class Figures(Protocol):
    """Where a server's figures come from; `counts` are what the clients saw so far."""

    def reset(self, counts: Counts) -> None: ...

    def read(self, counts: Counts) -> tuple[dict[str, Any], float]:
        """What `get_stats` gives, and seconds of CPU."""


class SiteFigures:
    """A server of this process: counted at its sockets."""

    def __init__(self, server: ServerThread, manager: ConnectionManager) -> None:
        self._server, self._manager = server, manager

    def reset(self, counts: Counts) -> None:
        """Count from now on."""
        self._server.call(self._manager.reset_stats)
        self._base_cpu_s = self._server.call(time.thread_time)

    def read(self, counts: Counts) -> tuple[dict[str, Any], float]:
        """What the server's thread took of a processor is counted whatever it was for."""
        stats, cpu_s = self._server.call(lambda: (self._manager.get_stats(), time.thread_time()))
        return stats, cpu_s - self._base_cpu_s


class Meter:
    """Counts from its making, or from the last reset. Without a tap it cannot tell what should have arrived."""

    def __init__(self, figures: Figures, fleet: Fleet, tap: Tap | None) -> None:
        self._figures, self._fleet, self._tap = figures, fleet, tap
        self._deliveries = Deliveries()
        self._recent: deque[tuple[float, float]] = deque()
        self.failures: list[str] = []
        self.reset()

    @property
    def sees_emissions(self) -> bool:
        """Whether it knows what should arrive."""
        return self._tap is not None

    def reset(self) -> None:
        """Count everything from now on."""
        self._latencies, self._answers = Latencies(), Latencies()
        self._gather()
        self._base = self._counts
        self._figures.reset(self._base)
        self._began_s = self._before_s = time.monotonic()
        self._before = (0, 0)
        self._latencies, self._answers = Latencies(), Latencies()
        self._recent.clear()

    def measure(self) -> Measurement:
        """What happened since the last reset, and the rates since the last call."""
        self._gather()
        stats, cpu_s = self._figures.read(self._counts)
        now_s = time.monotonic()
        wire, off = stats["wire"]["event_bytes"], stats["wire"]["off_event_bytes"]
        span_s = max(now_s - self._before_s, 1e-9)
        rates = [(now - before) / span_s for now, before in zip((wire, off), self._before, strict=True)]
        self._before, self._before_s = (wire, off), now_s
        recent = Latencies()
        for _, latency_ms in self._recent:
            recent.add(latency_ms)
        return Measurement(
            seconds=now_s - self._began_s,
            users=self._fleet.users,
            stats=stats,
            counts=_since(self._counts, self._base),
            wire_bytes_per_s=rates[0],
            off_bytes_per_s=rates[1],
            server_cpu_s=cpu_s,
            latency_n=self._latencies.count,
            p50_ms=self._latencies.percentile_ms(50),
            p95_ms=self._latencies.percentile_ms(95),
            p99_ms=self._latencies.percentile_ms(99),
            recent_p50_ms=recent.percentile_ms(50),
            recent_p95_ms=recent.percentile_ms(95),
            answers_n=self._answers.count,
            answers_p95_ms=self._answers.percentile_ms(95),
        )

    def on_their_way(self, before_s: float) -> int:
        """How many deliveries that were due before a moment have not arrived yet."""
        self._gather()
        return self._deliveries.on_their_way(before_s)

    def give_up(self, before_s: float) -> None:
        """Call lost what was due before a moment and has not arrived."""
        self._gather()
        self._deliveries.give_up(before_s)

    @property
    def _counts(self) -> Counts:
        return dataclasses.replace(self._taken, **dataclasses.asdict(self._deliveries.wrong))

    def _gather(self) -> None:
        """Join what arrived with what was emitted."""
        deliveries = self._deliveries
        # In this order: whatever has arrived was emitted before.
        reports, self._taken = self._fleet.take()
        for emission in self._tap.take() if self._tap is not None else ():
            deliveries.sent(emission.digest, emission.due_s, emission.receivers)
        for seen, arrivals in reports:
            for sid in seen.connections:
                deliveries.opened(sid)
            for sid, digest, arrived_s in arrivals if self._tap is not None else ():
                due_s = deliveries.arrived(sid, digest)
                if due_s is not None and not math.isnan(arrived_s):
                    latency_ms = (arrived_s - due_s) * 1000
                    self._latencies.add(latency_ms)
                    self._recent.append((arrived_s, latency_ms))
            for sid, by_client in seen.ended:
                deliveries.ended(sid, by_client=by_client)
            for answer_ms in seen.answers_ms:
                self._answers.add(answer_ms)
            self.failures += seen.failures
        now_s = time.monotonic()
        while self._recent and self._recent[0][0] < now_s - _RECENT_S:
            self._recent.popleft()
        deliveries.forget_others(now_s - _REMEMBER_S)


def _since(now: Counts, base: Counts) -> Counts:
    """What happened after a moment; how many are connected is not a count of events."""
    difference = {item.name: getattr(now, item.name) - getattr(base, item.name) for item in dataclasses.fields(Counts)}
    return Counts(**{**difference, "connected": now.connected, "failed": now.failed})
