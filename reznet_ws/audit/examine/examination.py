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
from typing import Any

from reznet_ws.audit.examine.advice import decide, make_choice, save, settle_window, shortlist
from reznet_ws.audit.examine.alternatives import compare
from reznet_ws.audit.examine.census import Census
from reznet_ws.audit.examine.departures import Count, key_of, replay
from reznet_ws.audit.examine.fieldmap import propose
from reznet_ws.audit.examine.findings import (
    Advice,
    Alternative,
    Choice,
    EventCost,
    FieldMap,
    Findings,
    Floor,
    ProblemNote,
    Reach,
    ReplayRow,
    Sample,
    SharedWindow,
    Totals,
)
from reznet_ws.audit.examine.names import Names
from reznet_ws.audit.examine.repeats import find_repeats
from reznet_ws.audit.examine.rule import RULE
from reznet_ws.audit.examine.sent import AS_IT_IS, GRANTED_BY_UVICORN, WHOLE_WINDOW, compress_sent
from reznet_ws.audit.examine.shared import share_window
from reznet_ws.audit.examine.strongest import compress_whole
from reznet_ws.audit.examine.sweep import Searched, make_row, search
from reznet_ws.audit.examine.topology import BROADCAST_KINDS, Deliveries
from reznet_ws.audit.examine.trial import Trial, take_sample
from reznet_ws.audit.read.capture import Assumption, Direction, Item, Kind, Opened, Problem, Record, Transport
from reznet_ws.audit.read.spool import Kept, Spool, book, label_of
from reznet_ws.ledger import OTHER_EVENTS
from reznet_ws.message.payload import PayloadOptimizer
from reznet_ws.settings import Settings

Tell = Callable[[str, int, int | None], None]
# Beside events' names.
_OWN_LABELS = frozenset({OTHER_EVENTS, *map(label_of, Kind)})
_MAX_PROBLEMS = 1000
_SALT_BYTES = 16


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
        reading = _Reading(spool, names)
        for done, item in enumerate(items, 1):
            reading.take(item)
            progress("read", done, None)
        searched = _search(spool, reading, users, price_per_gb, progress, clock)
        progress("clients", 0, None)
        sent, sent_by_event = compress_sent(spool)
        progress("repeats", 0, None)
        repeats = find_repeats(spool.read_all(Direction.RECEIVED), names)
        events = [*_costs(searched.counts, reading), *_sent_costs(sent_by_event, reading)]
        return Findings(
            totals=_totals(spool, reading),
            connections=reading.census.counts(names),
            problems=tuple(reading.problems),
            is_anonymous=anonymous,
            sample=searched.sample,
            audience=searched.audience,
            whole=searched.whole,
            subsets=searched.search.subsets if searched.search else (),
            sweeps=searched.search.sweeps if searched.search else (),
            front=searched.search.front if searched.search else (),
            shares=searched.search.shares if searched.search else (),
            events=tuple(sorted(events, key=lambda cost: (-cost.off_bytes, cost.direction, cost.event))),
            sent=sent,
            repeats=repeats,
            floor=searched.floor,
            field_map=searched.field_map,
            alternatives=searched.alternatives,
            verdict=searched.verdict,
            cpu_s=clock() - began_s,
            shared=searched.shared,
            assumptions=tuple(reading.assumptions),
        )


class _Reading:
    """What is learned while the capture is read."""

    def __init__(self, spool: Spool, names: Names) -> None:
        self._spool, self.names = spool, names
        self.census, self.deliveries = Census(), Deliveries()
        self.problems: list[ProblemNote] = []
        self.assumptions: list[ProblemNote] = []
        self.as_captured = 0
        self.labels: dict[Direction, Counter[str]] = {direction: Counter() for direction in Direction}
        self._optimizer = PayloadOptimizer(Settings.off())

    def take(self, item: Item) -> None:
        """One after the other."""
        if isinstance(item, Opened):
            self.census.open(item)
        elif isinstance(item, Assumption):
            if len(self.assumptions) < _MAX_PROBLEMS:
                self.assumptions.append(ProblemNote(self.names.file(item.file), item.position, item.reason))
        elif isinstance(item, Problem):
            if len(self.problems) < _MAX_PROBLEMS:
                self.problems.append(ProblemNote(self.names.file(item.file), item.position, item.reason))
            elif len(self.problems) == _MAX_PROBLEMS:
                note = ProblemNote(self.names.file(item.file), "here and later", "more problems are not shown")
                self.problems.append(note)
        else:
            self._record(item)

    def show(self, label: str) -> str:
        """How what stands for an event is written."""
        return label if label in _OWN_LABELS else self.names.event(label)

    def _record(self, record: Record) -> None:
        kept = self._keep(record)
        self.census.add(record, kept.payload_bytes)
        if record.event is not None:
            self.names.learn(record.event, kept.args or ())
        if record.transport is Transport.POLLING or not record.parts:
            return  # there is no frame that permessage-deflate could change
        book(self.labels[record.direction], kept.label, 1)
        if record.direction is Direction.RECEIVED and record.kind in BROADCAST_KINDS:
            frames = [data for _, data in kept.frames]
            self.deliveries.add(record.connection, frames, kept.time_ms)
        self._spool.add(record.direction, record.connection, kept)

    def _keep(self, record: Record) -> Kept:
        if record.kind is not Kind.EVENT or record.event is None:
            return Kept(record.time_ms, label_of(record.kind), record.parts)
        args = None if record.direction is Direction.SENT else self._sendable(record)
        return Kept(record.time_ms, record.event, record.parts, args, record.namespace, record.ack_id)

    def _sendable(self, record: Record) -> tuple[Any, ...] | None:
        """The arguments, where our server could send them: not too deep, no integer of thousands of digits, ..."""
        try:
            record.namespace.encode()
            return tuple(self._optimizer.encode_plain(arg).value for arg in record.args)
        except ValueError:
            self.as_captured += 1
            return None


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


