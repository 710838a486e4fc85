"""A plan carried out: trials measured and written.

In: a plan. Out: trials, and files in a folder.
Never: leaves out a server without saying so.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.contestants import CONTESTANTS
from benchmarks.emissions import TRAFFICS, RecordedEvent, read_traffic
from benchmarks.machine import describe_machine, lacks
from benchmarks.plan import Cell, Plan
from benchmarks.rounds import Trial, interleave
from reznet_ws.demo.topologies import TOPOLOGIES
from reznet_ws.replay.script import Script, write_script

# Where a topology has more conversations, several clients go through the same one, each from another place.
MOST_CONVERSATIONS = 64


def measure(plan: Plan, seed: int, note: str | None) -> tuple[list[Trial], dict[str, Any]]:
    """Every trial of a plan, and the machine; Ctrl-C ends it early. Raises: ValueError, TrafficError, OSError."""
    machine = {**describe_machine(), "traffic": f"Seed {seed}", "note": note}
    if not machine["is_pinned"]:
        tell("server and clients share their cores: nothing can be pinned here")

    def script(cell: Cell) -> Script:
        topology = TOPOLOGIES[cell.topology]
        return write_script(topology, cell.clients, _conversations(cell, seed), plan.deliveries(cell), seed)

    trials: list[Trial] = []
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C: what has been measured is written
        for trial in interleave(plan, CONTESTANTS, script, tell):
            trials.append(trial)  # noqa: PERF402 (kept where it is interrupted)
    return trials, machine


def _conversations(cell: Cell, seed: int) -> Sequence[Sequence[RecordedEvent]]:
    if cell.traffic in TRAFFICS:
        streams = TOPOLOGIES[cell.topology].streams(cell.clients)
        return TRAFFICS[cell.traffic](min(streams, MOST_CONVERSATIONS), seed)
    return [read_traffic(Path(cell.traffic))]


def write_results(
    folder: Path, name: str, report: str, trials: Sequence[Trial], plan: Plan, machine: Mapping[str, Any]
) -> None:
    """The report, and everything that was measured. Raises: OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    about = json.dumps({"machine": machine, "plan": dataclasses.asdict(plan)}, indent=1)
    # A line for each trial.
    rows = ",\n".join(json.dumps(dataclasses.asdict(trial)) for trial in trials)
    (folder / f"{name}.json").write_text(f'{about[:-2]},\n "trials": [\n{rows}\n ]\n}}\n', encoding="utf-8")
    (folder / f"{name}.md").write_text(report, encoding="utf-8")


def able_servers(names: Sequence[str]) -> tuple[str, ...]:
    """Those that can run here. Raises: ValueError where none is left."""
    able = []
    for name in dict.fromkeys(names):
        reason = lacks(CONTESTANTS[name])
        if reason:
            tell(f"{name} is left out: {reason}")
        else:
            able.append(name)
    if not able:
        raise ValueError("no server is left to measure")
    return tuple(able)


def tell(said: str) -> None:
    """How far it is."""
    sys.stderr.write(said + "\n")
    sys.stderr.flush()
