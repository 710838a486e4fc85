"""The ablation: the same bytes as a real socket for every subset of the layers, and shares that are fair."""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from collections.abc import Mapping
from fractions import Fraction

import hypothesis
import pytest
from hypothesis import strategies as st
from real_sites import APART_MS, WINDOW_MS, RealSite, played

from reznet_ws.demo.workload import TraceEvent
from reznet_ws.draw.ablation_charts import draw_ablation, draw_shares, draw_sum
from reznet_ws.draw.progress_bar import ProgressBar
from reznet_ws.replay.ablation import (
    LAYERS,
    Outcome,
    Subset,
    ablate,
    replay,
    shapley,
    subsets,
    switch,
)
from reznet_ws.replay.spread import percentile
from reznet_ws.replay.trace import record
from reznet_ws.settings import Settings

EVERYTHING = frozenset(LAYERS)
NOTHING: Subset = frozenset()


# A trace


def test_a_trace_is_the_same_each_time() -> None:
    assert record(50) == record(50)
    assert len(record(50)) == 50
    assert record(50, seed=2) != record(50)
    assert record(50, mix="unicode") != record(50)


def test_the_outcomes_are_the_same_at_each_run_and_do_not_depend_on_the_order_of_layers() -> None:
    trace = record(300, mix="unicode")
    first = ablate(trace)
    assert first == ablate(trace)
    assert first == ablate(trace, layers=LAYERS[::-1])


def test_every_subset_is_what_a_replay_with_just_its_layers_gives() -> None:
    trace = record(300, mix="unicode")
    outcomes = ablate(trace, Settings.seed())
    assert list(outcomes) == subsets(LAYERS)
    assert len(outcomes) == 32
    for subset, outcome in outcomes.items():
        assert outcome == replay(trace, switch(Settings.seed(), subset))


def test_layers_that_are_not_played_with_are_off() -> None:
    trace = record(100)
    outcomes = ablate(trace, layers=("deflate",))
    everything = ablate(trace)
    assert outcomes == {subset: everything[subset] for subset in (NOTHING, frozenset({"deflate"}))}


@pytest.mark.parametrize("layers", [("abbreviate", "zstd"), ("deflate_takeover",)])
def test_what_is_no_layer_is_refused_by_name(layers: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=f"{layers[-1]}: no such layer; there are abbreviate, utf8"):
        ablate([], layers=layers)


def test_progress_is_told_of_every_subset() -> None:
    told: list[tuple[int, int]] = []
    ablate(record(5), progress=lambda done, of: told.append((done, of)))
    assert told == [(done, 32) for done in range(1, 33)]


def test_a_trace_of_nothing_costs_nothing() -> None:
    assert set(ablate([]).values()) == {Outcome(0, 0, 0, 0, ())}


def test_no_layer_at_all_is_the_events_as_python_socketio_sends_them() -> None:
    trace = [TraceEvent(offset_ms=0, event="message_new", data={"content": "здесь"})]
    text = '42["message_new",{"content":"\\u0437\\u0434\\u0435\\u0441\\u044c"}]'
    assert ablate(trace)[NOTHING] == Outcome(1, 1, len(text), len(text) + 2, (0.0,))


def test_a_delay_is_counted_from_when_a_message_was_emitted() -> None:
    status = {"agent_name": "@qa", "status": "idle"}
    trace = [TraceEvent(offset_ms=at, event="agent_status", data=status) for at in (0, 10, 49, 60, 200)]
    outcome = replay(trace, Settings(batch=True, batch_window_ms=50))
    # The first opens a window; two wait for its end and open the next; the fourth waits for that; the last is alone.
    assert outcome.delays_ms == (0, 40, 1, 40, 0)
    assert outcome.frames == 4
    assert (outcome.delay_ms(50), outcome.delay_ms(95)) == (1, 40)
    assert replay(trace, Settings(batch=False)).delays_ms == (0,) * 5


@pytest.mark.parametrize(("percent", "expected"), [(0, 1), (25, 1), (25.1, 2), (50, 2), (75, 3), (95, 4), (100, 4)])
def test_a_percentile_is_a_value_that_was_there(percent: float, expected: float) -> None:
    assert percentile([3, 1, 4, 2], percent) == expected


@pytest.mark.parametrize("percent", [50, 95, 99, 99.9])
def test_a_percentile_is_no_rank_too_high(percent: float) -> None:
    """99.9 / 100 * 1000 is a little more than 999."""
    assert percentile(range(1, 1001), percent) == 10 * percent


def test_nothing_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no 50th percentile of 0 values"):
        percentile([], 50)


# Against a real socket

# Bursts, each within one window.
_BURSTS, _BURST_MESSAGES = 3, 24


