"""A line in the log for each large payload.

In: an event's name and sizes. Out: a line of the logger `reznet_ws`, from a thread.
Never: holds up the event loop: a handler may write to a disk.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

logger = logging.getLogger("reznet_ws")


class PayloadLog:
    """The thread, once there is something to say."""

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None

    def add(self, event: str, plain_bytes: int, sent_bytes: int) -> None:
        """One payload."""
        if logger.isEnabledFor(logging.INFO):
            percent = 100 * (1 - sent_bytes / plain_bytes)
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, "reznet-log")
            name = event if event.isprintable() else ascii(event)  # a line break would begin a line of its own
            line = "Payload %s: %dB -> %dB (%.1f%% reduction)"
            self._thread.submit(logger.info, line, name, plain_bytes, sent_bytes, percent)

    def close(self) -> None:
        """Say what is left, and end the thread."""
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None
