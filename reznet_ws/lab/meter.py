"""What a running lab's server and clients did since a moment, put together.

In: a server, its simulation and a fleet of clients. Out: measurements.
Never: lets a server look fast that was too busy to emit in time: latencies count from when a message was due.
"""

from __future__ import annotations

import dataclasses
import time
from collections import deque

from reznet_ws.adapters.serving import ServerThread
from reznet_ws.lab.clients.fleet import Fleet
from reznet_ws.lab.clients.simulated import Counts
from reznet_ws.lab.measurement import Latencies, Measurement
from reznet_ws.lab.site import Site

# Due times are kept this long for arrivals that come late.
_REMEMBER_S = 60
_RECENT_S = 2.0


class Meter:
    """Counts from its making, or from the last reset."""

    def __init__(self, server: ServerThread, site: Site, fleet: Fleet) -> None:
        self._server, self._site, self._fleet = server, site, fleet
        self._due_s: dict[int, float] = {}
        self._recent: deque[tuple[float, float]] = deque()
        self.reset()

    def reset(self) -> None:
        """Count everything from now on."""
        self._server.call(self._site.manager.reset_stats)
        self._base_cpu_s = self._server.call(time.thread_time)
        self._latencies = Latencies()
        self._gather()
        self._began_s = self._before_s = time.monotonic()
        self._before = (0, 0)
        self._base = self._fleet.counts
        self._latencies = Latencies()
        self._recent.clear()

    def measure(self) -> Measurement:
        """What happened since the last reset, and the rates since the last call."""
        stats, cpu_s = self._server.call(lambda: (self._site.manager.get_stats(), time.thread_time()))
        self._gather()
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
            counts=_since(self._fleet.counts, self._base),
            wire_bytes_per_s=rates[0],
            off_bytes_per_s=rates[1],
            server_cpu_s=cpu_s - self._base_cpu_s,
            latency_n=self._latencies.count,
            p50_ms=self._latencies.percentile_ms(50),
            p95_ms=self._latencies.percentile_ms(95),
            p99_ms=self._latencies.percentile_ms(99),
            recent_p50_ms=recent.percentile_ms(50),
            recent_p95_ms=recent.percentile_ms(95),
        )

    def _gather(self) -> None:
        """Join what arrived with when it was due."""
        if self._site.simulation is not None:
            emissions = self._site.simulation.emissions
            for emission in self._server.call(lambda: [emissions.popleft() for _ in range(len(emissions))]):
                self._due_s[emission.seq] = emission.due_s
        now_s = time.monotonic()
        for seq, arrived_s in self._fleet.take_arrivals():
            due_s = self._due_s.get(seq)
            if due_s is not None:
                latency_ms = (arrived_s - due_s) * 1000
                self._latencies.add(latency_ms)
                self._recent.append((arrived_s, latency_ms))
        while self._recent and self._recent[0][0] < now_s - _RECENT_S:
            self._recent.popleft()
        for seq in list(self._due_s):  # oldest first
            if self._due_s[seq] > now_s - _REMEMBER_S:
                break
            del self._due_s[seq]


def _since(now: Counts, base: Counts) -> Counts:
    """What happened after a moment; how many are connected is not a count of events."""
    difference = {item.name: getattr(now, item.name) - getattr(base, item.name) for item in dataclasses.fields(Counts)}
    return Counts(**{**difference, "connected": now.connected})