def _search(
    spool: Spool,
    reading: _Reading,
    users: int | None,
    price_per_gb: float | None,
    progress: Tell,
    clock: Callable[[], float],
) -> _Examined:
    sample, note = take_sample(spool)
    audience = reading.deliveries.audience(users)
    found = _Examined(note, audience)
    if not sample:
        return found
    show, count = reading.show, _counting(progress)
    bench = Trial(sample, clock)
    found.search = search(bench, audience, show, count("settings", None))
    finalists = shortlist(found.search, audience)
    choices = Settings.presets() | finalists
    times = bench.measure(choices.values())
    different = len({key_of(settings) for settings in choices.values()})
    counts = replay(spool, choices, count("replay", spool.count_all(Direction.RECEIVED) * different))
    rows = {
        label: make_row(label, settings, counts[label], measured, audience, show)
        for (label, settings), measured in zip(choices.items(), times, strict=True)
    }
    decided = decide(finalists, [rows[label] for label in finalists])
    chosen = {
        "best": decided.best_row,
        "stock clients": decided.stock_clients_row,
        "fewest bytes": decided.fewest_row,
    }
    found.counts = {"off": counts["off"], "stock": counts["stock"], "best": counts[decided.best_row.label]}
    rows = {label: rows[label] for label in Settings.presets()}
    rows |= {label: replace(row, label=label) for label, row in chosen.items()}
    found.whole = tuple(rows.values())
    chosen_settings = {"best": decided.best, "stock clients": decided.stock_clients}
    windows: dict[Settings, SharedWindow | None] = {}
    made: dict[str, Choice] = {}
    for label, settings in chosen_settings.items():
        if settings not in windows:
            simulates = audience.source == "capture" and settings.deflate_shared
            more = count("shared window", spool.count_all(Direction.RECEIVED) * len({*chosen_settings.values()}))
            windows[settings] = (
                share_window(spool, settings, rows[label].wire_bytes, more, clock) if simulates else None
            )
        shared = windows[settings]
        made[label] = make_choice(settle_window(settings, shared), rows[label], rows, audience, shared, show)
    found.shared = windows[decided.best]
    found.field_map = propose(sample, reading.names)
    found.alternatives = compare(spool, count("other servers", spool.count_all(Direction.RECEIVED)))
    payload_bytes = spool.all_payload_bytes(Direction.RECEIVED)
    xz_bytes, zstd_bytes = compress_whole(
        lambda: (data for kept in spool.read_all(Direction.RECEIVED) for _, data in kept.frames),
        payload_bytes,
        count("floor", 2 * payload_bytes),
    )
    best, stock_clients = made["best"], made["stock clients"]
    found.floor = Floor(payload_bytes, xz_bytes, zstd_bytes, best.wire_bytes)
    stock_bytes, connected_ms = rows["stock"].wire_bytes, _connected_ms(spool, reading)
    saving = save(stock_bytes, best.wire_bytes, connected_ms, users, price_per_gb)
    found.verdict = Advice(RULE, best, stock_clients, saving)
    return found


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


def _connected_ms(spool: Spool, reading: _Reading) -> float | None:
    return reading.census.connected_ms(spool.connections(Direction.RECEIVED))


def _totals(spool: Spool, reading: _Reading) -> Totals:
    return Totals(
        files=reading.census.files,
        connections=reading.census.connections,
        messages=reading.census.messages,
        connected_ms=_connected_ms(spool, reading),
        kinds=reading.census.kinds(),
        replayed_messages=spool.count_all(Direction.RECEIVED),
        replayed_payload_bytes=spool.all_payload_bytes(Direction.RECEIVED),
        as_captured=reading.as_captured,
    )


def _costs(counts: Mapping[str, Count], reading: _Reading) -> list[EventCost]:
    ways = [counts[label].by_label if label in counts else Counter[str]() for label in ("off", "stock", "best")]
    return _by_name(Direction.RECEIVED, ways, reading)


def _sent_costs(by_event: Mapping[str, Counter[str]], reading: _Reading) -> list[EventCost]:
    ways = [by_event[label] for label in (AS_IT_IS, GRANTED_BY_UVICORN, WHOLE_WINDOW)]
    return _by_name(Direction.SENT, ways, reading)


def _by_name(direction: Direction, ways: Sequence[Counter[str]], reading: _Reading) -> list[EventCost]:
    """By what is shown of the names, which may be the same for several."""
    totals: dict[str, list[int]] = {}
    for label, messages in reading.labels[direction].items():
        total = totals.setdefault(reading.show(label), [0] * 4)
        for at, more in enumerate((messages, *(way[label] for way in ways))):
            total[at] += more
    return [EventCost(direction.value, name, *figures) for name, figures in totals.items() if figures[1]]
