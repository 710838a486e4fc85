"""Runs in turn: each server with its load, at each number of clients, several times over.

In: a plan. Out: one record for each run, the failed ones too.
Never: lets two servers run at once, or a process outlive its run.
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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from benchmarks.contestants import NODE_FOLDER, Contestant
from benchmarks.driver import Job
from benchmarks.emissions import RecordedEvent, write_messages
from benchmarks.processor import LOAD_CORE, SERVER_CORE, allow_files, pinned
from benchmarks.sequence import LoadError

PHASES = ("joined", "batches", "churn", "full")
_START_TIMEOUT_S = 30.0
# Beside the phases themselves: joining, warming up and catching up of a thousand clients of the slowest.
_RUN_TIMEOUT_S = 180.0
# Beside one socket for each client.
_OTHER_FILES = 200
_REASON_CHARACTERS = 400


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is measured.

    The rate is `rate_per_s`, or less where the clients would get more than `most_deliveries_per_s` together: all
    servers are to keep up. `churn_share`: of the clients replaced every second. Batches are measured at the middle
    number of clients.
    """

    clients: tuple[int, ...] = (100, 300, 1000)
    rounds: int = 3
    seconds: float = 3.0
    rate_per_s: float = 20.0
    most_deliveries_per_s: float = 5000.0
    churn_share: float = 0.01
    phases: tuple[str, ...] = PHASES

    def rate_for(self, clients: int) -> float:
        """Messages a second."""
        return min(self.rate_per_s, self.most_deliveries_per_s / clients)

    @property
    def batch_clients(self) -> int:
        """The number of clients at which batches are measured."""
        return self.clients[len(self.clients) // 2]

    def phases_for(self, clients: int) -> tuple[str, ...]:
        """The phases of a run, in their order."""
        return tuple(
            name for name in PHASES if name in self.phases and (name != "batches" or clients == self.batch_clients)
        )


@dataclass(frozen=True, slots=True)
class Run:
    """One server at one number of clients, once. `error`: why it counts for nothing."""

    round: int
    name: str
    clients: int
    rate_per_s: float
    join_s: float | None = None
    memory_bytes_per_connection: float | None = None
    phases: dict[str, dict[str, Any]] = field(default_factory=dict)
    error: str | None = None


def interleave(
    contestants: Sequence[Contestant], plan: Plan, emissions: Sequence[RecordedEvent], told: Callable[[str], None]
) -> Iterator[Run]:
    """Every round begins with another server. `told` hears how far it is. Raises: OSError, TrafficError."""
    allow_files(max(plan.clients) + _OTHER_FILES)
    total = plan.rounds * len(plan.clients) * len(contestants)
    done, began_s = 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        messages = Path(folder) / "messages.json"
        write_messages(messages, emissions)
        for number in range(plan.rounds):
            for clients in plan.clients:
                turn = number % len(contestants)
                for contestant in (*contestants[turn:], *contestants[:turn]):
                    run = _run(number, contestant, clients, plan, messages)
                    done += 1
                    left_s = (time.monotonic() - began_s) / done * (total - done)
                    told(f"{done}/{total} {_summary(run)}; {left_s / 60:.0f} min to go")
                    yield run


def _run(number: int, contestant: Contestant, clients: int, plan: Plan, messages: Path) -> Run:
    rate_per_s = plan.rate_for(clients)
    run = Run(number, contestant.name, clients, rate_per_s)
    try:
        with started(contestant, messages) as (server, where):
            job = Job(
                host="127.0.0.1",
                port=where["port"],
                control_port=where["control_port"],
                server_pid=server.pid,
                messages=str(messages),
                clients=clients,
                seconds=plan.seconds,
                rate_per_s=rate_per_s,
                churn_per_s=plan.churn_share * clients,
                phases=plan.phases_for(clients),
            )
            return dataclasses.replace(run, **run_load(job))
    except (LoadError, OSError, subprocess.TimeoutExpired) as error:
        return dataclasses.replace(run, error=str(error)[:_REASON_CHARACTERS])


@contextlib.contextmanager
def started(contestant: Contestant, messages: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, int]]]:
    """A server's process, and its ports. Raises: LoadError, OSError."""
    with tempfile.TemporaryFile("w+") as said, pinned(SERVER_CORE):
        arguments = [*contestant.arguments, str(messages)]
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


def run_load(job: Job) -> dict[str, Any]:
    """The load's figures. Raises: LoadError, subprocess.TimeoutExpired."""
    with pinned(LOAD_CORE):
        load = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.driver"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=NODE_FOLDER.parent,
        )
    try:
        timeout_s = _RUN_TIMEOUT_S + len(job.phases) * job.seconds
        figures, said = load.communicate(json.dumps(dataclasses.asdict(job)), timeout_s)
    finally:
        load.kill()
        load.communicate()
    if load.returncode:
        raise LoadError(said.strip().rpartition("\n")[2])
    return cast(dict[str, Any], json.loads(figures))


def _summary(run: Run) -> str:
    what = f"{run.clients} clients, {run.name}"
    if run.error:
        return f"{what}: {run.error}"
    figures = []
    for name, phase in run.phases.items():
        deliveries = max(1, phase["deliveries"])
        cpu_us = phase["server_cpu_s"] * 1e6 / deliveries
        figures.append(f"{name} {phase['wire_bytes'] / deliveries:.0f} B {cpu_us:.1f} µs")
    return f"{what}: {', '.join(figures)}"
