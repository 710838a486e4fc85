"""The search: every subset of the layers, then one figure after the other around the best.

In: a bench with a sample, the audience. Out: rows, sweeps, the front of bytes against CPU.
Never: tries everything with everything: 32 subsets, then about 45 rows instead of some 100,000.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any

from reznet_ws.audit.examine.departures import Count, format_of
from reznet_ws.audit.examine.findings import Reach
from reznet_ws.audit.examine.replayed import LayerShare, ReplayRow, Sweep
from reznet_ws.audit.examine.rule import choose, cpu_noise
from reznet_ws.audit.examine.trial import Measured, SampleTrial
from reznet_ws.audit.read.spool import Kept
from reznet_ws.replay.ablation import LAYERS, shapley, subsets, switch
from reznet_ws.replay.memory import deflater_bytes
from reznet_ws.settings import Settings

_WINDOW_BITS = (9, 10, 11, 12, 13, 14, 15)
_MEM_LEVELS = (1, 2, 3, 4, 5, 6, 7, 8, 9)
_THRESHOLDS = (0, 256, 1024, 4096)
_GZIP_THRESHOLDS = (1024, 4096, 10_240, 40_960)
_BATCH_WINDOWS_MS = (10, 20, 50, 100, 200)
_BATCH_SIZES = (2, 5, 10, 20, 50)
# An event may wait where at least half of its messages follow another of them within as long: chunks, progress, typing.
_CLOSE_MS = 100.0
_CLOSE_SHARE = 0.5
_LEAST_COUNT = 5
_MOST_EVENTS = 10


@dataclasses.dataclass(frozen=True, slots=True)
class Searched:
    """What the search gives: rows with their settings, by label."""

    settings: dict[str, Settings]
    subsets: tuple[ReplayRow, ...]
    sweeps: tuple[Sweep, ...]
    front: tuple[ReplayRow, ...]
    shares: tuple[LayerShare, ...]
    batch_events: frozenset[str]

    @property
    def rows(self) -> tuple[ReplayRow, ...]:
        """Each once."""
        rows = {row.label: row for row in self.subsets}
        rows |= {row.label: row for sweep in self.sweeps for row in sweep.rows if row.label not in rows}
        return tuple(rows.values())


def search(
    bench: SampleTrial, audience: Reach, show: Callable[[str], str], progress: Callable[[int], None] = lambda _: None
) -> Searched:
    """Try the settings on the bench; `show` says how an event's name may be written."""
    maker = _Maker(bench, audience, show, progress)
    batch_events = find_batch_events(bench.sample)
    figures = Settings(batch_events=batch_events or Settings().batch_events)
    by_subset = {subset: switch(figures, subset) for subset in subsets(LAYERS)}
    rows = maker.rows({_name(subset): settings for subset, settings in by_subset.items()})
    shares = shapley({subset: row.wire_bytes for subset, row in zip(by_subset, rows, strict=True)})
    best = maker.settings[choose([row for row in rows if "batch" not in row.layers]).label]
    sweeps = _deflate_sweeps(maker, best)
    deflated = [row for sweep in sweeps for row in sweep.rows]
    best = maker.settings[choose([*(row for row in rows if "batch" not in row.layers), *deflated]).label]
    sweeps.append(
        maker.sweep("gzip_threshold_bytes", _GZIP_THRESHOLDS, best.replace(gzip=True, gzip_max_ratio=0.9), "gzip from")
    )
    if batch_events:
        batched = best.replace(batch=True, batch_events=batch_events)
        sweeps.append(maker.sweep("batch_window_ms", _BATCH_WINDOWS_MS, batched))
        sweeps.append(maker.sweep("batch_max_messages", _BATCH_SIZES, batched))
    searched = Searched(
        maker.settings,
        tuple(rows),
        tuple(sweeps),
        (),
        tuple(LayerShare(layer, -share) for layer, share in shares.items()),
        batch_events,
    )
    return dataclasses.replace(searched, front=front(searched.rows))


def front(rows: Iterable[ReplayRow]) -> tuple[ReplayRow, ...]:
    """The rows that no other beats in both bytes and CPU, fewest bytes first; CPU with a shared window.

    A row with more bytes must take less CPU by more than the noise, or every row would be in front of its neighbour.
    """
    kept: list[ReplayRow] = []
    for row in sorted(rows, key=lambda row: (row.wire_bytes, len(row.layers), row.shared_cpu_us, row.label)):
        if not kept or row.shared_cpu_us * (1 + cpu_noise(row, kept[-1])) < kept[-1].shared_cpu_us:
            kept.append(row)
    return tuple(kept)


