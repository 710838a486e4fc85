"""Compressors kept in step with histories in frequent use, within a budget for the process.

In: histories as they move on. Out: whether a compressor for one of them may be kept; those least recently used go.
Never: takes more than the budget, or gives one up for a history that is used less often.
"""

from __future__ import annotations

from reznet_ws.deflate.compressor import Compressor
from reznet_ws.deflate.history import History

# A history that did not move on while the server sent so many messages needs none.
_IDLE_AFTER_MESSAGES = 1024


class KeptCompressors:
    """`memory_bytes`: what all of them take. Source: zlib's zconf.h."""

    def __init__(self) -> None:
        # When each was last looked at. One that has been used since then goes to the end once it is the first.
        self._histories: dict[History, int] = {}
        self.memory_bytes = 0
        self._budget_bytes = 0

    def __len__(self) -> int:
        return len(self._histories)

    def admits(self, history: History, memory_bytes: int) -> bool:
        """Whether a compressor of this size has a place, or takes that of one used less recently than this history."""
        if self.memory_bytes + memory_bytes <= self._budget_bytes:
            return True
        if memory_bytes > self._budget_bytes:
            return False
        return self._least_recently_used().used < history.used

    def keep(self, history: History, compressor: Compressor) -> None:
        """Keep one that was admitted."""
        self.drop(history)
        while self._histories and self.memory_bytes + compressor.memory_bytes > self._budget_bytes:
            self.drop(self._least_recently_used())
        history.compressor = compressor
        self._histories[history] = history.used
        self.memory_bytes += compressor.memory_bytes

    def drop(self, history: History) -> None:
        """It is out of step, or not needed; also where there is none."""
        if history.compressor is not None:
            self.memory_bytes -= history.compressor.memory_bytes
            history.compressor = None
            del self._histories[history]

    def hand_over(self, history: History, fork: History) -> None:
        """What was in step with a history goes on with most of its members."""
        fork.compressor, history.compressor = history.compressor, None
        if self._histories.pop(history, None) is not None:
            self._histories[fork] = fork.used

    def trim(self, now: int, budget_bytes: int) -> None:
        """At the server's `now`-th message: give up what is idle, and what a smaller budget has no place for."""
        self._budget_bytes = budget_bytes
        while self.memory_bytes > budget_bytes:
            self.drop(self._least_recently_used())
        while self._histories and (oldest := self._least_recently_used()).used < now - _IDLE_AFTER_MESSAGES:
            self.drop(oldest)

    def _least_recently_used(self) -> History:
        while True:
            history, seen = next(iter(self._histories.items()))
            if history.used == seen:
                return history
            del self._histories[history]
            self._histories[history] = history.used
