"""README's tables, from the results file, so that no figure in it is typed in.

In: results.json, README.md. Out: README.md with its tables renewed.
Never: touches what is not between a table's marks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.contestants import BASELINE, CANDIDATE, FLOOR
from benchmarks.figures import CellKey, Figure, cells_of, cpu_us, memory_kb, ratio, spread, wire_bytes
from benchmarks.plan import MANY_CLIENTS
from benchmarks.results_report import markdown_table
from benchmarks.rounds import Trial
from reznet_ws.demo.topologies import ONE_ROOM, TOPOLOGIES

_SERVERS = {
    BASELINE: "python-socketio on uvicorn",
    "uvicorn 15": "the same, 15 bits for each connection",
    "uvicorn off": "the same, permessage-deflate off",
    "node": "Node's socket.io on `ws`, permessage-deflate on",
    "node uws": "Node's socket.io on uWebSockets",
    CANDIDATE: "**python-socketio with reznet_ws**",
    FLOOR: "floor: one prebuilt frame to raw sockets",
}
_FIGURES: dict[str, Figure] = {
    "bytes": wire_bytes("steady"),
    "first 20 messages, bytes": wire_bytes("opening"),
    "clients replaced, bytes": wire_bytes("churn"),
    "CPU": cpu_us("steady"),
    "memory": memory_kb,
}
_CHAT = "chat"


class ReadmeError(ValueError):
    """README lacks the marks of a table."""


def renew(results: Path, readme: Path) -> None:
    """Write the tables. Raises: ReadmeError, OSError."""
    text = renewed(read_trials(results), read_note(results), readme.read_text(encoding="utf-8"))
    readme.write_text(text, encoding="utf-8")


def read_trials(results: Path) -> list[Trial]:
    """What was measured. Raises: OSError."""
    return [Trial(**trial) for trial in json.loads(results.read_text(encoding="utf-8"))["trials"]]


def read_note(results: Path) -> str:
    """How it was measured. Raises: OSError."""
    record = json.loads(results.read_text(encoding="utf-8"))
    rounds, note = record["plan"]["rounds"], record["machine"].get("note")
    said = "One round" if rounds == 1 else f"Medians of {rounds} interleaved rounds"
    return f"{said}, {note}." if note else f"{said}."


def renewed(trials: Sequence[Trial], note: str, text: str) -> str:
    """README with the tables that the trials give, and the note below each. Raises: ReadmeError."""
    for name, rows in (("topologies", topology_rows(trials)), ("servers", server_rows(trials))):
        start, end = f"<!-- {name}: written by python -m benchmarks readme -->\n", f"<!-- end of {name} -->"
        before, found, rest = text.partition(start)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise ReadmeError(f"README.md has no {start.strip()} … {end}")
        text = "".join(
            [before, start, "\n", *(f"{line}\n" for line in markdown_table(rows)), f"\n{note}\n\n", end, after]
        )
    return text


def topology_rows(trials: Sequence[Trial]) -> list[list[str]]:
    """Ours as a share of stock's, in each topology, and the worst with other traffic; the least gain in bytes first."""
    found = [
        (measured.median, cell)
        for cell in cells_of(trials)
        if TOPOLOGIES[cell[0]].clients == cell[2] and (measured := ratio(trials, _FIGURES["bytes"], cell)) is not None
    ]
    others = [one for one in found if one[1][1] != _CHAT]
    worst = max(others, default=None)
    rows = [["who is sent what", *_FIGURES]]
    for _, cell in sorted((one for one in found if one not in others or one == worst), reverse=True):
        ratios = [ratio(trials, figure, cell) for figure in _FIGURES.values()]
        rows.append([_who(cell), *("–" if one is None else f"{one.median:.2f}" for one in ratios)])
    return rows


def server_rows(trials: Sequence[Trial]) -> list[list[str]]:
    """One room of many clients: each server's own figures."""
    cell = (ONE_ROOM.name, _CHAT, MANY_CLIENTS)
    columns: dict[str, tuple[Figure, str]] = {
        "bytes per delivery": (wire_bytes("steady"), "{:.0f}"),
        "CPU per delivery": (cpu_us("steady"), "{:.1f} µs"),
        "at full load": (cpu_us("full"), "{:.1f} µs"),
        "KB per connection": (memory_kb, "{:.0f}"),
    }
    rows = [["server", *columns]]
    for name, title in _SERVERS.items():
        values = [(spread(trials, figure, cell, name), form) for figure, form in columns.values()]
        if any(value is not None for value, _ in values):
            rows.append([title, *("–" if value is None else form.format(value.median) for value, form in values)])
    return rows


def _who(cell: CellKey) -> str:
    name, traffic, clients = cell
    about = f"{TOPOLOGIES[name].about}: {clients} clients"
    return about if traffic == _CHAT else f"{about}, {traffic} messages"
