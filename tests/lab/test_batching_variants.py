"""What the notebook on batching compares our batcher with: one that waits first, one that lets messages overtake."""

from __future__ import annotations

from typing import Any

import pytest

from reznet_ws.lab.explain import batching
from reznet_ws.lab.explain.batching import OvertakingBatcher, TrailingBatcher
from reznet_ws.replay.ablation import Outcome, replay
from reznet_ws.replay.trace import record
from reznet_ws.settings import Settings

SETTINGS = Settings(batch=True, batch_window_ms=50, batch_max_messages=3)


def _texts(batches: list[Any]) -> list[str]:
    return ["".join(batch.messages) for batch in batches]


def test_the_trailing_edge_holds_the_first_message_too_and_opens_a_window_for_it_alone() -> None:
    batcher = TrailingBatcher[str](SETTINGS)
    assert batcher.add((0,), "1", 0, may_wait=True) == []
    assert batcher.closes_ms == 50
    assert batcher.add((0,), "2", 49, may_wait=True) == []
    assert _texts(batcher.due(50)) == ["12"]
    assert batcher.closes_ms is None
    assert batcher.add((0,), "3", 60, may_wait=True) == []
    assert batcher.closes_ms == 110


def test_the_trailing_edge_lets_nothing_overtake_and_sends_a_full_batch() -> None:
    batcher = TrailingBatcher[str](SETTINGS)
    batcher.add((0,), "1", 0, may_wait=True)
    assert _texts(batcher.add((0,), "2", 1, may_wait=False)) == ["1", "2"]
    assert batcher.add((0,), "3", 2, may_wait=True) == []
    assert batcher.add((0,), "4", 3, may_wait=True) == []
    assert _texts(batcher.add((0,), "5", 4, may_wait=True)) == ["345"]


def test_the_one_that_overtakes_sends_at_once_past_what_waits() -> None:
    batcher = OvertakingBatcher[str](SETTINGS)
    batcher.add((0,), "1", 0, may_wait=True)
    assert _texts(batcher.add((0,), "2", 1, may_wait=False)) == ["2"]
    assert _texts(batcher.due(50)) == ["1"]


@pytest.mark.parametrize("kind", [TrailingBatcher, OvertakingBatcher])
def test_each_sends_every_message_once_and_within_its_window(kind: type[Any]) -> None:
    trace = record(400)
    assert sorted(batching.seqs_as_sent(trace, SETTINGS, kind(SETTINGS))) == list(range(400))
    delays = batching.waiting_delays_ms(trace, SETTINGS, kind(SETTINGS))
    assert 0 <= min(delays) <= max(delays) <= 50
    assert replay(trace, SETTINGS, kind(SETTINGS)).messages == 400


@pytest.mark.parametrize(("seqs", "expected"), [([], 0), ([0, 1, 2], 0), ([1, 0, 2], 1), ([3, 0, 1, 2, 4], 3)])
def test_whoever_comes_after_a_later_one_was_overtaken(seqs: list[int], expected: int) -> None:
    assert batching.count_overtaken(seqs) == expected


def test_headers_below_the_socket_are_paid_for_each_frame() -> None:
    outcome = Outcome(10, 3, 90, 100, ())
    assert batching.below_bytes(outcome) == 100 + 3 * 40
    assert batching.below_bytes(outcome, tls=True) == 100 + 3 * 62


def test_a_sweep_compares_each_window_with_no_batching_at_the_same_rate() -> None:
    swept = batching.sweep([5, 200], [0, 100], 80)
    lines = batching.curves(swept, lambda outcome, off: outcome.frames / off.frames)
    assert list(lines) == ["5/s", "200/s"]
    for line in lines.values():
        assert [window_ms for window_ms, _ in line] == [0, 100]
        assert line[0][1] == 1
    assert lines["200/s"][1][1] < lines["5/s"][1][1] <= 1
