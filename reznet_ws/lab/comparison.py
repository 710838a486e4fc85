"""The load test: presets side by side under the same traffic, and whether the requirements hold.

In: presets, a number of users, a time. Out: runs, their medians with spread, and a verdict for each requirement.
Never: compares runs that were not interleaved.
Never: calls a difference real that the spread could have made.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from reznet_ws.lab.lab import Lab
from reznet_ws.lab.measurement import Measurement, Requirement
from reznet_ws.replay.spread import Spread
from reznet_ws.settings import Settings

BASELINE = "stock"
# The first messages find cold caches at both ends.
WARM_UP_S = 1.0


@dataclass(frozen=True, kw_only=True)
class LoadPlan:
    """What every run is put under. Units: `rate_per_s` messages emitted a second, each to all users."""

    users: int = 100
    duration_s: float = 20
    rate_per_s: float = 20
    mix: str = "chat"
    seed: int = 1


@dataclass(frozen=True, slots=True)
class LoadRun:
    """One preset under the load, once."""

    preset: str
    measured: Measurement

    @property
    def bytes_per_delivery(self) -> float:
        """At the server's sockets, frame headers included."""
        return self.measured.wire_bytes / self.measured.deliveries


Figure = Callable[[LoadRun], float]


def interleave(
    presets: Mapping[str, Settings], load: LoadPlan, rounds: int, wait: Callable[[float], None]
) -> Iterator[LoadRun]:
    """Run each preset once a round, every round beginning with another; each on a server of its own.

    `wait(seconds)` passes the time, showing progress if it likes. Raises: what `Lab.start` raises.
    """
    for name in in_turn(list(presets), rounds):
        yield LoadRun(name, measure(presets[name], load, wait))


def in_turn(names: Sequence[str], rounds: int) -> Iterator[str]:
    """Each name once a round, every round beginning with another. Raises: ValueError for less than one round."""
    if rounds < 1 or not names:
        raise ValueError(f"{rounds} rounds of {len(names)}: it takes at least one of each")
    for number in range(rounds):
        turn = number % len(names)
        yield from [*names[turn:], *names[:turn]]


def measure(settings: Settings, load: LoadPlan, wait: Callable[[float], None]) -> Measurement:
    """One run: connect, warm up, count, fall silent, read off."""
    lab = Lab(settings, name="load", users=load.users, rate_per_s=load.rate_per_s, mix=load.mix, seed=load.seed).start()
    try:
        wait(WARM_UP_S)
        lab.reset()
        wait(load.duration_s)
        lab.silence()
        return lab.measure()
    finally:
        lab.stop()


def climb(
    settings: Settings, load: LoadPlan, users: Iterable[int], wait: Callable[[float], None]
) -> Iterator[tuple[int, Measurement]]:
    """More and more users on one server process, until one of the latencies leaves the requirements.

    Yields each number of users with what was measured, the one that failed included.
    """
    for count in users:
        measured = measure(settings, dataclasses.replace(load, users=count), wait)
        yield count, measured
        if not all(item.passed for item in measured.requirements() if item.unit == "ms"):
            return


def compare(runs: Sequence[LoadRun], figure: Figure, preset: str, baseline: str = BASELINE) -> Spread:
    """A preset's figure as a ratio to the baseline's of the same round."""
    ratios = [figure(run) / figure(base) for run, base in zip(_of(runs, preset), _of(runs, baseline), strict=True)]
    return Spread.of(ratios)


def spread(runs: Sequence[LoadRun], figure: Figure, preset: str) -> Spread:
    """A preset's figure over its runs."""
    return Spread.of([figure(run) for run in _of(runs, preset)])


def worst(runs: Sequence[LoadRun], preset: str) -> list[Requirement]:
    """Each requirement as the preset's worst run met it."""
    boards = [run.measured.requirements() for run in _of(runs, preset)]
    return [
        min(column, key=lambda item: (item.passed is True, -_badness(item))) for column in zip(*boards, strict=True)
    ]


def _badness(requirement: Requirement) -> float:
    measured = requirement.measured or 0.0
    return -measured if requirement.target.startswith("≥") else measured


def _of(runs: Sequence[LoadRun], preset: str) -> list[LoadRun]:
    return [run for run in runs if run.preset == preset]
