"""Simulated clients as their parent sees them: start their processes, size them, gather what they saw.

In: a server's address and a number of users. Out: counts, and arrivals as (seq, monotonic seconds).
Never: runs a client in this process, where it would share the interpreter with the server.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import subprocess
import sys
import threading
from array import array
from collections.abc import Callable
from typing import Any

from reznet_ws.lab.clients.simulated import Counts

STOP_TIMEOUT_S = 10
# A Python client takes about 0.1 ms a message; at 20 messages a second a core holds several times as many.
USERS_PER_PROCESS = 150

Arrivals = list[tuple[int, float]]
Progress = Callable[[int, int], None]


class Fleet:
    """Simulated clients in as many other processes as they need.

    `stock_share` of them are stock clients (format 1); `deflate=False` gives clients that do not offer
    permessage-deflate.
    """

    def __init__(self, url: str, *, stock_share: float = 0.0, deflate: bool = True, token: str | None = None) -> None:
        if not 0 <= stock_share <= 1:
            raise ValueError(f"stock_share is {stock_share!r}; it must be from 0 to 1")
        self._arguments = [url, f"--stock-share={stock_share}"]
        self._arguments += ["--no-deflate"] * (not deflate) + ([f"--token={token}"] if token else [])
        self._changed = threading.Condition()  # reentrant
        self._processes: list[_ClientProcess] = []
        self.users = 0

    @property
    def counts(self) -> Counts:
        """What all clients saw so far, at most 0.2 s old."""
        with self._changed:
            return _sum([each.counts for each in self._processes])

    @property
    def process_ids(self) -> list[int]:
        """The processes that run."""
        return [each.popen.pid for each in self._processes if each.popen.poll() is None]

    def resize(self, users: int) -> None:
        """Ask for a number of clients; returns at once, `wait` waits. Raises: ValueError."""
        if users < 0:
            raise ValueError(f"users is {users!r}; it must be at least 0")
        self.users = users
        while len(self._processes) * USERS_PER_PROCESS < users:
            self._processes.append(_ClientProcess(self._arguments, self._changed))
        # Evenly, so that no process is busier than the others.
        share, rest = divmod(users, len(self._processes) or 1)
        for index, each in enumerate(self._processes):
            each.resize(share + (index < rest))

    def wait(self, timeout_s: float = 60, progress: Progress | None = None) -> None:
        """Wait until all are connected, telling how many are. Raises: TimeoutError, RuntimeError if a process ended."""

        def done() -> bool:
            if progress is not None:
                progress(self.counts.connected, self.users)
            return all(each.counts.connected == each.users for each in self._processes)

        if not self._wait_for(done, timeout_s):
            raise TimeoutError(f"{self.counts.connected} of {self.users} clients connected in {timeout_s:.0f} s")

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

    def take_arrivals(self) -> Arrivals:
        """What arrived since the last call: the message's number, and when, on the monotonic clock."""
        with self._changed:
            return [arrival for each in self._processes for arrival in each.take_arrivals()]

    def stop(self) -> None:
        """Let the clients disconnect and their processes end; doing it twice does nothing."""
        for each in self._processes:
            each.close()
        for each in self._processes:
            each.wait()
        self._processes = []


class _ClientProcess:
    """One process of clients."""

    def __init__(self, arguments: list[str], changed: threading.Condition) -> None:
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
        self._arrivals: Arrivals = []
        self.users = 0
        self.counts = Counts()
        self.has_ended = False
        self._reader = threading.Thread(target=self._read, name="reznet-clients", daemon=True)
        self._reader.start()

    def resize(self, users: int) -> None:
        self.users = users
        self._stdin.write(json.dumps({"users": users}) + "\n")
        self._stdin.flush()

    def take_arrivals(self) -> Arrivals:
        taken, self._arrivals = self._arrivals, []
        return taken

    def close(self) -> None:
        self._stdin.close()

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
            seqs, times_s = (_unpack(kind, report.pop(name)) for kind, name in (("I", "seqs"), ("d", "times_s")))
            with self._changed:
                self.counts = Counts(**report)
                self._arrivals += zip(seqs, times_s, strict=True)
                self._changed.notify_all()
        with self._changed:
            self.has_ended = True
            self._changed.notify_all()


def _unpack(kind: str, text: str) -> Any:
    return array(kind, base64.b64decode(text))


def _sum(counts: list[Counts]) -> Counts:
    return Counts(*(sum(values) for values in zip(*map(dataclasses.astuple, counts), strict=True)))
