"""How one choice is taken from many: bytes first, then CPU, then memory, and no change without a reason.

In: rows. Out: one of them. Never: decides by a difference that measuring again could turn round.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reznet_ws.audit.examine.replayed import ReplayRow

NEAR_BYTES = 0.02
# Medians of a few rounds, on a machine that does other things too, differ by as much from run to run.
NEAR_CPU = 0.15
NEAR_MEMORY = 0.25
# One window for all divides CPU time and memory by those who share it; coming and going costs it bytes.
NEAR_SHARED = 0.10
# Batching must save as many frames: each costs a write, and in stock python-socketio a task and a queue's item as well.
LEAST_FRAMES_SAVED = 0.2
NEAR_FRAMES = 0.10
# Half of the requirement that a message be there within 100 ms, 95 times in 100; the rest is for the way.
MOST_DELAY_P95_MS = 50.0

RULE = (
    f"Of all choices within {NEAR_BYTES:.0%} of the fewest bytes those within {NEAR_CPU:.0%} of the least CPU (or "
    "within what the rounds of a measurement differ by, where that is more), of "
    f"these those within {NEAR_MEMORY:.0%} of the least memory, of these the one that changes least of the defaults. "
    f"Abbreviation and gzip, which clients must decode, only where each takes off {NEAR_BYTES:.0%} of the fewest "
    f"bytes without it; utf8 unless it costs as much. One window for all unless it costs {NEAR_SHARED:.0%} more bytes. "
    f"Batching only where it saves {LEAST_FRAMES_SAVED:.0%} of the frames, costs no bytes, and lets 95 % of the "
    f"messages wait no longer than {MOST_DELAY_P95_MS:.0f} ms; of several within {NEAR_FRAMES:.0%} of the fewest "
    "frames that with the least delay."
)


def choose(rows: Sequence[ReplayRow]) -> ReplayRow:
    """The choice among rows without batching. Raises: ValueError where there is none."""
    allowed = [row for row in rows if _is_allowed(row, rows)]
    near = _near(allowed, lambda row: row.wire_bytes, NEAR_BYTES)
    quickest = min(near, key=lambda row: (row.shared_cpu_us, row.label))
    near = [row for row in near if row.shared_cpu_us <= quickest.shared_cpu_us * (1 + cpu_noise(row, quickest))]
    near = _near(near, lambda row: row.shared_memory_bytes, NEAR_MEMORY)
    return min(near, key=lambda row: (len(row.changes), row.wire_bytes, row.label))


def cpu_noise(*rows: ReplayRow) -> float:
    """How far the CPU times of these rows may differ without that meaning anything, as a share."""
    return max(NEAR_CPU, *(row.cpu_spread for row in rows))


def choose_batching(unbatched: ReplayRow, rows: Sequence[ReplayRow]) -> ReplayRow | None:
    """The batching that is worth its delay, None where none is."""
    worth = [
        row
        for row in rows
        if "batch" in row.layers
        and row.frames <= unbatched.frames * (1 - LEAST_FRAMES_SAVED)
        and row.wire_bytes <= unbatched.wire_bytes
        and row.delay_p95_ms is not None
        and row.delay_p95_ms <= MOST_DELAY_P95_MS
    ]
    if not worth:
        return None
    near = _near(worth, lambda row: row.frames, NEAR_FRAMES)
    return min(near, key=lambda row: (row.delay_p95_ms, row.delay_p50_ms, len(row.changes), row.wire_bytes, row.label))


def _near(rows: Sequence[ReplayRow], cost: Callable[[ReplayRow], float], tolerance: float) -> list[ReplayRow]:
    least = min(map(cost, rows))
    return [row for row in rows if cost(row) <= least * (1 + tolerance)]


def _is_allowed(row: ReplayRow, rows: Sequence[ReplayRow]) -> bool:
    return _pays(row, "abbreviate", rows) and _pays(row, "gzip", rows) and _keeps_utf8(row, rows)


def _pays(row: ReplayRow, layer: str, rows: Sequence[ReplayRow]) -> bool:
    """Whether a layer takes off enough, against the best of those without it, if there are any."""
    if layer not in row.layers:
        return True
    without = [other.wire_bytes for other in rows if layer not in other.layers]
    return not without or row.wire_bytes <= min(without) * (1 - NEAR_BYTES)


def _keeps_utf8(row: ReplayRow, rows: Sequence[ReplayRow]) -> bool:
    """Or leaves it out for a reason: every client reads it, and what it costs of the CPU is noise on most traffic."""
    if "utf8" in row.layers:
        return True
    same = [other.wire_bytes for other in rows if {*other.layers} == {*row.layers, "utf8"}]
    return not same or row.wire_bytes <= min(same) * (1 - NEAR_BYTES)
