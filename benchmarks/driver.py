"""The driver: a process that connects many clients, tells the server what to play, and counts what arrives.

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
from typing import Any

from benchmarks.phase import Phase, PhaseMeter
from benchmarks.plan import ScriptPart
from benchmarks.processor import resident_bytes
from benchmarks.raw_client import ProtocolError
from benchmarks.receivers import Receiver, Receivers
from benchmarks.sequence import Expected, LoadError, Play
from reznet_ws.replay.script import read_script
from reznet_ws.replay.spread import percentile

INSPECT_EVERY = 16
# At full load: what the server emits in one turn of its loop, and how many deliveries (and at least how many emissions)
# it may be ahead of the slowest connection: enough that neither waits for the other, and read within seconds.
PER_TURN = 8
AHEAD_DELIVERIES, AHEAD_EMISSIONS = 32_000, 64
_HOST = "127.0.0.1"
_SETTLE_S = 0.5
_PATIENCE_S = 20.0
# What is under way when everything seems to have arrived.
_QUIET_S = 0.05
# How often a busy driver tells the server what all have seen; one that waits tells it at once.
_TELL_EVERY_S = 0.001
_TICK_S = 0.01
_CONTROL_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Job:
    """What one run is to do. Memory is read before the first client and after the parts up to `memory_after`."""

    script: str
    clients: int
    memory_after: int
    parts: tuple[ScriptPart, ...]
    query: str = ""
    port: int = 0
    control_port: int = 0
    server_pid: int = 0


class Driver:
    """One run against one server."""

    def __init__(self, job: Job) -> None:
        self._job = job
        script = read_script(job.script)
        self._expected = Expected(script)
        deliveries = sum(map(len, script.receivers()))
        self._per_emission = max(1.0, deliveries / max(1, len(script.sendings)))
        self._receivers = Receivers((_HOST, job.port), job.query, self._arrived)
        self._control = socket.create_connection((_HOST, job.control_port))
        self._control.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._control_rest = b""
        self._receivers.watch(self._control, self._hear)
        self._play = Play(0, 0, 0)
        self._began_ns = 0
        # How many were emitted when the last play had ended, and when this one has; None until then.
        self._emitted = 0
        self._played: int | None = None
        self._latencies_ms: list[float] = []
        self._told_s, self._has_news = 0.0, False

    def run(self) -> dict[str, Any]:
        """All parts. Raises: LoadError, ProtocolError, zlib.error, OSError."""
        job = self._job
        before_bytes = resident_bytes(job.server_pid)
        began_s = time.monotonic()
        self._receivers.fill(range(job.clients))
        join_s = time.monotonic() - began_s
        memory_bytes = 0.0
        phases = {}
        for number, part in enumerate(job.parts):
            phase = self._run_part(part)
            if part.name:
                phases[part.name] = dataclasses.asdict(phase)
            if number == job.memory_after:
                memory_bytes = (resident_bytes(job.server_pid) - before_bytes) / job.clients
        self._receivers.close()
        self._control.close()
        return {"join_s": join_s, "memory_bytes_per_connection": memory_bytes, "phases": phases}

    def _run_part(self, part: ScriptPart) -> Phase:
        if part.kind == "full":
            return self._run_at_full_load(part)
        meter = PhaseMeter(self._receivers, self._job.server_pid)
        self._latencies_ms = []
        pieces = part.replaced + 1
        for piece in range(pieces):
            start, end = part.count * piece // pieces, part.count * (piece + 1) // pieces
            if piece:
                self._receivers.replace_oldest()
            self._start(Play(part.first + start, end - start, self._emitted, part.rate_per_s))
            self._finish(quiet_s=0 if piece + 1 < pieces else _QUIET_S)
        phase = meter.read(part.count)
        if self._latencies_ms:
            phase.p50_ms, phase.p95_ms, phase.p99_ms = (percentile(self._latencies_ms, of) for of in (50, 95, 99))
        return phase

    def _run_at_full_load(self, part: ScriptPart) -> Phase:
        """As quickly as all follow; counted once it runs evenly."""
        self._receivers.decode_at_once = True
        for index, receiver in enumerate(self._receivers.joined):
            receiver.is_skimmed = bool(index % INSPECT_EVERY)
        most_ahead = max(AHEAD_EMISSIONS, round(AHEAD_DELIVERIES / self._per_emission))
        self._start(
            Play(part.first, part.count, self._emitted, is_endless=True), per_turn=PER_TURN, most_ahead=most_ahead
        )
        self._step_for(_SETTLE_S)
        meter = PhaseMeter(self._receivers, self._job.server_pid, all_bytes=True)
        self._step_for(part.seconds)
        phase = meter.read(0)
        phase.emissions = round(phase.deliveries / self._per_emission)
        self._tell({"stop": True})
        self._finish(_QUIET_S)
        return phase

    # What is played

    def _start(self, play: Play, *, per_turn: int = 1, most_ahead: int | None = None) -> None:
        for receiver in self._receivers.joined:
            receiver.due = self._expected.due(play, receiver.slot)
        self._play, self._played = play, None
        if most_ahead is None:
            # Each client is about two messages behind at most, so that no queue swells the server's memory.
            most_ahead = max(2, round(2 * self._job.clients / self._per_emission))
        order = {**dataclasses.asdict(play), "per_turn": per_turn, "most_ahead": most_ahead}
        self._tell({"seen": self._emitted, "play": order})

    def _finish(self, quiet_s: float) -> None:
        """Wait until everything that was emitted has arrived everywhere. Raises: LoadError."""
        quiet_since_s = now_s = time.monotonic()
        while now_s < quiet_since_s + quiet_s or self._receivers.is_busy or self._missing:
            received = self._step()
            now_s = time.monotonic()
            if received:
                quiet_since_s = now_s
            elif now_s > quiet_since_s + _PATIENCE_S:
                raise LoadError(f"nothing came for {_PATIENCE_S:.0f} s, and a client lacks {self._missing} messages")
        assert self._played is not None
        self._emitted = self._played

    @property
    def _missing(self) -> int:
        """How far the slowest client is behind, 1 while that is not known."""
        return 1 if self._played is None else max(0, self._played - self._receivers.slowest(self._played))

    def _arrived(self, receiver: Receiver, text: bytes, at_ns: int) -> int:
        if receiver.due is None:
            raise LoadError("a client got a message before anything was emitted")
        numbers = self._expected.check(receiver.due, text)
        if self._play.rate_per_s:
            self._latencies_ms += [(at_ns - self._play.due_ns(number, self._began_ns)) / 1e6 for number in numbers]
        return len(numbers)

    # The loop

    def _step_for(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            self._step()

    def _step(self) -> bool:
        if self._play.rate_per_s:
            return self._receivers.step(_TICK_S)
        received = self._receivers.step(0 if self._has_news else _TICK_S)
        now_s = time.monotonic()
        self._has_news = self._has_news or received
        if self._has_news and (not received or now_s > self._told_s + _TELL_EVERY_S):
            self._told_s, self._has_news = now_s, self._receivers.is_busy
            self._tell({"seen": self._receivers.slowest(self._emitted)})
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


def main() -> int:
    """Do the job on stdin."""
    job = json.load(sys.stdin)
    try:
        result = Driver(Job(**{**job, "parts": tuple(ScriptPart(**part) for part in job["parts"])})).run()
    except (LoadError, ProtocolError, OSError, zlib.error) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    json.dump(result, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
