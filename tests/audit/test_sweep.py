"""The search and the verdict: every subset, fair shares, settings that can be pasted, a day's saving."""

from __future__ import annotations

import dataclasses
import gc
import itertools
import math
from collections.abc import Callable, Iterator
from random import Random

import hypothesis
import pytest
from hypothesis import strategies as st

from reznet_ws.audit.examine.advice import Decided, decide, save, settle_window, shortlist, source_of
from reznet_ws.audit.examine.findings import Reach
from reznet_ws.audit.examine.replayed import ReplayRow, SharedWindow
from reznet_ws.audit.examine.sweep import Searched, essential, find_batch_events, make_row, search
from reznet_ws.audit.examine.topology import Deliveries
from reznet_ws.audit.examine.trial import SampleTrial, take_sample
from reznet_ws.audit.read.capture import Direction
from reznet_ws.audit.read.spool import Kept, Spool
from reznet_ws.replay.ablation import LAYERS, ablate
from reznet_ws.replay.memory import deflater_bytes
from reznet_ws.replay.trace import record
from reznet_ws.settings import Settings

_ONE = Reach(1.0, "one", 1, 1, 1000.0)


def kept_of(count: int = 150, mix: str = "unicode") -> list[Kept]:
    return [
        Kept(message.offset_ms, message.event, ("4" + "x" * 200,), (message.data,))
        for message in record(count, mix=mix)
    ]


def ticking() -> Iterator[float]:
    """A clock by which every step takes as long."""
    return itertools.count(0, 0.001).__next__  # type: ignore[return-value]


def decided_on(messages: list[Kept], audience: Reach = _ONE, clock: Callable[[], float] | None = None) -> Decided:
    """As the audit decides where the sample is everything."""
    bench = SampleTrial([messages], clock or ticking())  # type: ignore[arg-type]
    finalists = shortlist(search(bench, audience, str), audience)
    rows = [
        make_row(label, settings, measured, measured, audience, str)
        for (label, settings), measured in zip(finalists.items(), bench.measure(finalists.values()), strict=True)
    ]
    return decide(finalists, rows)


def searched(messages: list[Kept], audience: Reach = _ONE) -> Searched:
    return search(SampleTrial([messages], ticking()), audience, str)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def found() -> Searched:
    return searched(kept_of())


def test_every_subset_takes_what_the_ablation_computes(found: Searched) -> None:
    figures = Settings(batch=True, batch_events=found.batch_events or Settings().batch_events)
    outcomes = ablate(record(150, mix="unicode"), figures)
    assert [(set(row.layers), row.wire_bytes, row.frames) for row in found.subsets] == [
        (set(subset), outcome.wire_bytes, outcome.frames) for subset, outcome in outcomes.items()
    ]


def test_shares_add_up_to_what_all_layers_save(found: Searched) -> None:
    rows = {frozenset(row.layers): row.wire_bytes for row in found.subsets}
    saved = rows[frozenset()] - rows[frozenset(LAYERS)]
    assert math.isclose(sum(share.saved_bytes for share in found.shares), saved)
    assert [share.layer for share in found.shares] == sorted(LAYERS)


def test_each_sweep_changes_one_figure(found: Searched) -> None:
    fields = [sweep.field for sweep in found.sweeps]
    assert {"deflate_window_bits", "deflate_mem_level", "deflate_takeover", "gzip_threshold_bytes"} <= set(fields)
    for sweep in found.sweeps:
        settings = [found.settings[row.label] for row in sweep.rows]
        assert [getattr(one, sweep.field) for one in settings] == list(sweep.values)
        if sweep.field != "deflate_takeover":  # whose threshold counts without it only
            assert len({one.replace(**{sweep.field: sweep.values[0]}) for one in settings}) == 1


def test_memory_is_zlibs_formula(found: Searched) -> None:
    for row in found.rows:
        settings = found.settings[row.label]
        has_window = settings.deflate and settings.deflate_takeover
        expected = deflater_bytes(settings.deflate_window_bits, settings.deflate_mem_level) if has_window else 0
        assert row.memory_bytes == row.shared_memory_bytes == expected


def test_the_format_is_what_clients_must_understand(found: Searched) -> None:
    for row in found.rows:
        assert row.format == (2 if {"abbreviate", "gzip", "batch"} & set(row.layers) else 1)


