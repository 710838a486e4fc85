"""One background thread that does what widgets ask for, and ticks in between.

In: commands from any thread, each under a key. Out: the commands run one after the other; of those that wait under the
same key only the newest runs, so that a dragged slider does not queue up.
Never: blocks who asks, loses a failure, keeps its thread when there is nothing to do.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

_log = logging.getLogger(__name__)

Command = Callable[[], None]


class Worker:
    """Runs commands, and `tick` every `interval_s` for as long as `is_ticking()`.

    The thread begins with the first command and ends when none waits and nothing ticks. `failed` is told of each
    exception, in that thread.
    """

    def __init__(
        self,
        name: str,
        *,
        tick: Command,
        is_ticking: Callable[[], bool],
        failed: Callable[[Exception], None],
        interval_s: float,
    ) -> None:
        self._name, self._interval_s = name, interval_s
        self._tick, self._is_ticking, self._failed = tick, is_ticking, failed
        self._changed = threading.Condition()
        self._commands: dict[str, Command] = {}
        self._failures: list[Exception] = []
        self._busy = self._closed = False
        self._thread: threading.Thread | None = None

    def submit(self, key: str, command: Command) -> None:
        """Run a command soon, in place of the one that waits under the same key; nothing happens once closed."""
        with self._changed:
            self._commands.pop(key, None)  # to the end of the queue: what was asked last is done last
            self._commands[key] = command
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def settle(self, timeout_s: float) -> None:
        """Wait until every command has run. Raises: what the first one raised that failed since the last call."""
        with self._changed:
            thread = self._thread
            if not self._changed.wait_for(self._is_idle, timeout_s):
                raise TimeoutError(f"{self._name} is still busy after {timeout_s:g} s")
            ends = self._thread is None
            failures, self._failures = self._failures, []
        if ends and thread is not None:
            thread.join(timeout_s)
        if failures:
            raise failures[0]

    def close(self, timeout_s: float = 10) -> None:
        """End the thread after the command that runs; doing it twice does nothing."""
        with self._changed:
            self._closed = True
            self._commands.clear()
            thread = self._thread
            self._changed.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)

    def _is_idle(self) -> bool:
        # Without anything to tick for, the thread is about to end; who settles wants it gone.
        return self._thread is None or not (self._commands or self._busy or not self._is_ticking())

    def _run(self) -> None:
        next_s = time.monotonic()
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                if not self._commands and self._is_ticking():
                    self._changed.wait_for(lambda: self._commands or self._closed, next_s - time.monotonic())
                if self._closed or not (self._commands or self._is_ticking()):
                    self._thread = None
                    self._changed.notify_all()
                    return
                command = self._commands.pop(next(iter(self._commands))) if self._commands else None
                self._busy = command is not None
            if command is not None:
                self._attempt(command, keep=True)
            if (now_s := time.monotonic()) >= next_s and self._is_ticking():
                self._attempt(self._tick, keep=False)
                next_s = max(next_s + self._interval_s, now_s)

    def _attempt(self, command: Command, *, keep: bool) -> None:
        try:
            command()
        except Exception as error:
            _log.exception("%s: a command failed", self._name)
            if keep:
                with self._changed:
                    self._failures.append(error)
            self._failed(error)
