"""The dashboard's six charts, in one figure.

In: measurements, each with the time when it was taken. Out: a plotly figure that is updated in place.
Never: keeps more than `MAX_POINTS`, adds a trace after the first, reads a clock.

One `FigureWidget` for all: each ships 5 MB to the page.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from reznet_ws.demo.workload import EVENTS
from reznet_ws.lab.dashboard.canvas import CPU_CHART, WINDOWS_CHART, cpu_title, empty_figure, windows_title
from reznet_ws.lab.measurement import Measurement
from reznet_ws.replay.ablation import LAYERS

MAX_POINTS = 120
# A rate over less would show single plans of 20 KB to each of 100 users.
_RATE_SPAN_S = 2.0
_LEAST_RATE_SPAN_S = 0.8
# Where a row's figures stand, beside bars that end at 100 %.
_FIGURES_AT_PERCENT = 104

_LINES = ("off", "wire", "p50", "p95", "cpu", "connections", "in step", "windows")


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
    windows: int | None = None


# x, y and text of one trace.
_Drawn = tuple[Sequence[Any], Sequence[Any], Sequence[str] | None]


class Charts:
    """Wire bytes a second, latency, CPU per delivery, windows, bytes per event, the saving of each layer."""

    def __init__(self, figure: Any = None) -> None:
        """`figure` is one that an earlier dashboard leaves behind; its page need not load plotly again."""
        self._points: deque[_Point] = deque(maxlen=MAX_POINTS)
        self._rates = _Rates()
        self.figure = figure if figure is not None else go.FigureWidget(empty_figure())
        self._indexes = {trace.name: index for index, trace in enumerate(self.figure.data)}
        self._draw(0.0, None)

    @property
    def point_count(self) -> int:
        """How many points each line has."""
        return len(self._points)

    def add(self, now_s: float, measurement: Measurement) -> None:
        """Draw one more measurement, and the bars anew."""
        recent = self._rates.add(measurement)
        windows = measurement.stats["windows"]
        point = _Point(
            now_s,
            recent and recent.off_kb_per_s,
            recent and recent.wire_kb_per_s,
            measurement.recent_p50_ms,
            measurement.recent_p95_ms,
            recent and recent.cpu_us,
            windows["connections"],
            windows["in_step"],
            windows["windows"],
        )
        self._points.append(point)
        self._draw(now_s, measurement)

    def prepare_view(self) -> None:
        """Give the page the whole figure as it is now, before it is shown; later only what changes is sent."""
        self.figure._repr_mimebundle_()

    def interrupt(self, now_s: float) -> None:
        """Break the lines: the lab starts anew."""
        self._points.append(_Point(now_s))

    def _draw(self, now_s: float, measurement: Measurement | None) -> None:
        seconds_ago = [point.now_s - now_s for point in self._points]
        drawn: dict[str, _Drawn] = {
            name: (seconds_ago, [point[column] for point in self._points], None)
            for column, name in enumerate(_LINES, start=1)
        }
        stats: Mapping[str, Any] = {"events": {}, "windows": {}} if measurement is None else measurement.stats
        mean_us = None if measurement is None else measurement.cpu_us_per_delivery
        drawn |= _event_bars(stats["events"])
        percents = _savings_percents(measurement)
        drawn["layer savings"] = (percents, LAYERS, [_saving_text(percent) for percent in percents])
        low = min(percents)
        # One message, with all three of every trace: what `batch_update` leaves out of one, plotly 7.1 removes there.
        xs, ys, texts = (list(column) for column in zip(*drawn.values(), strict=True))
        self.figure.plotly_update(
            restyle_data={"x": xs, "y": ys, "text": texts},
            relayout_data={
                "xaxis6.range": [low - 30, max(100, *percents) + 12] if low < -0.05 else [0, 112],
                f"annotations[{CPU_CHART}].text": cpu_title(mean_us),
                f"annotations[{WINDOWS_CHART}].text": windows_title(stats["windows"]),
                "yaxis2.range": _latency_range(
                    [ms for point in self._points for ms in (point.p50_ms, point.p95_ms) if ms]
                ),
            },
            trace_indexes=[self._indexes[name] for name in drawn],
        )


class _Recent(NamedTuple):
    """What the last `_RATE_SPAN_S` gave."""

    wire_kb_per_s: float
    off_kb_per_s: float
    cpu_us: float | None


class _Rates:
    """Rates over the last `_RATE_SPAN_S`, across resets."""

    def __init__(self) -> None:
        # Seconds, bytes on the wire, bytes without a layer, CPU seconds, deliveries.
        self._steps: deque[tuple[float, ...]] = deque(maxlen=MAX_POINTS)
        self._before: tuple[float, ...] = (0.0,) * 5

    def add(self, measurement: Measurement) -> _Recent | None:
        """None while too little time has passed to tell."""
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
        return _Recent(wire / seconds / 1000, off / seconds / 1000, 1e6 * cpu_s / deliveries if deliveries else None)


def _event_bars(rows: Mapping[str, Any]) -> dict[str, _Drawn]:
    per_event = [_per_delivery(rows.get(event)) for event in EVENTS]
    shares = [100 * wire / off if off else 0 for off, wire in per_event]
    figures = [f"{off:,.0f} → <b>{wire:,.0f}</b> B" if off else "–" for off, wire in per_event]
    return {
        "event off": ([100 if off else 0 for off, _ in per_event], EVENTS, None),
        "event wire": (shares, EVENTS, None),
        "event figures": ([max(_FIGURES_AT_PERCENT, share + 4) for share in shares], EVENTS, figures),
    }


def _savings_percents(measurement: Measurement | None) -> list[float]:
    if measurement is None or not measurement.off_bytes:
        return [0.0] * len(LAYERS)
    savings = measurement.savings_bytes
    return [100 * savings[layer] / measurement.off_bytes for layer in LAYERS]


def _latency_range(latencies_ms: Sequence[float]) -> list[float]:
    """From a little below what was measured to a little above it, the limits in between; decades, as plotly wants."""
    low_ms, high_ms = min([10, *latencies_ms]), max([150, *latencies_ms])
    return [math.log10(low_ms * 0.8), math.log10(high_ms * 1.25)]


def _per_delivery(row: Any) -> tuple[float, float]:
    if not row or not row["deliveries"]:
        return 0.0, 0.0
    return row["off_wire_bytes"] / row["deliveries"], row["wire_bytes"] / row["deliveries"]


def _saving_text(percent: float) -> str:
    return f"<b>{percent:.1f} %</b>".replace("-", "−") if abs(percent) >= 0.05 else "0"
