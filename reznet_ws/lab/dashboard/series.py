"""What the dashboard's charts and cards show, as plain JSON.

In: measurements, each with the time when it was taken, and what was changed when. Out: the state that the view draws.
Never: keeps more than `MAX_POINTS`.
Never: reads a clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from reznet_ws.demo.workload import EVENTS
from reznet_ws.draw.look import LAYER_COLOURS, OFF_COLOUR, WIRE_COLOUR
from reznet_ws.draw.tables import say
from reznet_ws.lab.measurement import P50_LIMIT_MS, P95_LIMIT_MS, Measurement, Requirement
from reznet_ws.replay.ablation import LAYERS

MAX_POINTS, MAX_MARKS = 120, 24
# A rate over less would show single plans of 20 KB to each of 100 users.
_RATE_SPAN_S = 2.0
_LEAST_RATE_SPAN_S = 0.8
_KINDS = {True: ("pass", "✓ met"), False: ("fail", "✗ missed"), None: ("none", "… measuring")}
_STOPPED = ("none", "stopped")


def _series(key: str, label: str, colour: str, *, dashed: bool = False) -> dict[str, Any]:
    return {"key": key, "label": label, "colour": colour, "dashed": dashed}


# The charts of lines; `note` names what else stands in a title.
SPEC: dict[str, Any] = {
    "span_s": 48,
    "charts": [
        {
            "key": "wire",
            "title": "On the wire, kB/s",
            "series": [
                _series("off_kb_per_s", "off", OFF_COLOUR),
                _series("wire_kb_per_s", "on the wire", WIRE_COLOUR),
            ],
            "says_marks": True,
        },
        {
            "key": "latency",
            "title": "Latency, ms (logarithmic)",
            "series": [_series("p50_ms", "p50", WIRE_COLOUR), _series("p95_ms", "p95", WIRE_COLOUR, dashed=True)],
            "log": True,
            "limits": [
                {"at": P50_LIMIT_MS, "label": f"p50 limit {P50_LIMIT_MS} ms"},
                {"at": P95_LIMIT_MS, "label": f"p95 limit {P95_LIMIT_MS} ms"},
            ],
        },
        {
            "key": "cpu",
            "title": "CPU per delivery, µs",
            "series": [_series("cpu_us", "recent", WIRE_COLOUR)],
            "note": "cpu_note",
        },
        {
            "key": "histories",
            "title": "Deflate histories",
            "series": [
                _series("connections", "clients", OFF_COLOUR),
                _series("in_step", "hold the same", WIRE_COLOUR),
                _series("histories", "histories", LAYER_COLOURS["batch"], dashed=True),
            ],
        },
        {
            "key": "compressions",
            "title": "Compressions of a message",
            "series": [
                _series("receivers", "receivers", OFF_COLOUR),
                _series("compressions", "compressions", WIRE_COLOUR),
            ],
        },
        {
            "key": "memory",
            "title": "Held for deflate, KB",
            "series": [
                _series("text_kb", "messages", WIRE_COLOUR),
                _series("kept_kb", "compressors", LAYER_COLOURS["batch"], dashed=True),
            ],
            "note": "memory_note",
        },
    ],
}


class _Point(NamedTuple):
    """One moment; None breaks a line."""

    now_s: float
    off_kb_per_s: float | None = None
    wire_kb_per_s: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    cpu_us: float | None = None
    connections: int | None = None
    in_step: int | None = None
    histories: int | None = None
    receivers: float | None = None
    compressions: float | None = None
    text_kb: float | None = None
    kept_kb: float | None = None


class Series:
    """Wire bytes a second, latency, CPU per delivery and windows over time; the newest bars and cards."""

    def __init__(self) -> None:
        self._points: deque[_Point] = deque(maxlen=MAX_POINTS)
        self._marks: deque[tuple[float, str]] = deque(maxlen=MAX_MARKS)
        self._rates = _Rates()
        self._sharing = _Sharing()
        self._measurement: Measurement | None = None

    @property
    def point_count(self) -> int:
        """How many points each line has."""
        return len(self._points)

    def add(self, now_s: float, measurement: Measurement) -> None:
        """Take one more measurement."""
        self._measurement = measurement
        windows = measurement.stats["windows"]
        rates = self._rates.add(measurement) or (None, None, None)
        self._points.append(
            _Point(
                now_s,
                rates[0],
                rates[1],
                measurement.recent_p50_ms,
                measurement.recent_p95_ms,
                rates[2],
                windows["connections"],
                windows["in_step"],
                windows["histories"],
                *self._sharing.add(measurement),
                windows["text_bytes"] / 1000,
                windows["kept_bytes"] / 1000,
            )
        )

    def mark(self, now_s: float, text: str) -> None:
        """Say what changed now."""
        self._marks.append((now_s, text))

    def interrupt(self, now_s: float) -> None:
        """Break the lines: the lab starts anew."""
        self._points.append(_Point(now_s))

    def state(self, now_s: float, *, is_running: bool) -> dict[str, Any]:
        """What the view draws."""
        measured = self._measurement
        stats: Mapping[str, Any] = {"events": {}} if measured is None else measured.stats
        mean_us = None if measured is None else measured.cpu_us_per_delivery
        names = _Point._fields[1:]
        columns = [[point[column] for point in self._points] for column in range(1, len(names) + 1)]
        return {
            "is_running": is_running,
            "cards": [_card(item, is_running) for item in (measured or Measurement.nothing()).requirements()],
            "savings": _savings(measured),
            "events": [_event(event, stats["events"].get(event)) for event in EVENTS],
            "ago_s": [round(now_s - point.now_s, 2) for point in self._points],
            "lines": dict(zip(names, columns, strict=True)),
            "marks": [{"ago_s": round(now_s - at_s, 2), "text": text} for at_s, text in self._marks],
            "cpu_note": "" if mean_us is None else f"{mean_us:,.0f} on average since the last change",
            "memory_note": "" if measured is None else f"{stats['windows']['kept_compressors']:,} compressors kept",
        }


class _Rates:
    """Rates over the last `_RATE_SPAN_S`, across resets."""

    def __init__(self) -> None:
        # Seconds, bytes on the wire, bytes without a layer, CPU seconds, deliveries.
        self._steps: deque[tuple[float, ...]] = deque(maxlen=MAX_POINTS)
        self._before: tuple[float, ...] = (0.0,) * 5

    def add(self, measurement: Measurement) -> tuple[float, float, float | None] | None:
        """kB/s off and on the wire, and µs a delivery; None while too little time has passed to tell."""
        counted = (measurement.wire_bytes, measurement.off_bytes, measurement.server_cpu_s, measurement.deliveries)
        now = (measurement.seconds, *counted)
        # Counted from nothing again, if there was a reset in between.
        is_later = now[0] >= self._before[0] and now[2] >= self._before[2]
        before = self._before if is_later else (0.0,) * len(now)
        self._before = now
        self._steps.append(tuple(after - earlier for after, earlier in zip(now, before, strict=True)))
        while len(self._steps) > 1 and sum(step[0] for step in self._steps) - self._steps[0][0] >= _RATE_SPAN_S:
            self._steps.popleft()
        seconds, wire, off, cpu_s, deliveries = (sum(column) for column in zip(*self._steps, strict=True))
        if seconds < _LEAST_RATE_SPAN_S:
            return None
        return off / seconds / 1000, wire / seconds / 1000, 1e6 * cpu_s / deliveries if deliveries else None


class _Sharing:
    """Receivers and compressions of a message over the last `_RATE_SPAN_S`, across resets."""

    def __init__(self) -> None:
        # Seconds, messages emitted, their deliveries, messages compressed, compressions.
        self._steps: deque[tuple[float, ...]] = deque(maxlen=MAX_POINTS)
        self._before: tuple[float, ...] = (0.0,) * 5

    def add(self, measurement: Measurement) -> tuple[float | None, float | None]:
        """Both; None while nothing was sent."""
        stats, windows = measurement.stats, measurement.stats["windows"]
        emitted, compressed = stats["total_messages"], windows["messages"]
        now = (measurement.seconds, emitted, measurement.deliveries, compressed, windows["compressions"])
        before, self._before = self._before, now
        # The first three count anew after a reset, the last two when the server starts anew.
        counted = before[:3] if now[0] >= before[0] and emitted >= before[1] else (0.0,) * 3
        since = before[3:] if compressed >= before[3] else (0.0,) * 2
        self._steps.append(tuple(after - earlier for after, earlier in zip(now, (*counted, *since), strict=True)))
        while len(self._steps) > 1 and sum(step[0] for step in self._steps) - self._steps[0][0] >= _RATE_SPAN_S:
            self._steps.popleft()
        _, emitted, deliveries, compressed, compressions = (sum(column) for column in zip(*self._steps, strict=True))
        return deliveries / emitted if emitted else None, compressions / compressed if compressed else None


def _card(requirement: Requirement, is_running: bool) -> dict[str, str]:
    kind, said = _KINDS[requirement.passed] if is_running else _STOPPED
    measured = requirement.measured if is_running else None
    digits = 1 if requirement.unit and (measured or 0) < 1000 else 0
    return {
        "name": requirement.name,
        "target": requirement.target,
        "value": "–" if measured is None else say(measured, digits),
        "unit": "" if measured is None else requirement.unit,
        "kind": kind,
        "said": said,
    }


def _savings(measured: Measurement | None) -> list[dict[str, Any]]:
    saved = {} if measured is None or not measured.off_bytes else measured.savings_bytes
    percents = {
        layer: 100 * saved.get(layer, 0) / (measured.off_bytes if measured and saved else 1) for layer in LAYERS
    }
    return [
        {"name": layer, "percent": percent, "colour": LAYER_COLOURS[layer], "figure": f"{say(percent, 1)} %"}
        for layer, percent in percents.items()
    ]


def _event(event: str, row: Any) -> dict[str, Any]:
    if not row or not row["deliveries"]:
        return {"name": event, "percent": 0, "colour": WIRE_COLOUR, "figure": "–"}
    off, wire = (row[name] / row["deliveries"] for name in ("off_wire_bytes", "wire_bytes"))
    return {"name": event, "percent": 100 * wire / off, "colour": WIRE_COLOUR, "figure": f"{off:,.0f} → {wire:,.0f} B"}


def still_note(names: Sequence[str]) -> str:
    """What a saved picture says of itself."""
    return f"A picture of {', '.join(names)}. Run the cell for the live dashboard."
