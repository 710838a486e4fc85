"""The figures for Prometheus, of one process or of all that serve together.

In: a ConnectionManager. Out: an ASGI application for `/metrics`, in Prometheus' text format.
Never: shows what is in a message; nor event names, unless it is told to.

Several processes add up by prometheus_client's multiprocess mode: each writes its figures into files in the folder that
PROMETHEUS_MULTIPROC_DIR names, and whichever is asked answers for all.
Source: https://prometheus.github.io/client_python/multiprocess, names by https://prometheus.io/docs/practices/naming.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from reznet_ws.adapters.manager import ConnectionManager
from reznet_ws.stats import Report

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
# How often a process writes its figures for the others; Prometheus asks every 15 s or so.
_EVERY_S = 2.0

# Name -> what it counts, and where that is in a report.
_COUNTERS: dict[str, tuple[str, Callable[[Report], float]]] = {
    "messages": ("Messages emitted; each counts once", lambda report: report.total_messages),
    "deliveries": ("Messages times receivers", lambda report: sum(row.deliveries for row in report.events.values())),
    "frames": (
        "WebSocket frames with events in them",
        lambda report: sum(row.frames for row in report.events.values()),
    ),
    "sent_bytes": ("Every byte that left", lambda report: report.wire.sent_bytes),
    "event_bytes": ("The part of the bytes that left that belongs to events", lambda report: report.wire.event_bytes),
    "event_off_bytes": (
        "What no layer at all would have sent for the same",
        lambda report: report.wire.off_event_bytes,
    ),
    "slow_readers_closed": (
        "Connections closed for reading too slowly",
        lambda report: report.slow_readers.closed_connections,
    ),
    "skipped_messages": ("Messages that slow readers missed", lambda report: report.slow_readers.skipped_messages),
    "cpu_seconds": ("Processor time of the process", lambda report: time.process_time()),
}
_GAUGES: dict[str, tuple[str, Callable[[Report], float]]] = {
    "connections": ("Open connections", lambda report: report.active_connections),
    "uncounted_connections": (
        "Connections whose bytes cannot be counted",
        lambda report: report.wire.uncounted_connections,
    ),
    "queued_bytes": ("What waits for readers", lambda report: report.slow_readers.queued_bytes),
    "histories": ("Different deflate windows", lambda report: report.windows.histories),
    "history_bytes": ("Messages that the windows hold", lambda report: report.windows.text_bytes),
    "compressor_bytes": ("Compressors kept ready", lambda report: report.windows.kept_bytes),
}
_RECOVERY_COUNTERS = {
    "recovered": "Clients that came back to what they had",
    "missed": "Clients that came back too late",
    "repeated_events": "Events sent again to who was away",
}
_RECOVERY_GAUGES = {
    "kept_events": "Events kept for those who are away",
    "kept_bytes": "What those events take",
    "away_connections": "Clients that may come back",
}
_GAUGE_FILE = re.compile(r"gauge_live\w+_(\d+)\.db")


class MetricsApp:
    """`app.mount("/metrics", MetricsApp(manager))`: answers Prometheus.

    `token`: where given, it is needed as a bearer token. `events`: whether deliveries and bytes are told by event name,
    of which the ledger has at most 1,000.
    """

    def __init__(self, manager: ConnectionManager, *, token: str | None = None, events: bool = False) -> None:
        self._manager, self._token = manager, token
        self._registry = CollectorRegistry()
        self._counters = {name: self._counter(name, about) for name, (about, _) in _COUNTERS.items()}
        self._gauges = {name: self._gauge(name, about) for name, (about, _) in _GAUGES.items()}
        if manager.recovery is not None:
            self._counters |= {name: self._counter(name, about) for name, about in _RECOVERY_COUNTERS.items()}
            self._gauges |= {name: self._gauge(name, about) for name, about in _RECOVERY_GAUGES.items()}
        # Of each process by itself, also where they are summed.
        self._own = Gauge(
            "reznet_process_connections",
            "Open connections of each process",
            registry=self._registry,
            multiprocess_mode="liveall",
        )
        self._by_event = (
            {
                name: Counter(f"reznet_by_event_{name}", f"{about}, by event", ["event"], registry=self._registry)
                for name, about in (("deliveries", "Messages times receivers"), ("wire_bytes", "Bytes that left"))
            }
            if events
            else {}
        )
        # What each counter stood at when it was last told.
        self._told: dict[tuple[str, str], float] = {}
        manager.when_started(self._keep_writing)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Callable[..., Awaitable[None]]) -> None:
        """Answer a request; also a lifespan, where it is asked for one."""
        if scope["type"] != "http":
            raise RuntimeError(f"/metrics takes no {scope['type']}")
        if self._token is not None and not self._is_allowed(scope):
            await _answer(send, 401, b"a bearer token is needed\n", [(b"www-authenticate", b"Bearer")])
        elif scope["method"] not in ("GET", "HEAD"):
            await _answer(send, 405, b"", [(b"allow", b"GET, HEAD")])
        else:
            body = self.text() if scope["method"] == "GET" else b""
            await _answer(send, 200, body, [(b"content-type", CONTENT_TYPE_LATEST.encode())])

    def text(self) -> bytes:
        """What Prometheus is told: of all processes, where they write into one folder."""
        self.write()
        folder = os.environ.get(_FOLDER)
        if folder is None:
            return generate_latest(self._registry)
        for pid in _dead(Path(folder)):
            mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
        together = CollectorRegistry()
        MultiProcessCollector(together, folder)  # type: ignore[no-untyped-call]
        return generate_latest(together)

    def write(self) -> None:
        """Bring this process' figures up to date."""
        report = self._manager.report()
        recovery = report.recovery
        for name, counter in self._counters.items():
            found = _COUNTERS[name][1](report) if name in _COUNTERS else getattr(recovery, name)
            counter.inc(self._since((name, ""), found))
        for name, gauge in self._gauges.items():
            gauge.set(_GAUGES[name][1](report) if name in _GAUGES else getattr(recovery, name))
        self._own.set(report.active_connections)
        for name, counter in self._by_event.items():
            for event, row in report.events.items():
                counter.labels(event).inc(self._since((name, event), getattr(row, name)))

    def _since(self, key: tuple[str, str], now: float) -> float:
        """What has come since a counter was last told; after a reset of the figures, all of it."""
        before, self._told[key] = self._told.get(key, 0), now
        return now - before if now >= before else now

    def _keep_writing(self) -> None:
        if os.environ.get(_FOLDER) is not None:  # nobody else would read it
            self.write()
            asyncio.get_running_loop().call_later(_EVERY_S, self._keep_writing)

    def _counter(self, name: str, about: str) -> Counter:
        return Counter(f"reznet_{name}", about, registry=self._registry)

    def _gauge(self, name: str, about: str) -> Gauge:
        return Gauge(f"reznet_{name}", about, registry=self._registry, multiprocess_mode="livesum")

    def _is_allowed(self, scope: dict[str, Any]) -> bool:
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        return hmac.compare_digest(bytes(given), f"Bearer {self._token}".encode())


def _dead(folder: Path) -> Iterator[int]:
    """Processes that have ended without a word, whose gauges would count for ever."""
    for pid in {int(found[1]) for path in folder.glob("*.db") if (found := _GAUGE_FILE.fullmatch(path.name))}:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            yield pid
        except PermissionError:
            continue


async def _answer(send: Any, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
