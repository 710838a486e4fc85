"""Simulated users as their parent sees them: start their processes, size them, gather what they saw.

In: a server's address, what the users do, how many. Out: counts, and what was seen, connection by connection.
Never: runs a client in this process, where it would share the interpreter with the server.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

from reznet_ws.lab.clients.mixture import Shares, check_shares
from reznet_ws.lab.clients.seen import Arrivals, Counts, Seen
from reznet_ws.lab.scenario import Scenario, pack

STOP_TIMEOUT_S = 10
# A Python client takes about 0.1 ms a message; at 20 messages a second a core holds several times as many.
USERS_PER_PROCESS = 150

# Reports of one process, in their order, each with its arrivals as (session, digest, monotonic seconds).
Reports = list[tuple[Seen, list[tuple[str, int, float]]]]
Progress = Callable[[int, int], None]


class Fleet:
    """Simulated users in as many other processes as they need.

    `count_plain_bytes`: they count what no layer would have sent.
    Raises: ValueError for figures out of bounds, or a scenario that cannot leave this process.
    """

    def __init__(
        self,
        url: str,
        scenario: Scenario | None = None,
        *,
        count_plain_bytes: bool = False,
    ) -> None:
        self._arguments = [url, *["--count-plain-bytes"] * count_plain_bytes]
        self.scenario = scenario or Scenario()
        self._packed = pack(self.scenario)
        self._changed = threading.Condition()  # reentrant
        self._processes: list[_ClientProcess] = []
        self.users = self._refused = 0
        self.formats: Shares = {}
        self.is_acting = False

    @property
    def counts(self) -> Counts:
        """What all clients saw so far, at most 0.2 s old."""
        with self._changed:
            return _sum([each.counts for each in self._processes])

    @property
    def process_ids(self) -> list[int]:
        """The processes that run."""
        return [each.popen.pid for each in self._processes if each.popen.poll() is None]

    def resize(self, users: int, formats: Shares | None = None) -> None:
        """Ask for a number of users, and for shares of formats; returns at once, `wait` waits. Raises: ValueError."""
        if users < 0:
            raise ValueError(f"users is {users!r}; it must be at least 0")
        self.users, self._refused = users, self.counts.refused
        self.formats = self.formats if formats is None else check_shares(formats)
        while len(self._processes) * USERS_PER_PROCESS < users:
            first = f"--first={len(self._processes) * USERS_PER_PROCESS}"
            self._processes.append(_ClientProcess([*self._arguments, first], self._packed, self._changed))
        self._order()

    def act(self, acting: bool) -> None:
        """Let the users do what the scenario says, or nothing."""
        self.is_acting = acting
        self._order()

    def follow(self, scenario: Scenario) -> None:
        """Take another scenario's figures; its functions stay those that were given first."""
        self.scenario = scenario
        self._order()

    def _order(self) -> None:
        # Evenly, so that no process is busier than the others.
        processes = len(self._processes) or 1
        share, rest = divmod(self.users, processes)
        figures = {**self.scenario.figures, "churn": self.scenario.churn / processes}
        for index, each in enumerate(self._processes):
            each.order(users=share + (index < rest), formats=self.formats, figures=figures, acting=self.is_acting)

    def wait(self, timeout_s: float = 60, progress: Progress | None = None) -> None:
        """Wait until all are connected, telling how many are.

        Raises: ConnectionError where some were refused, TimeoutError, RuntimeError if a process ended.
        """

        def done() -> bool:
            if progress is not None:
                progress(self.counts.connected, self.users)
            # Nobody tries a first connection twice.
            refusals = self._refusals
            return self._is_complete or bool(refusals and self.counts.connected + refusals >= self.users)

        in_time = self._wait_for(done, timeout_s)
        if not self._is_complete:
            said = f"{self.counts.connected} of {self.users} clients connected"
            if not in_time:
                raise TimeoutError(f"{said} in {timeout_s:.0f} s")
            reason = next((each.refusal for each in self._processes if each.refusal), "")
            raise ConnectionError(f"{said}, {self._refusals} were refused: {reason}")

    @property
    def _is_complete(self) -> bool:
        return all(each.has_obeyed and each.counts.connected == each.users for each in self._processes)

    @property
    def _refusals(self) -> int:
        return self.counts.refused - self._refused

    def wait_received(self, count: int, timeout_s: float = 60) -> None:
        """Wait until so many messages have arrived since the beginning. Raises: TimeoutError, RuntimeError."""
        if not self._wait_for(lambda: self.counts.received >= count, timeout_s):
            raise TimeoutError(f"{count - self.counts.received} deliveries did not arrive in {timeout_s:.0f} s")

    def _wait_for(self, done: Callable[[], bool], timeout_s: float) -> bool:
        def has_ended() -> bool:
            return any(each.has_ended for each in self._processes)

        with self._changed:
            in_time = self._changed.wait_for(lambda: has_ended() or done(), timeout_s)
            if has_ended():
                raise RuntimeError("a process of simulated clients has ended")
            return in_time

    def take(self) -> tuple[Reports, Counts]:
        """What was seen since the last call, and what all clients had seen by then."""
        with self._changed:
            return [report for each in self._processes for report in each.take()], self.counts

    def stop(self) -> None:
        """Let the clients disconnect and their processes end; doing it twice does nothing."""
        for each in self._processes:
            each.close()
        for each in self._processes:
            each.wait()
        self._processes = []


class _ClientProcess:
    """One process of clients."""

    def __init__(self, arguments: list[str], scenario: bytes, changed: threading.Condition) -> None:
        # A session of its own, so that Ctrl-C in a notebook's terminal does not kill it; it ends when the pipe closes.
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "reznet_ws.lab.clients.simulated", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.popen.stdin is not None
        assert self.popen.stdout is not None
        self._stdin, self._stdout = self.popen.stdin, self.popen.stdout
        self._changed = changed
        self._arrivals = Arrivals()
        self._reports: list[Seen] = []
        self.users = self._ordered = self._obeyed = 0
        self.counts, self.refusal = Counts(), ""
        self.has_ended = False
        self._reader = threading.Thread(target=self._read, name="reznet-clients", daemon=True)
        self._reader.start()
        self._tell({"scenario": base64.b64encode(scenario).decode(), "path": sys.path})

    @property
    def has_obeyed(self) -> bool:
        return self._obeyed == self._ordered

    def order(self, *, users: int, **what: Any) -> None:
        self.users = users
        self._ordered += 1
        self._tell({"users": users, **what})

    def take(self) -> Reports:
        taken, self._reports = self._reports, []
        return [(seen, list(self._arrivals.of(seen))) for seen in taken]

    def close(self) -> None:
        self._stdin.close()

    def _tell(self, what: dict[str, Any]) -> None:
        self._stdin.write(json.dumps(what) + "\n")
        self._stdin.flush()

    def wait(self) -> None:
        try:
            self.popen.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        self._reader.join(STOP_TIMEOUT_S)
        self._stdout.close()

    def _read(self) -> None:
        for line in self._stdout:
            report = json.loads(line)
            with self._changed:
                self.counts, self.refusal = Counts(**report["counts"]), report["refusal"]
                self._obeyed = report["obeyed"]
                self._reports.append(Seen.unpacked(report["seen"]))
                self._changed.notify_all()
        with self._changed:
            self.has_ended = True
            self._changed.notify_all()


def _sum(counts: list[Counts]) -> Counts:
    return Counts(*(sum(values) for values in zip(*map(dataclasses.astuple, counts), strict=True)))
