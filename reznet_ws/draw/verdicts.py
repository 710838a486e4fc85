"""Claims held against what was counted.

In: a claim, a figure. Out: a verdict, and a table of them.
Never: measures.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reznet_ws.draw.tables import Table, say


@dataclass(frozen=True, slots=True)
class ClaimVerdict:
    """A claim, and what was counted."""

    claim: str
    claimed: str
    measured: str
    holds: str

    @property
    def is_met(self) -> bool:
        """Whether what was counted lies within what was claimed, or is better."""
        return not self.holds.startswith("no")


def judge(
    claim: str, measured: float, at_least: float, at_most: float | None = None, *, unit: str = "%", digits: int = 1
) -> ClaimVerdict:
    """Hold a claimed saving against the one that was counted; to save more than was claimed is no fault."""
    claimed = f"{at_least:g}–{at_most:g} {unit}" if at_most is not None else f"{at_least:g} {unit}"
    rounded = round(measured, digits)
    holds = "no: less" if rounded < at_least else "yes"
    if at_most is not None and rounded > at_most:
        holds = "more than that"
    return ClaimVerdict(claim, claimed, f"{say(measured, digits)} {unit}", holds)


def show_verdicts(verdicts: Iterable[ClaimVerdict]) -> Table:
    """What is claimed, what was counted, and whether it holds."""
    rows = [[item.claim, item.claimed, item.measured, item.holds] for item in verdicts]
    return Table(["the claim", "claimed", "measured", "holds?"], rows, right=False)