def make_row(
    label: str, settings: Settings, count: Count, times: Measured, audience: Reach, show: Callable[[str], str]
) -> ReplayRow:
    """One choice's row: what was counted, and the times of the sample for it."""
    encode_us, deflate_us = times.encode_us, times.deflate_us
    layers = tuple(layer for layer in LAYERS if getattr(settings, layer))
    has_window = settings.deflate and settings.deflate_takeover
    memory_bytes = deflater_bytes(settings.deflate_window_bits, settings.deflate_mem_level) if has_window else 0
    own_us = encode_us / audience.per_message + deflate_us
    # Without takeover there is nothing to share.
    shared_us = (encode_us + deflate_us) / audience.per_message if has_window else own_us
    has_delays = settings.batch and bool(count.delays_ms)
    return ReplayRow(
        label=label,
        format=format_of(settings),
        layers=layers,
        changes=changes_of(settings, show),
        messages=count.messages,
        frames=count.frames,
        frame_bytes=count.frame_bytes,
        wire_bytes=count.wire_bytes,
        encode_us=encode_us,
        deflate_us=deflate_us,
        cpu_us=own_us,
        shared_cpu_us=shared_us,
        memory_bytes=memory_bytes,
        shared_memory_bytes=memory_bytes / audience.per_message,
        delay_p50_ms=count.delay_ms(50) if has_delays else None,
        delay_p95_ms=count.delay_ms(95) if has_delays else None,
        cpu_spread=times.cpu_spread,
        is_shared=has_window and settings.deflate_shared,
    )


def changes_of(settings: Settings, show: Callable[[str], str]) -> dict[str, Any]:
    """The fields that differ from the defaults, ready for JSON."""
    default = Settings()
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(Settings):
        value = getattr(settings, field.name)
        if value != getattr(default, field.name):
            changes[field.name] = sorted(map(show, value)) if isinstance(value, frozenset) else value
    return changes


def essential(settings: Settings) -> Settings:
    """The same, with the figures of what is off at their defaults."""
    off = [
        prefix
        for prefix, is_off in (
            ("gzip_", not settings.gzip),
            ("batch_", not settings.batch),
            ("deflate_", not settings.deflate),
            ("deflate_threshold_", settings.deflate_takeover),
        )
        if is_off
    ]
    return settings.replace(
        **{
            field.name: field.default
            for field in dataclasses.fields(Settings)
            if any(field.name.startswith(prefix) for prefix in off)
        }
    )


def find_batch_events(sample: Sequence[Sequence[Kept]]) -> frozenset[str]:
    """The events that come in quick succession and are small; none where the capture has no clock."""
    counts: Counter[str] = Counter()
    close: Counter[str] = Counter()
    sizes: dict[str, list[int]] = {}
    for connection in sample:
        before_ms: dict[str, float] = {}
        for kept in connection:
            if kept.args is None or kept.time_ms is None or len(kept.args) > 1 or kept.ack_id is not None:
                continue
            counts[kept.label] += 1
            close[kept.label] += kept.time_ms - before_ms.get(kept.label, -math.inf) <= _CLOSE_MS
            sizes.setdefault(kept.label, []).append(kept.payload_bytes)
            before_ms[kept.label] = kept.time_ms
    largest = Settings().batch_max_bytes
    found = [
        event
        for event, count in counts.items()
        if count >= _LEAST_COUNT and close[event] >= count * _CLOSE_SHARE and median(sizes[event]) <= largest
    ]
    return frozenset(sorted(found, key=lambda event: (-close[event], event))[:_MOST_EVENTS])


def _deflate_sweeps(maker: _Maker, best: Settings) -> list[Sweep]:
    best = best.replace(deflate=True)
    sweeps = [maker.sweep("deflate_window_bits", _WINDOW_BITS, best)]
    best = maker.settings[choose(sweeps[0].rows).label]
    sweeps.append(maker.sweep("deflate_mem_level", _MEM_LEVELS, best))
    best = maker.settings[choose(sweeps[1].rows).label]
    sweeps.append(maker.sweep("deflate_takeover", (False, True), best.replace(deflate_threshold_bytes=0)))
    without = best.replace(deflate_takeover=False)
    sweeps.append(maker.sweep("deflate_threshold_bytes", _THRESHOLDS, without))
    return sweeps


class _Maker:
    """Makes rows; remembers what settings each label stands for."""

    def __init__(
        self, bench: SampleTrial, audience: Reach, show: Callable[[str], str], progress: Callable[[int], None]
    ) -> None:
        self.settings: dict[str, Settings] = {}
        self._bench, self._audience, self._show, self._progress = bench, audience, show, progress

    def rows(self, choices: dict[str, Settings]) -> list[ReplayRow]:
        """A row for each choice."""
        choices = {label: essential(settings) for label, settings in choices.items()}
        measured = self._bench.measure(choices.values(), self._progress)
        self.settings.update(choices)
        return [
            make_row(label, settings, figures, figures, self._audience, self._show)
            for (label, settings), figures in zip(choices.items(), measured, strict=True)
        ]

    def sweep(self, name: str, values: Sequence[float], base: Settings, label: str | None = None) -> Sweep:
        """A row for each value of one figure."""
        meta = next(field.metadata for field in dataclasses.fields(Settings) if field.name == name)
        settings = [base.replace(**{name: value}) for value in values]
        label = label or meta["label"]
        layers = _name(layer for layer in LAYERS if getattr(base, layer))
        unit = meta.get("unit", "")
        labels = [f"{layers}; {label} {value:g} {unit}".strip() for value in values]
        rows = self.rows(dict(zip(labels, settings, strict=True)))
        return Sweep(name, label, unit, tuple(values), tuple(rows))


def _name(layers: Iterable[str]) -> str:
    chosen = set(layers)
    return " + ".join(layer for layer in LAYERS if layer in chosen) or "no layer"
