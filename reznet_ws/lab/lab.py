"""The lab: one server in this process, a fleet of clients in another, and what both measured.

In: settings, a number of users, traffic. Out: measurements.
Never: leaves a port, a thread or a process behind: starting twice is stopping first, and the interpreter's end stops
all.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Self

from reznet_ws.adapters.serving import ServerThread
from reznet_ws.demo.chat import Application
from reznet_ws.lab.clients.fleet import Fleet, Progress
from reznet_ws.lab.clients.simulated import REPORT_INTERVAL_S, Counts
from reznet_ws.lab.measurement import Latencies, Measurement
from reznet_ws.lab.running import Running
from reznet_ws.settings import Settings

# Due times are kept this long for arrivals that come late.
_REMEMBER_S = 60
_RECENT_S = 2.0
# Twice the clients' reporting interval and a batch's window.
_QUIET_S = 2 * REPORT_INTERVAL_S + 0.1

_running = Running()
stop_all = _running.stop


class Lab:
    """A running experiment; `name` tells it from others in the same process.

    Units: `rate_per_s` messages emitted a second, each to all users; `stock_share` from 0 to 1 of the users are stock
    clients (format 1). Raises, when started: ValueError for figures out of bounds, TimeoutError when not all users
    connect, OSError when the port is taken.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        name: str = "lab",
        users: int = 100,
        rate_per_s: float = 20,
        mix: str = "chat",
        seed: int = 1,
        stock_share: float = 0.0,
    ) -> None:
        self.name, self.users, self.stock_share = name, users, stock_share
        self.rate_per_s, self.mix, self.seed = rate_per_s, mix, seed
        # Called after each start and stop, in whichever thread that happens.
        self.listeners: list[Callable[[], None]] = []
        self._settings = settings or Settings()
        self._lock = threading.RLock()
        self._server: ServerThread | None = None
        self._fleet: Fleet | None = None
        self._due_s: dict[int, float] = {}
        self._recent: deque[tuple[float, float]] = deque()
        self._latencies = Latencies()

    # Starting and stopping

    def start(self, progress: Progress | None = None) -> Self:
        """Start the server, connect the users, let the agents talk; a lab of the same name is stopped first."""
        _running.stop(self.name)
        with self._lock:
            _running.begin(self, self.name)
            self._plays = 0
            self._app = Application(self._adjustable(self._settings), simulate=False)
            self._server = ServerThread(self._app, stopping=self._app.chat.close)
            try:
                self._fleet = Fleet(self._server.url, stock_share=self.stock_share)
                self._fleet.resize(self.users)
                self._fleet.wait(progress=progress)
                self.reset()
                self.set_traffic()
            except BaseException:
                self.stop()
                raise
        self._tell()
        return self

    def stop(self) -> None:
        """Stop the traffic, the clients and the server; doing it twice does nothing."""
        with self._lock:
            if self._server is not None:
                if self._server.is_running:
                    self._server.call(self._app.chat.simulation.stop)
                if self._fleet is not None:
                    self._fleet.stop()
                self._server.stop()
            self._server = self._fleet = None
            _running.end(self, self.name)
        self._tell()

    def restart(self, progress: Progress | None = None) -> Self:
        """Stop, then start with the same figures."""
        self.stop()
        return self.start(progress)

    @property
    def is_running(self) -> bool:
        """Whether the server runs."""
        server = self._server  # another thread may stop the lab between two looks
        return server is not None and server.is_running

    @property
    def url(self) -> str:
        """Where the server listens. Raises: RuntimeError while stopped."""
        return self._running_server.url

    # Switching while it runs

    @property
    def settings(self) -> Settings:
        """The settings in force; assigning switches the layers for running connections."""
        return self._settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._settings = settings
        if self.is_running:
            self._running_server.call(lambda: setattr(self._app.manager, "settings", self._adjustable(settings)))

    def set_traffic(self, *, rate_per_s: float | None = None, mix: str | None = None) -> None:
        """Change what the agents do, from the workload's beginning; a rate of 0 silences them."""
        self.rate_per_s = self.rate_per_s if rate_per_s is None else rate_per_s
        self.mix = mix or self.mix
        simulation = self._app.chat.simulation
        if self.rate_per_s == 0:
            self._running_server.call(simulation.stop)
        else:
            # Another seed each time: what was played before is still in the deflate windows, and would cost nothing.
            seed, self._plays = self.seed + self._plays, self._plays + 1
            figures: dict[str, Any] = {"seed": seed, "rate_per_s": self.rate_per_s, "mix": self.mix}
            self._running_server.call(lambda: simulation.start(**figures))

    def set_users(self, users: int, progress: Progress | None = None) -> None:
        """Connect or disconnect clients until there are as many."""
        self.users = users
        if self._fleet is not None:
            self._fleet.resize(users)
            self._fleet.wait(progress=progress)

    def silence(self) -> None:
        """Stop the traffic and wait until nothing arrives any more."""
        self._running_server.call(self._app.chat.simulation.stop)
        received = -1
        while received != (received := self._running_fleet.counts.received):
            time.sleep(_QUIET_S)

    # Measuring

    def reset(self) -> None:
        """Count everything from now on."""
        with self._lock:
            self._running_server.call(self._app.manager.reset_stats)
            self._base_cpu_s = self._running_server.call(time.thread_time)
            self._gather()
            self._began_s = self._before_s = time.monotonic()
            self._before = (0, 0)
            self._base = self._running_fleet.counts
            self._latencies = Latencies()
            self._recent.clear()

    def measure(self) -> Measurement:
        """What happened since the last reset, and the rates since the last call. Raises: RuntimeError while stopped."""
        with self._lock:
            stats, cpu_s = self._running_server.call(lambda: (self._app.manager.get_stats(), time.thread_time()))
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
                users=self.users,
                stats=stats,
                counts=_since(self._running_fleet.counts, self._base),
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

    def _tell(self) -> None:
        for listener in list(self.listeners):
            listener()

    def _gather(self) -> None:
        """Join what arrived with when it was due: a server too busy to emit in time must not look fast for it."""
        emissions = self._app.chat.simulation.emissions
        for emission in self._running_server.call(lambda: [emissions.popleft() for _ in range(len(emissions))]):
            self._due_s[emission.seq] = emission.due_s
        now_s = time.monotonic()
        for seq, arrived_s in self._running_fleet.take_arrivals():
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

    @staticmethod
    def _adjustable(settings: Settings) -> Settings:
        return settings.replace(deflate_adjustable=True)

    @property
    def _running_server(self) -> ServerThread:
        if self._server is None:
            raise RuntimeError(f"the lab {self.name!r} is not running; start it first")
        return self._server

    @property
    def _running_fleet(self) -> Fleet:
        if self._fleet is None:
            raise RuntimeError(f"the lab {self.name!r} is not running; start it first")
        return self._fleet


def _since(now: Counts, base: Counts) -> Counts:
    """What happened after a moment; how many are connected is not a count of events."""
    difference = {item.name: getattr(now, item.name) - getattr(base, item.name) for item in dataclasses.fields(Counts)}
    return Counts(**{**difference, "connected": now.connected})
