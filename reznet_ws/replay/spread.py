"""What repeated measurements say together: percentiles, medians with their spread, and what a ratio proves.

In: numbers. Out: numbers, and a verdict in words.
Never: calls a difference real that the spread could have made.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


def percentile(values: Iterable[float], percent: float) -> float:
    """The least value that `percent` of them do not exceed (nearest rank). Raises: ValueError where there is none."""
    ordered = sorted(values)
    if not ordered or not 0 <= percent <= 100:
        raise ValueError(f"no {percent!r}th percentile of {len(ordered)} values")
    return ordered[max(0, math.ceil(percent * len(ordered) / 100) - 1)]


@dataclass(frozen=True, slots=True)
class Spread:
    """A median of several runs, between the least and the most."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of one or more values."""
        return cls(min(values), statistics.median(values), max(values))

    @property
    def verdict(self) -> str:
        """What the spread of a ratio allows to say."""
        if self.low <= 1 <= self.high:
            return "within the noise"
        return "less" if self.high < 1 else "more"

    def __format__(self, spec: str) -> str:
        return f"{self.median:{spec}} ({self.low:{spec}}–{self.high:{spec}})"
