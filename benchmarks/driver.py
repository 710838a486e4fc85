"""The load: a process that connects many clients, tells the server what to play, and counts what arrives.

In: a job as JSON on stdin. Out: figures as JSON on stdout; status 1 and the reason on stderr where a run counts for
nothing.
Never: lets a message pass that is not the one due. At full load all frames are counted on each connection, and
inflated and compared on every `INSPECT_EVERY`-th.
"""

from __future__ import annotations

import dataclasses
import json
import socket
import sys
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.processor import cpu_ns, resident_bytes
from benchmarks.raw_client import ProtocolError
from benchmarks.receivers import Receiver, Receivers
from benchmarks.sequence import Expected, LoadError, Play
from reznet_ws.replay.ablation import percentile

INSPECT_EVERY = 16
# Fewer would be no sample of their bytes; the phase takes as long as they take.
LEAST_BATCHES = 20
# 27 KB of the lab's traffic, most of the largest window.
WARM_UP_MESSAGES = 100
# At full load: what the server emits in one turn of its loop, and how many deliveries (and at least how many messages)
# it may be ahead of the slowest connection: enough that neither waits for the other, and read within seconds.
PER_TURN = 8
AHEAD_DELIVERIES, AHEAD_MESSAGES = 32_000, 64
_SETTLE_S = 0.5
_PATIENCE_S = 20.0
# What is under way when everything seems to have arrived.
_QUIET_S = 0.05
# How often a busy load tells the server what all have seen; one that waits tells it at once.
_TELL_EVERY_S = 0.001
_TICK_S = 0.01
_CONTROL_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Job:
    """What one run is to do. `full` can only be the last of the phases: what was skimmed can be decoded no more."""

    host: str
    port: int
    control_port: int
    server_pid: int
    messages: str
    clients: int
    seconds: float
    rate_per_s: float
    churn_per_s: float
    phases: tuple[str, ...]


@dataclass(slots=True)
class Phase:
    """One phase's figures.

    `wire_bytes`: at the clients' sockets, frame headers included; at full load all that came, else what carried
    events. `server_cpu_s`: user and system time of the server's process. Latencies: from when a message was due to be
    emitted to when it was read from a client's socket.
    """

    messages: int
    deliveries: int
    wire_bytes: int
    seconds: float
    server_cpu_s: float
    load_share: float
    joined: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None