def _bursts() -> list[list[TraceEvent]]:
    """Plans, and text in three languages, among what may wait: each layer has something to do."""
    mixed = itertools.chain.from_iterable(zip(record(60, mix="unicode"), record(60, mix="status"), strict=True))
    messages = list(itertools.islice(mixed, _BURSTS * _BURST_MESSAGES - _BURSTS))
    plans = [message for message in record(200, mix="plans") if message.event == "workflow_plan"]
    step = _BURST_MESSAGES - 1
    bursts = [
        [*messages[step * at : step * at + 12], plans[at], *messages[step * at + 12 : step * (at + 1)]]
        for at in range(_BURSTS)
    ]
    return [
        [dataclasses.replace(message, offset_ms=at * APART_MS) for message in burst] for at, burst in enumerate(bursts)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("figures", [Settings(), Settings.seed()], ids=["recommended", "seed"])
async def test_every_subset_sends_the_very_bytes_that_a_real_socket_takes(figures: Settings) -> None:
    bursts = _bursts()
    trace = [message for burst in bursts for message in burst]
    # As the sites: each client by a compressor of its own.
    figures = figures.replace(batch_window_ms=WINDOW_MS, gzip_threshold_bytes=4096, deflate_shared=False)
    outcomes = ablate(trace, figures)
    sites = [RealSite(switch(figures, subset)) for subset in outcomes]
    emitted = [[(message.event, message.data, "/") for message in burst] for burst in bursts]
    async with played(sites, emitted):
        for site, (subset, outcome) in zip(sites, outcomes.items(), strict=True):
            computed = {name: getattr(outcome, name) for name in site.counted}
            assert (sorted(subset), site.counted) == (sorted(subset), computed)
            assert site.manager.ledger.sent_bytes == outcome.wire_bytes, "nothing else left the socket"
            assert sum(row.deliveries for row in site.rows.values()) == outcome.messages == len(trace)
            assert site.received == [(message.event, (message.data,)) for message in trace]
    # The comparison is worth nothing if a layer had nothing to do.
    for layer in LAYERS:
        assert outcomes[frozenset({layer})] != outcomes[NOTHING], layer


# Fair shares

_PLAYERS = ("a", "b", "c", "d")
_values = st.integers(-(10**9), 10**9)


@st.composite
def games(draw: st.DrawFn, players: tuple[str, ...] = _PLAYERS) -> dict[Subset, int]:
    count = draw(st.integers(0, len(players)))
    return {subset: draw(_values) for subset in subsets(players[:count])}


def _by_definition(game: Mapping[Subset, int]) -> dict[str, float]:
    """What a player adds where it comes, averaged over all orders; exact."""
    players = sorted(frozenset().union(*game))
    shares = dict.fromkeys(players, Fraction(0))
    orders = list(itertools.permutations(players))
    for order in orders:
        for place, player in enumerate(order):
            before = frozenset(order[:place])
            shares[player] += Fraction(game[before | {player}] - game[before], len(orders))
    return {player: float(share) for player, share in shares.items()}


@hypothesis.given(games())
def test_a_share_is_the_mean_over_all_orders(game: dict[Subset, int]) -> None:
    assert shapley(game) == _by_definition(game)


@hypothesis.given(games())
def test_shares_add_up_to_what_all_have_together(game: dict[Subset, int]) -> None:
    players = frozenset().union(*game)
    assert math.isclose(math.fsum(shapley(game).values()), game[players] - game[frozenset()], abs_tol=1e-3)


@hypothesis.given(games())
def test_players_who_can_stand_in_for_each_other_get_the_same(game: dict[Subset, int]) -> None:
    players = frozenset().union(*game)
    hypothesis.assume({"a", "b"} <= players)
    swap = {"a": "b", "b": "a"}
    alike = {
        subset: value + game[frozenset(swap.get(player, player) for player in subset)] for subset, value in game.items()
    }
    shares = shapley(alike)
    assert shares["a"] == shares["b"]


@hypothesis.given(games(), _values)
def test_one_who_changes_nothing_gets_nothing_and_one_who_always_adds_the_same_gets_just_that(
    game: dict[Subset, int], worth: int
) -> None:
    more = {subset | {"z"}: value + worth for subset, value in game.items()}
    shares = shapley({**game, **more})
    assert shares.pop("z") == worth
    assert shares == shapley(game)


@hypothesis.given(games(), st.data())
def test_shares_of_a_sum_are_the_sums_of_shares(game: dict[Subset, int], data: st.DataObject) -> None:
    other = {subset: data.draw(_values) for subset in game}
    together = shapley({subset: value + other[subset] for subset, value in game.items()})
    first, second = shapley(game), shapley(other)
    for player, share in together.items():
        assert math.isclose(share, first[player] + second[player], abs_tol=1e-3)


def test_a_game_with_a_missing_subset_is_refused() -> None:
    with pytest.raises(ValueError, match="3 values; 2 layers have 4 subsets"):
        shapley({frozenset(): 0, frozenset("a"): 1, frozenset("ab"): 2})


# Its pictures


def test_the_pictures_say_every_figure_as_text_too() -> None:
    outcomes = ablate(record(200))
    table = repr(draw_ablation(outcomes, seed=1))
    assert len(table.splitlines()) == 34
    assert f"{outcomes[EVERYTHING].wire_bytes:,}" in table
    for draw in (draw_shares, draw_sum):
        assert all(layer in repr(draw(outcomes, seed=1)) for layer in LAYERS)


def test_the_bar_shows_how_far_it_is() -> None:
    bar = ProgressBar("subsets")
    outcomes = ablate(record(5), progress=bar)
    assert bar.value == len(outcomes) == 32
    assert bar._repr_mimebundle_()["text/plain"] == "32 subsets"


# Time


@pytest.mark.slow
def test_all_subsets_of_ten_thousand_messages_take_less_than_a_minute() -> None:
    trace = record(10_000)
    began_s = time.process_time()
    outcomes = ablate(trace)
    took_s = time.process_time() - began_s
    print(f"{len(outcomes)} subsets of {len(trace)} messages: {took_s:.1f} s of CPU")
    assert took_s < 60