def test_what_is_shared_is_divided_by_those_who_share_it() -> None:
    rows = searched(kept_of(40), Reach(100.0, "users", 1, 1, 1000.0)).rows
    for row in rows:
        assert math.isclose(row.cpu_us, row.encode_us / 100 + row.deflate_us)
        if row.memory_bytes:
            assert math.isclose(row.shared_cpu_us, (row.encode_us + row.deflate_us) / 100)
            assert row.shared_memory_bytes == row.memory_bytes / 100
        else:
            assert row.shared_cpu_us == row.cpu_us


def test_what_is_encoded_alike_has_one_time() -> None:
    bench = SampleTrial([kept_of(20)])
    (first,) = bench.measure([Settings(batch=False)])
    again, same = bench.measure([Settings(batch=False, deflate_mem_level=9), Settings(batch=False)])
    assert same is first
    assert again.encode_s == first.encode_s
    assert min(first.encode_s) > 0
    assert again.deflate_s != first.deflate_s


def test_what_disturbs_one_round_does_not_change_the_time() -> None:
    passed = itertools.count()

    def clock() -> float:
        # Of the six readings of each round, the second round's take a thousand times as long.
        at = next(passed)
        return at * 0.001 if at < 6 else 100.0 * at if at < 12 else 1e6 + at * 0.001

    (measured,) = SampleTrial([kept_of(20)], clock).measure([Settings(batch=False)])
    assert math.isclose(measured.encode_us + measured.deflate_us, 1e6 * 0.003 / 20, rel_tol=1e-6)
    assert measured.cpu_spread > 1000


def test_a_clock_without_noise_shows_none() -> None:
    (measured,) = SampleTrial([kept_of(20)], ticking()).measure([Settings()])  # type: ignore[arg-type]
    assert measured.cpu_spread < 1e-6


def test_noise_does_not_change_the_verdict() -> None:
    # So few that many windows take the same bytes: CPU time would decide.
    messages = kept_of(4)

    def noisy(seed: int) -> Callable[[], float]:
        random, now_s = Random(seed), 0.0

        def clock() -> float:
            nonlocal now_s
            now_s += 0.001 * random.uniform(0.85, 1.15) * (20 if random.random() < 0.02 else 1)
            return now_s

        return clock

    decided = [decided_on(messages, clock=noisy(seed)) for seed in range(8)]
    assert {one.best for one in decided} == {decided_on(messages).best}
    assert {one.stock_clients for one in decided} == {decided_on(messages).stock_clients}


def test_the_collector_rests_only_while_time_is_taken() -> None:
    seen: list[bool] = []
    ticks = itertools.count()

    def clock() -> float:
        seen.append(gc.isenabled())
        return next(ticks)

    SampleTrial([kept_of(2)], clock).measure([Settings()])
    assert not any(seen)
    assert gc.isenabled()


def test_progress_is_told_of_what_is_new() -> None:
    told: list[int] = []
    bench = SampleTrial([kept_of(5)])
    bench.measure([Settings(), Settings.off()], told.append)
    bench.measure([Settings(), Settings.stock()], told.append)
    assert told == [2, 1]


# What may wait


def _ticks(times_ms: list[float | None], label: str = "tick") -> list[Kept]:
    return [Kept(time_ms, label, ("42",), ({"n": 1},)) for time_ms in times_ms]


def test_events_that_come_in_runs_may_wait() -> None:
    assert find_batch_events([_ticks([10.0 * at for at in range(10)])]) == {"tick"}
    assert find_batch_events([_ticks([500.0 * at for at in range(10)])]) == frozenset()
    assert find_batch_events([_ticks([None] * 10)]) == frozenset()
    assert find_batch_events([_ticks([10.0, 20.0, 30.0])]) == frozenset(), "too few to tell"


def test_events_that_come_close_to_others_only_are_no_run() -> None:
    mixed = [kept for at in range(10) for kept in (*_ticks([500.0 * at]), *_ticks([500.0 * at + 1], "answer"))]
    assert find_batch_events([mixed]) == frozenset()


def test_large_events_and_those_that_want_an_answer_do_not_wait() -> None:
    large = [kept._replace(parts=("x" * 3000,)) for kept in _ticks([10.0 * at for at in range(10)])]
    asking = [kept._replace(ack_id=at) for at, kept in enumerate(_ticks([10.0 * at for at in range(10)]))]
    assert find_batch_events([large, asking]) == frozenset()


# A sample


def _spool(sizes: list[list[int]]) -> Spool:
    spool = Spool()
    for connection, messages in enumerate(sizes):
        for size in messages:
            spool.add(Direction.RECEIVED, connection, Kept(None, "x", ("x" * size,), ()))
    return spool


