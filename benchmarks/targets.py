"""What is to be reached, as ratios to stock python-socketio on uvicorn, and whether it is.

In: trials. Out: each target with what was measured.
Never: fails where one is missed: it says by how much.

Where no target is named, the promise counts: nothing costs more than without us.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.figures import CellKey, Figure, cells_of, cpu_us, memory_kb, of_phase, ratio, wire_bytes
from benchmarks.rounds import Trial
from reznet_ws.replay.spread import Spread

FIGURES: Mapping[str, Figure] = {
    "bytes, first 20": wire_bytes("opening"),
    "bytes": wire_bytes("steady"),
    "bytes, churn": wire_bytes("churn"),
    "CPU": cpu_us("steady"),
    "CPU, churn": cpu_us("churn"),
    "memory": memory_kb,
    "p50": of_phase("steady", "p50_ms"),
    "p95": of_phase("steady", "p95_ms"),
}
PROMISE = 1.0
LATENCY_PROMISE = 1.1


@dataclass(frozen=True, slots=True)
class Goal:
    """At most so much of stock's."""

    wire_bytes: float
    cpu: float
    memory: float


_ROOMS_OF_5 = Goal(0.80, 0.35, 0.7)
_OVERLAPPING = Goal(0.85, 0.3, 0.8)
_GOALS: Mapping[str, Goal] = {
    "private": Goal(0.80, 0.5, 0.9),
    "private + all": Goal(0.85, 0.4, 0.9),
    "rooms of 2 + all": Goal(0.85, 0.4, 0.8),
    "rooms of 5": _ROOMS_OF_5,
    "rooms of 5 + all": _ROOMS_OF_5,
    "rooms of 20 + all": Goal(0.76, 0.25, 0.6),
    "but the sender": _OVERLAPPING,
    "topics": _OVERLAPPING,
    "one room": Goal(0.60, 0.15, 0.5),
}
_ONE_ROOM_CPU = {100: 0.15, 300: 0.12, 1000: 0.10}
_ONE_ROOM_CHURN = 0.70


@dataclass(frozen=True, slots=True)
class Reached:
    """A ratio and what it may be at most."""

    cell: CellKey
    figure: str
    most: float
    ratio: Spread

    @property
    def said(self) -> str:
        """Whether the median reaches the target, and by how much it does not."""
        return say(self.ratio.median, self.most)


def say(value: float, most: float) -> str:
    """What a ratio is to its target."""
    return "reached" if value <= most else f"missed by {100 * (value / most - 1):.0f} %"


def most_of(cell: CellKey, figure: str) -> float:
    """The target of one figure in one cell: those named are for the lab's chat, the promise is for all."""
    topology, traffic, clients = cell
    goal = _GOALS.get(topology) if traffic == "chat" else None
    if figure in ("p50", "p95"):
        return LATENCY_PROMISE
    if goal is None:
        return PROMISE
    if topology == "one room" and figure == "bytes, churn":
        return _ONE_ROOM_CHURN
    if topology == "one room" and figure == "CPU":
        return _ONE_ROOM_CPU.get(clients, goal.cpu)
    return {"bytes": goal.wire_bytes, "CPU": goal.cpu, "memory": goal.memory}.get(figure, PROMISE)


def judge(trials: Sequence[Trial]) -> list[Reached]:
    """Every target, as far as the trials show it."""
    found = []
    for cell in cells_of(trials):
        for name, figure in FIGURES.items():
            measured = ratio(trials, figure, cell)
            if measured is not None:
                found.append(Reached(cell, name, most_of(cell, name), measured))
    return found
