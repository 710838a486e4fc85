"""The whole audit: what a capture holds, what each layer would make of it, and what to turn on.

In: the items that `reading.read` yields. Out: `Findings`.
Never: opens a socket, or holds the capture in memory: one pass writes every message to a temporary file, from which
each connection is replayed by itself (`spool.py`).
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reznet_ws.audit.examine.advice import advise, decide, make_choice, reconsider, save, settle_window, shortlist
from reznet_ws.audit.examine.alternatives import compare
from reznet_ws.audit.examine.departures import Count, key_of, replay
from reznet_ws.audit.examine.fieldmap import propose
from reznet_ws.audit.examine.findings import Findings, Reach, Sample
from reznet_ws.audit.examine.formats import count_superseded, try_formats
from reznet_ws.audit.examine.handshake import find_today
from reznet_ws.audit.examine.intake import Intake
from reznet_ws.audit.examine.names import Names
from reznet_ws.audit.examine.repeats import find_repeats
from reznet_ws.audit.examine.replayed import (
    Advice,
    Alternative,
    Choice,
    EventCost,
    FieldMap,
    Floor,
    FormatRow,
    ReplayRow,
    SharedWindow,
    Superseded,
    Today,
)
from reznet_ws.audit.examine.sent import AS_IT_IS, GRANTED_BY_UVICORN, WHOLE_WINDOW, compress_sent
from reznet_ws.audit.examine.shared import share_window
from reznet_ws.audit.examine.strongest import compress_whole
from reznet_ws.audit.examine.sweep import Searched, make_row, search
from reznet_ws.audit.examine.trial import SampleTrial, take_sample
from reznet_ws.audit.read.capture import Direction, Item
from reznet_ws.audit.read.spool import Spool
from reznet_ws.settings import Settings

Tell = Callable[[str, int, int | None], None]
_SALT_BYTES = 16
_LEFT_AS_IT_IS = ("off", "stock")


def examine(
    items: Iterable[Item],
    *,
    users: int | None = None,
    price_per_gb: float | None = None,
    anonymous: bool = False,
    progress: Tell = lambda stage, done, of: None,
    clock: Callable[[], float] = time.thread_time,
) -> Findings:
    """Audit a capture.

    `users`: how many connections get what one connection in the capture gets; `anonymous`: names are shown as hashes.
    `progress(stage, done, of)`; `of` is None where it is not known. `clock`: seconds of CPU.
    Raises: ValueError for figures that cannot be.
    """
    if users is not None and users < 1:
        raise ValueError(f"users is {users}; it must be at least 1")
    if price_per_gb is not None and not 0 <= price_per_gb < float("inf"):
        raise ValueError(f"price_per_gb is {price_per_gb}; it must be at least 0")
    began_s = clock()
    names = Names(os.urandom(_SALT_BYTES) if anonymous else None)
    with Spool() as spool:
        intake = Intake(spool, names)
        for done, item in enumerate(items, 1):
            intake.take(item)
            progress("read", done, None)
        intake.close()
        examined = _examine(spool, intake, users, price_per_gb, progress, clock)
        progress("clients", 0, None)
        sent, sent_by_event = compress_sent(spool)
        progress("repeats", 0, None)
        repeats = find_repeats(spool.read_all(Direction.RECEIVED), names)
        events = [*_costs(examined.counts, intake), *_sent_costs(sent_by_event, intake)]
        searched = examined.search
        return Findings(
            totals=intake.totals(),
            connections=intake.census.counts(names),
            problems=tuple(intake.problems),
            is_anonymous=anonymous,
            sample=examined.sample,
            audience=examined.audience,
            whole=examined.whole,
            subsets=searched.subsets if searched else (),
            sweeps=searched.sweeps if searched else (),
            front=searched.front if searched else (),
            shares=searched.shares if searched else (),
            events=tuple(sorted(events, key=lambda cost: (-cost.off_bytes, cost.direction, cost.event))),
            sent=sent,
            repeats=repeats,
            floor=examined.floor,
            field_map=examined.field_map,
            alternatives=examined.alternatives,
            verdict=examined.verdict,
            cpu_s=clock() - began_s,
            shared=examined.shared,
            assumptions=tuple(intake.assumptions),
            obstacle=intake.obstacle,
            today=examined.today,
            formats=examined.formats,
            superseded=examined.superseded,
        )


@dataclass(slots=True)
class _Examined:
    """What only messages from the server over WebSocket can give."""

    sample: Sample
    audience: Reach
    search: Searched | None = None
    whole: tuple[ReplayRow, ...] = ()
    counts: Mapping[str, Count] = field(default_factory=dict)
    floor: Floor | None = None
    field_map: FieldMap | None = None
    alternatives: tuple[Alternative, ...] = ()
    verdict: Advice | None = None
    shared: SharedWindow | None = None
    today: Today | None = None
    formats: tuple[FormatRow, ...] = ()
    superseded: tuple[Superseded, ...] = ()


def _examine(
    spool: Spool,
    intake: Intake,
    users: int | None,
    price_per_gb: float | None,
    progress: Tell,
    clock: Callable[[], float],
) -> _Examined:
    """Search for settings where there may be some; what else there is, in any case."""
    sample, note = take_sample(spool)
    connections = spool.connections(Direction.RECEIVED)
    found = _Examined(note, intake.deliveries.audience(users, frozenset(connections)))
    if not sample:
        return found
    count = _counting(progress)
    trial = SampleTrial(sample, clock)
    finalists: dict[str, Settings] = {}
    if intake.obstacle is None:
        found.search = search(trial, found.audience, intake.show, count("settings", None))
        finalists = shortlist(found.search, found.audience)
    presets = {name: preset for name, preset in Settings.presets().items() if finalists or name in _LEFT_AS_IT_IS}
    choices = presets | finalists
    times = trial.measure(choices.values())
    different = len({key_of(settings) for settings in choices.values()})
    counts = replay(spool, choices, count("replay", spool.count_all(Direction.RECEIVED) * different))
    rows = {
        label: make_row(label, settings, counts[label], measured, found.audience, intake.show)
        for (label, settings), measured in zip(choices.items(), times, strict=True)
    }
    found.counts = {label: counts[label] for label in _LEFT_AS_IT_IS}
    found.today = find_today(spool, intake.extensions, intake.replayed_measured_bytes)
    found.alternatives = compare(spool, count("other servers", spool.count_all(Direction.RECEIVED)))
    best_bytes = rows["stock"].wire_bytes
    if finalists:
        _choose(found, finalists, rows, counts, spool, intake, count, clock)
        assert found.verdict is not None
        best_bytes = found.verdict.best.wire_bytes
        saving = save(rows["stock"].wire_bytes, best_bytes, intake.connected_ms(), users, price_per_gb)
        found.verdict = replace(found.verdict, saving=saving)
        found.field_map = propose(sample, intake.names)
        found.formats = try_formats(spool, count("formats", spool.count_all(Direction.RECEIVED)))
        found.superseded = count_superseded(spool, intake.show, Settings().batch_window_ms)
    else:
        found.whole = tuple(rows.values())
    found.floor = _floor(spool, best_bytes, count)
    return found


def _choose(
    found: _Examined,
    finalists: Mapping[str, Settings],
    rows: dict[str, ReplayRow],
    counts: Mapping[str, Count],
    spool: Spool,
    intake: Intake,
    count: Callable[[str, int | None], Callable[[int], None]],
    clock: Callable[[], float],
) -> None:
    """Decide among the finalists, and try one window for all with what was chosen."""
    decided = decide(finalists, [rows[label] for label in finalists])
    windows: dict[Settings, SharedWindow | None] = {}
    received = spool.count_all(Direction.RECEIVED)
    for settings, row in ((decided.best, decided.best_row), (decided.stock_clients, decided.stock_clients_row)):
        if found.audience.is_counted and settings.deflate_shared and settings not in windows:
            more = count("shared window", 2 * received)
            windows[settings] = share_window(spool, settings, row.wire_bytes, more, clock)
    decided = reconsider(decided, windows)
    chosen = {
        "best": decided.best_row,
        "stock clients": decided.stock_clients_row,
        "fewest bytes": decided.fewest_row,
    }
    presets = {label: rows[label] for label in Settings.presets()}
    rows = presets | {label: replace(row, label=label) for label, row in chosen.items()}
    made: dict[str, Choice] = {}
    for label, settings in (("best", decided.best), ("stock clients", decided.stock_clients)):
        shared = windows.get(settings)
        settled = settle_window(settings, shared)
        rows[label] = replace(rows[label], is_shared=settled.deflate_shared and rows[label].is_shared)
        made[label] = make_choice(settled, rows[label], rows, found.audience, shared, intake.show)
    found.whole = tuple(rows.values())
    found.shared = windows.get(decided.best)
    found.counts = {**found.counts, "best": counts[decided.best_row.label]}
    found.verdict = advise(made["best"], made["stock clients"], rows["stock"])


def _floor(spool: Spool, best_bytes: int, count: Callable[[str, int | None], Callable[[int], None]]) -> Floor:
    payload_bytes = spool.all_payload_bytes(Direction.RECEIVED)
    xz_bytes, zstd_bytes = compress_whole(
        lambda: (data for kept in spool.read_all(Direction.RECEIVED) for _, data in kept.frames),
        payload_bytes,
        count("floor", 2 * payload_bytes),
    )
    return Floor(payload_bytes, xz_bytes, zstd_bytes, best_bytes)


def _counting(progress: Tell) -> Callable[[str, int | None], Callable[[int], None]]:
    """Adds up what steps tell one by one."""

    def of_stage(stage: str, of: int | None) -> Callable[[int], None]:
        done = 0

        def more(count: int) -> None:
            nonlocal done
            done += count
            progress(stage, done, of)

        return more

    return of_stage


def _costs(counts: Mapping[str, Count], intake: Intake) -> list[EventCost]:
    # Where nothing could be chosen, what a stock server sends stands for the best.
    labels = ("off", "stock", "best" if "best" in counts else "stock")
    ways = [counts[label].by_label if label in counts else Counter[str]() for label in labels]
    return _by_name(Direction.RECEIVED, ways, intake)


def _sent_costs(by_event: Mapping[str, Counter[str]], intake: Intake) -> list[EventCost]:
    ways = [by_event[label] for label in (AS_IT_IS, GRANTED_BY_UVICORN, WHOLE_WINDOW)]
    return _by_name(Direction.SENT, ways, intake)


def _by_name(direction: Direction, ways: Sequence[Counter[str]], intake: Intake) -> list[EventCost]:
    """By what is shown of the names, which may be the same for several."""
    totals: dict[str, list[int]] = {}
    for label, messages in intake.labels[direction].items():
        total = totals.setdefault(intake.show(label), [0] * 4)
        for at, more in enumerate((messages, *(way[label] for way in ways))):
            total[at] += more
    return [EventCost(direction.value, name, *figures) for name, figures in totals.items() if figures[1]]
