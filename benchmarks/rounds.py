"""Trials in turn: each server with its clients, in each topology, several times over.

In: a plan. Out: one record for each trial, the failed ones too.
Never: lets two servers run at once, or a process outlive its trial.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from benchmarks.contestants import NODE_FOLDER, Contestant
from benchmarks.driver import Job
from benchmarks.plan import Cell, Plan
from benchmarks.processor import LOAD_CORE, SERVER_CORE, allow_files, pinned
from benchmarks.sequence import LoadError
from reznet_ws.replay.script import Script

_START_TIMEOUT_S = 30.0
# Beside the phases themselves: joining, warming up and catching up of a thousand clients of the slowest.
_TRIAL_TIMEOUT_S = 300.0
# Beside one socket for each client.
_OTHER_FILES = 200
_REASON_CHARACTERS = 400


@dataclass(frozen=True, slots=True)
class Trial:
    """One server in one cell, once. `error`: why it counts for nothing."""

    round: int
    name: str
    topology: str
    traffic: str
    clients: int
    join_s: float | None = None
    memory_bytes_per_connection: float | None = None
    phases: dict[str, dict[str, Any]] = field(default_factory=dict)
    error: str | None = None

    @property
    def cell(self) -> tuple[str, str, int]:
        """What it can be compared within."""
        return self.topology, self.traffic, self.clients


def interleave(
    plan: Plan,
    contestants: Mapping[str, Contestant],
    scripts: Callable[[Cell], Script],
    told: Callable[[str], None],
) -> Iterator[Trial]:
    """Every round begins with another server. `told` hears how far it is. Raises: OSError, TrafficError."""
    allow_files(max(cell.clients for cell in plan.cells) + _OTHER_FILES)
    total = sum(len(cell.servers) for number in range(plan.rounds) for cell in plan.cells_of_round(number))
    done, began_s = 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        jobs: dict[Cell, Job] = {}
        for number in range(plan.rounds):
            for cell in plan.cells_of_round(number):
                if cell not in jobs:
                    jobs[cell] = _job(cell, plan, scripts(cell), Path(folder) / f"{len(jobs)}.json")
                turn = number % len(cell.servers)
                for name in (*cell.servers[turn:], *cell.servers[:turn]):
                    trial = _try(number, contestants[name], cell, jobs[cell])
                    done += 1
                    left_s = (time.monotonic() - began_s) / done * (total - done)
                    told(f"{done}/{total} {_summary(trial)}; {left_s / 60:.0f} min to go")
                    yield trial


def _job(cell: Cell, plan: Plan, script: Script, path: Path) -> Job:
    """All but where the server is."""
    script.write(path)
    parts, memory_after = plan.parts(cell, [len(slots) for slots in script.receivers()])
    return Job(script=str(path), clients=cell.clients, memory_after=memory_after, parts=parts)


def _try(number: int, contestant: Contestant, cell: Cell, job: Job) -> Trial:
    trial = Trial(number, contestant.name, cell.topology, cell.traffic, cell.clients)
    try:
        with started(contestant, Path(job.script)) as (server, where):
            asked = dataclasses.replace(
                job,
                query=contestant.query,
                port=where["port"],
                control_port=where["control_port"],
                server_pid=server.pid,
            )
            return dataclasses.replace(trial, **drive(asked))
    except (LoadError, OSError, subprocess.TimeoutExpired) as error:
        return dataclasses.replace(trial, error=str(error)[:_REASON_CHARACTERS])


@contextlib.contextmanager
def started(contestant: Contestant, script: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, int]]]:
    """A server's process, and its ports. Raises: LoadError, OSError."""
    with tempfile.TemporaryFile("w+") as said, pinned(SERVER_CORE):
        arguments = [*contestant.arguments, str(script)]
        server = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=said, text=True, cwd=NODE_FOLDER.parent)
        try:
            assert server.stdout is not None
            ready, _, _ = select.select([server.stdout], [], [], _START_TIMEOUT_S)
            line = server.stdout.readline() if ready else ""
            if not line:
                said.seek(0)
                raise LoadError(f"{contestant.name} did not start: {said.read()[-_REASON_CHARACTERS:].strip()}")
            yield server, json.loads(line)
        finally:
            server.kill()
            server.communicate()


def drive(job: Job) -> dict[str, Any]:
    """The driver's figures. Raises: LoadError, subprocess.TimeoutExpired."""
    with pinned(LOAD_CORE):
        driver = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.driver"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=NODE_FOLDER.parent,
        )
    try:
        figures, said = driver.communicate(json.dumps(dataclasses.asdict(job)), _TRIAL_TIMEOUT_S)
    finally:
        driver.kill()
        driver.communicate()
    if driver.returncode:
        raise LoadError(said.strip().rpartition("\n")[2])
    return cast(dict[str, Any], json.loads(figures))


def _summary(trial: Trial) -> str:
    what = f"{trial.topology}, {trial.traffic}, {trial.clients} clients, {trial.name}"
    if trial.error:
        return f"{what}: {trial.error}"
    figures = []
    for name, phase in trial.phases.items():
        deliveries = max(1, phase["deliveries"])
        cpu_us = phase["server_cpu_s"] * 1e6 / deliveries
        figures.append(f"{name} {phase['wire_bytes'] / deliveries:.0f} B {cpu_us:.1f} µs")
    return f"{what}: {', '.join(figures)}"
