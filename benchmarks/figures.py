"""Figures of trials: what is read off each, over the rounds, and as a ratio to another server's of the same round.

In: trials. Out: medians with their spread.
Never: compares trials of different cells or rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from benchmarks.contestants import BASELINE, CANDIDATE
from benchmarks.plan import Cell
from benchmarks.rounds import Trial
from reznet_ws.replay.spread import Spread

Figure = Callable[[Trial], float | None]
CellKey = tuple[str, str, int]


def wire_bytes(phase: str) -> Figure:
    """Per delivery, at the client's socket."""
    return lambda trial: _per_delivery(trial, phase, "wire_bytes")


def cpu_us(phase: str) -> Figure:
    """Per delivery, of the server's process."""

    def figure(trial: Trial) -> float | None:
        seconds = _per_delivery(trial, phase, "server_cpu_s")
        return None if seconds is None else seconds * 1e6

    return figure


def memory_kb(trial: Trial) -> float | None:
    """For each connection, joined and with full windows."""
    memory = trial.memory_bytes_per_connection
    return None if memory is None else memory / 1000


def of_phase(phase: str, name: str) -> Figure:
    """One of a phase's own figures."""
    return lambda trial: trial.phases.get(phase, {}).get(name)


def deliveries_per_s(phase: str) -> Figure:
    """As they arrived."""

    def figure(trial: Trial) -> float | None:
        figures = trial.phases.get(phase)
        return figures["deliveries"] / figures["seconds"] if figures else None

    return figure


def key(cell: Cell) -> CellKey:
    """What a cell's trials have in common."""
    return cell.topology, cell.traffic, cell.clients


def cells_of(trials: Iterable[Trial]) -> list[CellKey]:
    """Each once, in their order."""
    return list(dict.fromkeys(trial.cell for trial in trials))


def spread(trials: Sequence[Trial], figure: Figure, cell: CellKey, name: str) -> Spread | None:
    """A server's figure over the rounds; None where no trial has it."""
    values = [value for trial in _of(trials, cell, name) if (value := figure(trial)) is not None]
    return Spread.of(values) if values else None


def ratio(
    trials: Sequence[Trial], figure: Figure, cell: CellKey, name: str = CANDIDATE, to: str = BASELINE
) -> Spread | None:
    """Within each round that has both."""
    values = {trial.round: value for trial in _of(trials, cell, name) if (value := figure(trial)) is not None}
    bases = {trial.round: value for trial in _of(trials, cell, to) if (value := figure(trial))}
    ratios = [values[number] / bases[number] for number in values if number in bases]
    return Spread.of(ratios) if ratios else None


def _of(trials: Sequence[Trial], cell: CellKey, name: str) -> list[Trial]:
    return [trial for trial in trials if trial.name == name and trial.cell == cell]


def _per_delivery(trial: Trial, phase: str, name: str) -> float | None:
    figures: dict[str, Any] | None = trial.phases.get(phase)
    return figures[name] / figures["deliveries"] if figures and figures["deliveries"] else None
