"""What a comparison of settings found: each run, medians with their spread, ratios to the first.

In: interleaved runs. Out: text, records, JSON, a DataFrame, verdicts.
Never: measures. Never: calls a difference real that the spread could have made.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from reznet_ws.draw.tables import align
from reznet_ws.lab.comparison import Figure, LoadRun, compare, spread
from reznet_ws.replay.spread import Spread

FIGURES: Mapping[str, Figure] = {
    "bytes_per_delivery": lambda run: run.bytes_per_delivery,
    "p50_ms": lambda run: run.measured.p50_ms or 0.0,
    "p95_ms": lambda run: run.measured.p95_ms or 0.0,
    "cpu_us_per_delivery": lambda run: run.measured.cpu_us_per_delivery or 0.0,
}


@dataclass(frozen=True)
class Compared:
    """Runs of some variants; the first variant is what the others are compared with. Shows itself as a table."""

    names: tuple[str, ...]
    runs: tuple[LoadRun, ...]

    def spread(self, name: str, figure: str = "bytes_per_delivery") -> Spread:
        """One figure of a variant over its runs: `bytes_per_delivery`, `p50_ms`, `p95_ms`, `cpu_us_per_delivery`."""
        return spread(self.runs, FIGURES[figure], name)

    def ratio(self, name: str, figure: str = "bytes_per_delivery") -> Spread:
        """The same as a ratio to the first variant's of the same round."""
        return compare(self.runs, FIGURES[figure], name, self.names[0])

    def records(self) -> list[dict[str, Any]]:
        """A row for each run, in the order in which they ran; units are in the names."""
        rounds = dict.fromkeys(self.names, 0)
        rows = []
        for run in self.runs:
            rounds[run.preset] += 1
            measured = run.measured
            rows.append(
                {
                    "variant": run.preset,
                    "round": rounds[run.preset],
                    "deliveries": measured.deliveries,
                    "wire_bytes": measured.wire_bytes,
                    "off_bytes": measured.off_bytes,
                    **{name: figure(run) for name, figure in FIGURES.items()},
                    "wrong_deliveries": measured.counts.wrong,
                    "dropped_connections": measured.counts.drops,
                }
            )
        return rows

    def to_json(self) -> str:
        """The records, and each variant's medians with their spread, as JSON."""
        summary = {
            name: {figure: dataclasses.asdict(self.spread(name, figure)) for figure in FIGURES} for name in self.names
        }
        return json.dumps({"runs": self.records(), "summary": summary}, indent=2)

    def to_dataframe(self) -> Any:
        """The records as a pandas DataFrame. Raises: ModuleNotFoundError without pandas."""
        return import_module("pandas").DataFrame.from_records(self.records())

    def assert_fewer_bytes(self, percent: float, name: str | None = None) -> None:
        """A variant (by default the last) sends so many percent fewer bytes a delivery than the first, in every round.

        Raises: AssertionError that says what was measured.
        """
        name = name or self.names[-1]
        ratio = self.ratio(name)
        if 100 * (1 - ratio.high) < percent:
            raise AssertionError(
                f"{name} sends {100 * (1 - ratio.high):.1f} to {100 * (1 - ratio.low):.1f} % fewer bytes a delivery "
                f"than {self.names[0]}, {percent:g} % claimed\n{self}"
            )

    def __str__(self) -> str:
        rows = [["variant", *(name.replace("_", " ") for name in FIGURES), f"bytes to {self.names[0]}"]]
        for name in self.names:
            ratio = self.ratio(name)
            verdict = "" if name == self.names[0] else f"{ratio:.2f} {ratio.verdict}"
            rows.append([name, *(f"{self.spread(name, figure):.1f}" for figure in FIGURES), verdict])
        users, rounds = self.runs[0].measured.users, len(self.runs) // len(self.names)
        head = f"{users} users, {rounds} interleaved rounds; median (least–most)"
        return f"{head}\n{align(rows, right=False)}"

    __repr__ = __str__
