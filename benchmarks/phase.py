"""What one phase came to: bytes and events at the clients' sockets, CPU of the server's process.

In: the receivers, the server's process id. Out: the difference between two readings.
Never: estimates.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.processor import cpu_ns
from benchmarks.receivers import Receivers


@dataclass(slots=True)
class Phase:
    """One phase's figures.

    `wire_bytes`: at the clients' sockets, frame headers included; at full load all that came, else what carried
    events. `server_cpu_s`: user and system time of the server's process. Latencies: from when a message was due to be
    emitted to when it was read from a client's socket.
    """

    emissions: int
    deliveries: int
    wire_bytes: int
    seconds: float
    server_cpu_s: float
    load_share: float
    joins: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None


class PhaseMeter:
    """Counts from when it is made."""

    def __init__(self, receivers: Receivers, server_pid: int, *, all_bytes: bool = False) -> None:
        self._receivers, self._server_pid, self._all_bytes = receivers, server_pid, all_bytes
        self._before = self._now()

    def read(self, emissions: int) -> Phase:
        """What has come since."""
        deliveries, wire_bytes, joins, wall_ns, server_ns, own_ns = (
            now - before for now, before in zip(self._now(), self._before, strict=True)
        )
        return Phase(
            emissions=emissions,
            deliveries=deliveries,
            wire_bytes=wire_bytes,
            seconds=wall_ns / 1e9,
            server_cpu_s=server_ns / 1e9,
            load_share=own_ns / wall_ns,
            joins=joins,
        )

    def _now(self) -> tuple[int, ...]:
        receivers = self._receivers
        return (
            receivers.deliveries,
            receivers.received_bytes if self._all_bytes else receivers.event_bytes,
            receivers.joins,
            time.monotonic_ns(),
            cpu_ns(self._server_pid),
            time.process_time_ns(),
        )
