"""The parent's side of the crowd: start it, size it, gather what it saw.

In: a server's address and a number of users. Out: counts, and arrivals as (seq, monotonic seconds).
Never: runs a client in this process, where it would share the interpreter with the server.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
from array import array
from collections.abc import Callable
from typing import Any

from reznet_ws.lab.crowd import Counts

STOP_TIMEOUT_S = 10

Arrivals = list[tuple[int, float]]


class Fleet:
    """A crowd of simulated clients in another process.

    `stock_share` of them are stock clients (format 1); `deflate=False` gives clients that do not offer
    permessage-deflate.
    """

    def __init__(self, url: str, *, stock_share: float = 0.0, deflate: bool = True, token: str | None = None) -> None:
        if not 0 <= stock_share <= 1:
            raise ValueError(f"stock_share is {stock_share!r}; it must be from 0 to 1")
        command = [sys.executable, "-m", "reznet_ws.lab.crowd", url, f"--stock-share={stock_share}"]
        command += ["--no-deflate"] * (not deflate) + ([f"--token={token}"] if token else [])
        # A session of its own, so that Ctrl-C in a notebook's terminal does not kill it; it ends when the pipe closes.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self.users = 0
        self._lock = threading.Condition()
        self._counts = Counts()
        self._arrivals: Arrivals = []
        self._reader = threading.Thread(target=self._read, name="reznet-fleet", daemon=True)
        self._reader.start()

    @property
    def counts(self) -> Counts:
        """What all clients saw so far, at most 0.2 s old."""
        with self._lock:
            return self._counts

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process.poll() is None

    def resize(self, users: int) -> None:
        """Ask for a number of clients; returns at once, `wait` waits."""
        if users < 0:
            raise ValueError(f"users is {users!r}; it must be at least 0")
        self.users = users
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(json.dumps({"users": users}) + "\n")
        stdin.flush()

    def wait(self, timeout_s: float = 60, progress: Callable[[int, int], None] | None = None) -> None:
        """Wait until all are connected, telling how many are. Raises: TimeoutError, RuntimeError if they ended."""
        with self._lock:

            def done() -> bool:
                if progress is not None:
                    progress(self._counts.connected, self.users)
                return self._counts.connected == self.users or not self._reader.is_alive()

            if not self._lock.wait_for(done, timeout_s):
                raise TimeoutError(f"{self._counts.connected} of {self.users} clients connected in {timeout_s:.0f} s")
            if self._counts.connected != self.users:
                raise RuntimeError(f"the clients' process ended with status {self._process.wait()}")

    def take_arrivals(self) -> Arrivals:
        """What arrived since the last call: the message's number, and when, on the monotonic clock."""
        with self._lock:
            taken, self._arrivals = self._arrivals, []
            return taken

    def stop(self) -> None:
        """Let the clients disconnect and their process end; doing it twice does nothing."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._reader.join(STOP_TIMEOUT_S)
            assert self._process.stdout is not None
            self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            report = json.loads(line)
            arrivals = list(zip(_unpack("I", report.pop("seqs")), _unpack("d", report.pop("times_s")), strict=True))
            with self._lock:
                self._counts = Counts(**report)
                self._arrivals += arrivals
                self._lock.notify_all()
        with self._lock:
            self._lock.notify_all()


def _unpack(kind: str, text: str) -> Any:
    return array(kind, base64.b64decode(text))