def test_a_small_capture_is_its_own_sample() -> None:
    with _spool([[10, 20], [30]]) as spool:
        sample, note = take_sample(spool)
        assert [len(part) for part in sample] == [2, 1]
        assert (note.messages, note.payload_bytes, note.is_everything) == (3, 60, True)


def test_a_sample_is_the_leading_part_of_each_connection() -> None:
    with _spool([list(range(1000, 1100)), list(range(2000, 2050))]) as spool:
        sample, note = take_sample(spool, most_messages=30, most_bytes=10**6)
        assert [[len(kept.parts[0]) for kept in part] for part in sample] == [
            list(range(1000, 1020)),
            list(range(2000, 2010)),
        ]
        assert not note.is_everything


def test_bytes_bound_a_sample_too_and_no_message_is_all_of_it() -> None:
    with _spool([[100_000, *[100] * 1000]]) as spool:
        sample, note = take_sample(spool, most_bytes=20_000)
        assert max(len(kept.parts[0]) for kept in sample[0]) == 100
        assert 10_000 <= note.payload_bytes <= 20_000


def test_empty_messages_are_bounded_too() -> None:
    with _spool([[0] * 500, [0] * 500]) as spool:
        sample, note = take_sample(spool, most_messages=100)
        assert [len(part) for part in sample] == [50, 50]
        assert not note.is_everything


def test_one_huge_message_is_a_sample_if_there_is_nothing_else() -> None:
    with _spool([[100_000]]) as spool:
        sample, note = take_sample(spool, most_bytes=1000)
        assert len(sample) == note.messages == 1


def test_of_very_many_connections_some_are_taken() -> None:
    with _spool([[10, 10]] * 1000) as spool:
        sample, note = take_sample(spool)
        assert 200 <= len(sample) == note.connections <= 250
        assert not note.is_everything


# An audience


def test_one_payload_to_several_connections_at_about_one_time_is_a_broadcast() -> None:
    deliveries = Deliveries()
    for at_ms in (0.0, 5000.0):
        for connection in range(4):
            deliveries.add(connection, [b"to all"], at_ms + connection)
    deliveries.add(0, [b"to one"], 100.0)
    audience = deliveries.audience(None)
    assert (audience.deliveries, audience.broadcasts, audience.source) == (9, 3, "capture")
    assert audience.per_message == 3
    assert deliveries.audience(1000) == audience, "what was counted counts"


def test_the_same_payload_twice_to_one_connection_is_sent_twice() -> None:
    deliveries = Deliveries()
    for connection in (0, 0, 1):
        deliveries.add(connection, [b"again"], 0.0)
    assert deliveries.audience(None).broadcasts == 2


@pytest.mark.parametrize(("users", "per_message", "source"), [(None, 1.0, "one"), (150, 150.0, "users")])
def test_one_connection_or_no_clock_cannot_tell(users: int | None, per_message: float, source: str) -> None:
    one, clockless = Deliveries(), Deliveries()
    one.add(0, [b"x"], 1.0)
    for connection in range(3):
        for number in range(5):
            clockless.add(connection, [b"%d" % number], None)
    for deliveries in (one, clockless):
        audience = deliveries.audience(users)
        assert (audience.per_message, audience.source) == (per_message, source)


# A verdict

_settings = st.builds(
    Settings,
    abbreviate=st.booleans(),
    deflate_window_bits=st.integers(9, 15),
    batch_window_ms=st.sampled_from([10, 20.5]),
    never_compress=st.frozensets(st.text(max_size=5), max_size=3),
    batch_events=st.frozensets(st.text(max_size=5), max_size=3),
    gzip_max_ratio=st.floats(0.05, 1.0),
)


@hypothesis.given(_settings)
def test_the_source_evaluates_to_the_settings(settings: Settings) -> None:
    source = source_of(settings)
    assert eval(source, {"Settings": Settings}) == settings
    changed = [
        field.name
        for field in dataclasses.fields(Settings)
        if getattr(settings, field.name) != getattr(Settings(), field.name)
    ]
    assert source.count("=") >= len(changed)
    assert all(name in source for name in changed)


def test_the_defaults_need_no_arguments() -> None:
    assert source_of(Settings()) == "Settings()"


@hypothesis.given(_settings)
def test_figures_of_what_is_off_are_no_change(settings: Settings) -> None:
    trimmed = essential(settings)
    assert essential(trimmed) == trimmed
    if not settings.batch:
        assert trimmed.batch_events == Settings().batch_events
    assert all(getattr(trimmed, layer) == getattr(settings, layer) for layer in LAYERS)


