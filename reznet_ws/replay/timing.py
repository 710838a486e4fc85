"""How long the layers take: a trace replayed against the clock.

In: a trace, variants of the settings. Out: µs of this process's CPU for each message.
Never: sends: what a server does for each socket is not in these figures.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

from reznet_ws.demo.workload import TraceEvent
from reznet_ws.replay.ablation import replay
from reznet_ws.settings import Settings

Name = TypeVar("Name", bound=Hashable)


def replay_us(
    trace: Sequence[TraceEvent],
    variants: Mapping[Name, Settings],
    runs: int = 3,
    progress: Callable[[int, int], None] | None = None,
) -> dict[Name, float]:
    """The median of some runs for each variant; they take turns, so that a busy moment slows all alike."""
    replay(trace, next(iter(variants.values())))  # the first run fills caches
    measured: dict[Name, list[float]] = {name: [] for name in variants}
    for run in range(runs):
        for settings, values in zip(variants.values(), measured.values(), strict=True):
            before_s = time.process_time()
            replay(trace, settings)
            values.append((time.process_time() - before_s) * 1e6 / len(trace))
        if progress is not None:
            progress(run + 1, runs)
    return {name: statistics.median(values) for name, values in measured.items()}