class Load:
    """One run against one server."""

    def __init__(self, job: Job) -> None:
        self._job = job
        lists = json.loads(Path(job.messages).read_text(encoding="utf-8"))
        self._per_batch = len(lists["singles"]) / len(lists["batches"])
        self._expected = Expected(lists)
        self._next_index = dict.fromkeys(lists, 0)
        self._crowd = Receivers((job.host, job.port), self._arrived)
        self._control = socket.create_connection((job.host, job.control_port))
        self._control.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._control_rest = b""
        self._crowd.watch(self._control, self._hear)
        self._play = Play("singles", 0, 0, 0)
        self._began_ns = 0
        # How many were emitted when the last play had ended, and when this one has; None until then.
        self._emitted = 0
        self._played: int | None = None
        self._latencies_ms: list[float] = []
        self._told_s, self._has_news = 0.0, False

    def run(self) -> dict[str, Any]:
        """All phases. Raises: LoadError, ProtocolError, zlib.error, OSError."""
        job = self._job
        before_bytes = resident_bytes(job.server_pid)
        began_s = time.monotonic()
        self._crowd.grow(job.clients)
        join_s = time.monotonic() - began_s
        self._warm_up()
        memory_bytes = (resident_bytes(job.server_pid) - before_bytes) / job.clients
        phases = {name: dataclasses.asdict(self._run_phase(name)) for name in job.phases}
        self._crowd.close()
        self._control.close()
        return {"join_s": join_s, "memory_bytes_per_connection": memory_bytes, "phases": phases}

    def _run_phase(self, name: str) -> Phase:
        rate_per_s = self._job.rate_per_s
        match name:
            case "joined":
                return self._run_at_rate("singles", rate_per_s, 0)
            case "batches":
                return self._run_at_rate("batches", rate_per_s / self._per_batch, 0, LEAST_BATCHES)
            case "churn":
                return self._run_at_rate("singles", rate_per_s, self._job.churn_per_s)
            case "full":
                return self._run_at_full_load()
        raise LoadError(f"{name}: no such phase")

    def _warm_up(self) -> None:
        """Windows fill and code gets warm; hardly ahead of the clients, so that no queue swells the memory."""
        self._start("singles", WARM_UP_MESSAGES, per_turn=1, most_ahead=2)
        self._finish()

    def _run_at_rate(self, of: str, rate_per_s: float, churn_per_s: float, least: int = 1) -> Phase:
        count = max(least, round(self._job.seconds * rate_per_s))
        replacements = round(self._job.seconds * churn_per_s)
        self._latencies_ms = []
        meter = Meter(self._crowd, self._job.server_pid)
        self._start(of, count, rate_per_s)
        began_s = time.monotonic()
        replaced = 0
        while self._played is None or replaced < replacements:
            self._step()
            if replaced < min(replacements, int((time.monotonic() - began_s) * churn_per_s)):
                self._crowd.replace_oldest()
                replaced += 1
        self._finish()
        phase = meter.read(count)
        phase.p50_ms, phase.p95_ms, phase.p99_ms = (percentile(self._latencies_ms, part) for part in (50, 95, 99))
        return phase

    def _run_at_full_load(self) -> Phase:
        """As quickly as all follow; counted once it runs evenly."""
        self._crowd.decode_at_once = True
        for index, link in enumerate(self._crowd.links):
            link.is_skimmed = bool(index % INSPECT_EVERY)
        most_ahead = max(AHEAD_MESSAGES, AHEAD_DELIVERIES // self._job.clients)
        self._start("laps", None, per_turn=PER_TURN, most_ahead=most_ahead)
        self._step_for(_SETTLE_S)
        meter = Meter(self._crowd, self._job.server_pid, all_bytes=True)
        self._step_for(self._job.seconds)
        phase = meter.read(0)
        phase.messages = round(phase.deliveries / self._job.clients)
        self._tell({"stop": True})
        self._finish()
        return phase

    # What is played

    def _start(
        self, of: str, count: int | None, rate_per_s: float = 0, *, per_turn: int = 1, most_ahead: int = 1
    ) -> None:
        for link in self._crowd.links:
            link.next = self._emitted
        first = self._next_index[of]
        self._play, self._played = Play(of, first, self._emitted, rate_per_s), None
        self._next_index[of] += count or 0
        order = {"list": of, "first": first, "count": count, "rate_per_s": rate_per_s}
        self._tell({"seen": self._emitted, "play": {**order, "per_turn": per_turn, "most_ahead": most_ahead}})

    def _finish(self) -> None:
        """Wait until everything that was emitted has arrived everywhere. Raises: LoadError."""
        quiet_since_s = now_s = time.monotonic()
        while now_s < quiet_since_s + _QUIET_S or self._crowd.is_busy or self._missing:
            received = self._step()
            now_s = time.monotonic()
            if received:
                quiet_since_s = now_s
            elif now_s > quiet_since_s + _PATIENCE_S:
                raise LoadError(f"nothing came for {_PATIENCE_S:.0f} s, and a client lacks {self._missing} messages")
        assert self._played is not None
        self._emitted = self._played
        for link in self._crowd.links:
            if link.next is None:
                self._place(link)

    @property
    def _missing(self) -> int:
        """What the slowest connection has yet to get, 1 while that is not known."""
        return 1 if self._played is None else self._played - self._crowd.slowest(self._played)

    def _arrived(self, link: Receiver, text: bytes, at_ns: int) -> None:
        if link.next is None:
            link.held.append((text, at_ns))
        else:
            self._count(link, text, at_ns)

    def _count(self, link: Receiver, text: bytes, at_ns: int) -> None:
        assert link.next is not None
        self._expected.check(self._play, link.next, text)
        if self._play.rate_per_s:
            self._latencies_ms.append((at_ns - self._play.due_ns(link.next, self._began_ns)) / 1e6)
        link.next += 1

    def _place(self, link: Receiver) -> None:
        """Of one that joined on the way the last message is known, and so the first. Raises: LoadError."""
        link.next = self._play.first_of(len(link.held), self._emitted, link.joined_ns, self._began_ns)
        for text, at_ns in link.held:
            self._count(link, text, at_ns)
        link.held.clear()

    # The loop

    def _step_for(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            self._step()

    def _step(self) -> bool:
        if self._play.rate_per_s:
            return self._crowd.step(_TICK_S)
        received = self._crowd.step(0 if self._has_news else _TICK_S)
        now_s = time.monotonic()
        self._has_news = self._has_news or received
        if self._has_news and (not received or now_s > self._told_s + _TELL_EVERY_S):
            self._told_s, self._has_news = now_s, self._crowd.is_busy
            self._tell({"seen": self._crowd.slowest(self._emitted)})
        return received

    def _tell(self, command: dict[str, Any]) -> None:
        self._control.sendall(json.dumps(command).encode() + b"\n")

    def _hear(self) -> None:
        data = self._control.recv(_CONTROL_BYTES)
        if not data:
            raise LoadError("the server has ended")
        *lines, self._control_rest = (self._control_rest + data).split(b"\n")
        for line in lines:
            news = json.loads(line)
            self._began_ns = news.get("began_ns", self._began_ns)
            self._played = news.get("played", self._played)


class Meter:
    """Counts from when it is made."""

    def __init__(self, crowd: Receivers, server_pid: int, *, all_bytes: bool = False) -> None:
        self._crowd, self._server_pid, self._all_bytes = crowd, server_pid, all_bytes
        self._before = self._now()

    def read(self, messages: int) -> Phase:
        """What has come since."""
        deliveries, wire_bytes, joined, wall_ns, server_ns, own_ns = (
            now - before for now, before in zip(self._now(), self._before, strict=True)
        )
        return Phase(
            messages=messages,
            deliveries=deliveries,
            wire_bytes=wire_bytes,
            seconds=wall_ns / 1e9,
            server_cpu_s=server_ns / 1e9,
            load_share=own_ns / wall_ns,
            joined=joined,
        )

    def _now(self) -> tuple[int, ...]:
        crowd = self._crowd
        return (
            crowd.deliveries,
            crowd.received_bytes if self._all_bytes else crowd.event_bytes,
            crowd.joined,
            time.monotonic_ns(),
            cpu_ns(self._server_pid),
            time.process_time_ns(),
        )


def main() -> int:
    """Do the job on stdin."""
    job = json.load(sys.stdin)
    try:
        result = Load(Job(**{**job, "phases": tuple(job["phases"])})).run()
    except (LoadError, ProtocolError, OSError, zlib.error) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    json.dump(result, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