def test_stock_clients_are_asked_for_nothing_and_the_best_is_near_the_fewest_bytes(found: Searched) -> None:
    decided = decided_on(kept_of())
    settings = decided.stock_clients
    assert (settings.abbreviate, settings.gzip, settings.batch) == (False, False, False)
    assert decided.stock_clients_row.format == 1
    fewest = min(row.wire_bytes for row in found.rows if row.format == 1)
    assert decided.stock_clients_row.wire_bytes <= 1.02 * fewest
    assert decided.best_row.wire_bytes <= decided.stock_clients_row.wire_bytes
    assert decided.fewest_row.wire_bytes == min(row.wire_bytes for row in found.rows)


def test_a_window_that_is_too_small_for_everything_is_not_chosen() -> None:
    """The sample's histories are short; the whole window is on the shortlist, and everything decides."""
    small, whole = (
        Settings(batch=False, abbreviate=False, deflate_window_bits=12),
        Settings(batch=False, abbreviate=False),
    )
    bench = SampleTrial([kept_of(400)], ticking())  # type: ignore[arg-type]
    rows = [
        make_row(label, settings, measured, measured, _ONE, str)
        for (label, settings), measured in zip(
            {"small": small, "whole": whole}.items(), bench.measure([small, whole]), strict=True
        )
    ]
    assert decide({"small": small, "whole": whole}, rows).best == whole
    short = search(SampleTrial([kept_of(5)], ticking()), _ONE, str)  # type: ignore[arg-type]
    assert any(
        (settings.deflate_window_bits, settings.deflate_mem_level) == (15, 6)
        for label, settings in shortlist(short, _ONE).items()
        if label.endswith("; whole window")
    )


@pytest.mark.parametrize(
    ("audience", "shares"),
    [
        (Reach(1.0, "capture", 10, 10, 1000.0), False),
        (Reach(5.0, "capture", 50, 10, 1000.0), True),
        (_ONE, True),
        (Reach(150.0, "users", 1, 1, 1000.0), True),
    ],
)
def test_a_window_is_shared_where_messages_are(found: Searched, audience: Reach, shares: bool) -> None:
    finalists = shortlist(found, audience).values()
    assert {settings.deflate_shared for settings in finalists if settings.deflate_takeover} == {shares}


@pytest.mark.parametrize(("shared_bytes", "shares"), [(900, True), (1099, True), (1101, False)])
def test_a_window_is_not_shared_where_that_costs_too_much(shared_bytes: int, shares: bool) -> None:
    decided = decided_on(kept_of(30))
    shared = SharedWindow(5, 100, 20, 1000, shared_bytes, 1.0)
    for settings in (decided.best, decided.stock_clients):
        assert settle_window(settings, shared) == settings.replace(deflate_shared=shares)


def test_batching_is_recommended_where_it_saves_frames() -> None:
    messages = [Kept(2.0 * at, "tick", ("42",), ({"status": "thinking", "at": at},)) for at in range(400)]
    decided = decided_on(messages)
    assert decided.best.batch
    assert decided.best.batch_events == {"tick"}
    assert decided.best_row.delay_p95_ms is not None
    assert decided.best_row.delay_p95_ms <= 50
    without_clock = [kept._replace(time_ms=None) for kept in messages]
    assert not decided_on(without_clock).best.batch


def test_a_day_at_the_rate_of_the_capture() -> None:
    saving = save(3_000_000, 1_000_000, connected_ms=3_600_000, users=1000, price_per_gb=0.1)
    assert saving.stock_bytes_per_connection_day == 72_000_000
    assert saving.best_bytes_per_connection_day == 24_000_000
    assert saving.saved_price_per_day is not None
    assert math.isclose(saving.saved_price_per_day, 48e6 * 1000 / 1e9 * 0.1)


@pytest.mark.parametrize("connected_ms", [None, 0.0, 999.0])
def test_without_a_clock_there_is_no_day(connected_ms: float | None) -> None:
    saving = save(3, 1, connected_ms, users=10, price_per_gb=0.1)
    assert saving.stock_bytes_per_connection_day is None
    assert saving.saved_price_per_day is None


def test_rows_are_ready_for_json(found: Searched) -> None:
    assert all(isinstance(row, ReplayRow) and dataclasses.asdict(row)["layers"] == row.layers for row in found.rows)
