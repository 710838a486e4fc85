"""Writing rests three times as long as it took, so that an idle server lets nothing wait and a busy one much."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reznet_ws.outgoing.pacing import Pacer

durations = st.floats(0.001, 50)


def test_nothing_waits_before_anything_was_written() -> None:
    assert Pacer().wait_ms(0.0, 5.0) == 0.0


@pytest.mark.parametrize(
    ("took_ms", "after_ms", "most_ms", "wait_ms"),
    [
        (1.0, 0.0, 5.0, 3.0),
        (1.0, 1.5, 5.0, 1.5),
        (1.0, 2.5, 5.0, 0.0),  # less than a timer can measure
        (1.0, 4.0, 5.0, 0.0),
        (10.0, 0.0, 5.0, 5.0),
        (10.0, 0.0, 0.0, 0.0),  # coalescing is off
        (0.3, 0.0, 5.0, 0.0),
    ],
)
def test_what_comes_after_a_write_waits(took_ms: float, after_ms: float, most_ms: float, wait_ms: float) -> None:
    pacer = Pacer()
    pacer.wrote(100.0, 100.0 + took_ms)
    assert pacer.wait_ms(100.0 + took_ms + after_ms, most_ms) == pytest.approx(wait_ms)


@given(st.lists(st.floats(0.5, 50), min_size=1, max_size=20))  # what would rest less than 1 ms goes on at once
def test_writing_takes_a_quarter_of_the_time_at_most_where_nothing_bounds_the_wait(took_ms: list[float]) -> None:
    pacer, now_ms, writing_ms = Pacer(), 0.0, 0.0
    for each_ms in took_ms:
        now_ms += pacer.wait_ms(now_ms, 1e9)
        pacer.wrote(now_ms, now_ms + each_ms)
        now_ms += each_ms
        writing_ms += each_ms
    now_ms += pacer.wait_ms(now_ms, 1e9)
    assert writing_ms <= now_ms / 4 + 1e-6


@given(durations, st.floats(0, 1000), st.floats(0, 100))
def test_nothing_waits_longer_than_it_may(took_ms: float, after_ms: float, most_ms: float) -> None:
    pacer = Pacer()
    pacer.wrote(0.0, took_ms)
    assert 0.0 <= pacer.wait_ms(took_ms + after_ms, most_ms) <= most_ms
