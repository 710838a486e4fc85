"""What is measured: which topologies, with how many clients, in which phases, and how much of each.

In: figures. Out: the parts of a script that a driver has played.
Never: starts anything.

A trial's phases:
- `opening`: the first messages that each client ever gets, so many as the promise "never worse" counts.
- filling: until the largest window is full. Memory is read after it.
- `steady`: at a rate; latencies are those of this phase.
- `churn`: as many clients replaced a second, the oldest first, as `churn_share` says. It counts messages for time,
  `per_client_s` of them being a second, so that every server is sent the same to the same clients; and it is measured
  once it has gone on for as long as it is measured, or newcomers would be rarer than they come to be.
- `full`: as quickly as all follow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.contestants import MAIN, PAIR, WIDE
from reznet_ws.demo.topologies import ONE_ROOM, TOPOLOGIES

PHASES = ("opening", "steady", "churn", "full")
# Messages to each client. 80 more are 30 KB of the lab's traffic, with the first most of the largest window.
OPENING_MESSAGES, FILLING_MESSAGES = 20, 80
# Fewer would be no sample of their bytes; the phase takes as long as they take.
_LEAST_MESSAGES = 20
# At full load all servers go round and round through as many, or a quick one would be given others than a slow one.
LAP_MESSAGES = 100


@dataclass(frozen=True, slots=True)
class ScriptPart:
    """What is played at once. `kind`: `step` is as quick as all follow, hardly ahead of them, `rate` at a rate, `full`
    at full load for `seconds`. `replaced`: clients, spread evenly over it. Unmeasured where `name` is empty.
    """

    name: str
    kind: str
    first: int
    count: int
    rate_per_s: float = 0
    replaced: int = 0
    seconds: float = 0


@dataclass(frozen=True, slots=True)
class Cell:
    """One topology with so many clients and one kind of traffic. `is_once`: in the first round only."""

    topology: str
    clients: int
    servers: tuple[str, ...]
    traffic: str = "chat"
    phases: tuple[str, ...] = ("opening", "steady", "churn")
    is_once: bool = False


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The rate is `per_client_s` messages a second to each client, or less where all together would get more than
    `most_deliveries_per_s`: all servers are to keep up.
    """

    cells: tuple[Cell, ...]
    rounds: int = 3
    seconds: float = 3.0
    churn_seconds: float = 3.0
    per_client_s: float = 20.0
    most_deliveries_per_s: float = 5000.0
    churn_share: float = 0.01

    def cells_of_round(self, number: int) -> tuple[Cell, ...]:
        """What is measured in a round, counted from 0."""
        return tuple(cell for cell in self.cells if number == 0 or not cell.is_once)

    def deliveries_per_s(self, clients: int) -> float:
        """To all clients together."""
        return min(self.per_client_s * clients, self.most_deliveries_per_s)

    def deliveries(self, cell: Cell) -> int:
        """How many a script for a cell has at least."""
        return sum(deliveries for _, deliveries, _ in self._amounts(cell))

    def parts(self, cell: Cell, reached: Sequence[int]) -> tuple[tuple[ScriptPart, ...], int]:
        """A script by parts, of which all are measured that have a name, and after which of them memory is read.

        `reached`: how many clients each emission reaches.
        """
        parts: list[ScriptPart] = []
        first = memory_after = 0
        for number, (name, deliveries, replaced) in enumerate(self._amounts(cell)):
            end, due = first, 0
            while due < deliveries and end < len(reached):
                due += reached[end]
                end += 1
            count = end - first
            kind = name if name == "full" else "rate" if name in ("steady", "churn") else "step"
            rate_per_s = count / due * self.deliveries_per_s(cell.clients) if kind == "rate" and due else 0
            parts.append(ScriptPart(name, kind, first, count, rate_per_s, replaced, self.seconds))
            first = end
            if number == 1:
                memory_after = number
        return tuple(parts), memory_after

    def _amounts(self, cell: Cell) -> Iterator[tuple[str, int, int]]:
        """The parts: name, deliveries, how many clients are replaced."""
        clients = cell.clients
        yield "opening" if "opening" in cell.phases else "", OPENING_MESSAGES * clients, 0
        yield "", FILLING_MESSAGES * clients, 0
        if "steady" in cell.phases:
            steady = self.deliveries_per_s(clients) * self.seconds
            yield "steady", max(round(steady), _LEAST_MESSAGES * clients), 0
        if "churn" in cell.phases:
            replaced = max(1, round(self.churn_share * clients * self.churn_seconds))
            deliveries = round(replaced * self.per_client_s / self.churn_share)
            yield "", deliveries, replaced
            yield "churn", deliveries, replaced
        if "full" in cell.phases:
            yield "full", LAP_MESSAGES * clients, 0


_WITHOUT_CHURN = ("opening", "steady")
MANY_CLIENTS = 1000


def everyday_cells() -> tuple[Cell, ...]:
    """Stock and ours in every topology, and with small messages where they have been the worst."""
    chat = [Cell(name, one.clients, PAIR) for name, one in TOPOLOGIES.items()]
    worst = ("private", "but the sender", "topics")
    small = [Cell(name, TOPOLOGIES[name].clients, PAIR, "small", _WITHOUT_CHURN) for name in worst]
    return (*chat, *small)


def release_cells() -> tuple[Cell, ...]:
    """The main servers in every topology, all of them in one room as it grows, and many clients for memory."""
    cells = [Cell(name, one.clients, WIDE if one is ONE_ROOM else MAIN) for name, one in TOPOLOGIES.items()]
    cells += [Cell(name, one.clients, PAIR, "small", _WITHOUT_CHURN) for name, one in TOPOLOGIES.items()]
    cells += [Cell(ONE_ROOM.name, clients, WIDE, phases=PHASES) for clients in (300, MANY_CLIENTS)]
    others = [name for name in TOPOLOGIES if name != ONE_ROOM.name]
    cells += [Cell(name, MANY_CLIENTS, PAIR, phases=("opening",), is_once=True) for name in others]
    return tuple(cells)
