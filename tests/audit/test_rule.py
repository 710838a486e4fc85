"""The rule and the front: bytes, then CPU, then memory, and no change without a reason."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from reznet_ws.audit.examine.replayed import ReplayRow
from reznet_ws.audit.examine.rule import NEAR_CPU, RULE, choose, choose_batching
from reznet_ws.audit.examine.sweep import front

_DEFLATED = ("utf8", "deflate")


def row(label: str = "", layers: tuple[str, ...] = _DEFLATED, wire_bytes: int = 1000, **figures: Any) -> ReplayRow:
    known = {
        "format": 1,
        "changes": {},
        "messages": 100,
        "frames": 100,
        "frame_bytes": 5000,
        "encode_us": 10.0,
        "deflate_us": 10.0,
        "cpu_us": 20.0,
        "shared_cpu_us": 20.0,
        "memory_bytes": 1000,
        "shared_memory_bytes": 1000.0,
    }
    return ReplayRow(label=label, layers=layers, wire_bytes=wire_bytes, **{**known, **figures})


def test_far_fewer_bytes_are_worth_any_cpu() -> None:
    assert choose([row("a", wire_bytes=1000, shared_cpu_us=99), row("b", wire_bytes=1030)]).label == "a"


def test_near_the_fewest_bytes_the_least_cpu_counts() -> None:
    assert choose([row("a", wire_bytes=1000, shared_cpu_us=29), row("b", wire_bytes=1019)]).label == "b"


def test_near_the_least_cpu_the_least_memory_counts() -> None:
    fast = row("fast", shared_cpu_us=20, shared_memory_bytes=2000)
    small = row("small", shared_cpu_us=22.9, shared_memory_bytes=1000)
    assert choose([fast, small]).label == "small"


def test_where_nothing_tells_the_defaults_stay() -> None:
    changed = row("changed", wire_bytes=999, changes={"deflate_mem_level": 5}, shared_memory_bytes=900)
    assert choose([changed, row("default")]).label == "default"


def test_noise_in_the_cpu_time_does_not_change_the_choice() -> None:
    for first, second in ((20.0, 21.5), (21.5, 20.0)):
        rows = [row("default", shared_cpu_us=first), row("other", shared_cpu_us=second, changes={"x": 1})]
        assert choose(rows).label == "default"


@pytest.mark.parametrize(("spread", "chosen"), [(0.05, "quick"), (0.5, "default")])
@pytest.mark.parametrize("noisy", ["quick", "default"])
def test_a_difference_within_what_the_rounds_of_either_differ_by_is_none(
    spread: float, chosen: str, noisy: str
) -> None:
    quick = row("quick", shared_cpu_us=20, changes={"x": 1}, cpu_spread=spread if noisy == "quick" else 0)
    default = row("default", shared_cpu_us=28, cpu_spread=spread if noisy == "default" else 0)
    assert choose([quick, default]).label == chosen
    fewest = dataclasses.replace(default, wire_bytes=990)
    assert [kept.label for kept in front([quick, fewest])] == (
        ["default", "quick"] if chosen == "quick" else ["default"]
    )


@pytest.mark.parametrize("layer", ["gzip", "abbreviate"])
def test_what_clients_must_decode_must_win_behind_the_same_deflate(layer: str) -> None:
    more = ("utf8", layer, "deflate")
    fast = {"shared_cpu_us": 1.0}
    assert choose([row("no"), row("more", more, 990, **fast)]).label == "no"
    assert choose([row("no"), row("more", more, 970, **fast)]).label == "more"
    assert choose([row("bare", (), 2000), row("no"), row("alone", ("utf8", layer), 995, **fast)]).label == "no"


def test_utf8_stays_unless_it_costs() -> None:
    assert choose([row("utf8"), row("no", ("deflate",), 995, shared_cpu_us=1.0)]).label == "utf8"
    assert choose([row("utf8"), row("no", ("deflate",), 900)]).label == "no"


def _batched(label: str = "batch", wire_bytes: int = 900, frames: int = 50, p95_ms: float | None = 40.0) -> ReplayRow:
    layers = ("utf8", "batch", "deflate")
    return row(label, layers, wire_bytes, format=2, frames=frames, delay_p50_ms=p95_ms, delay_p95_ms=p95_ms)


def test_batching_must_be_worth_its_delay() -> None:
    assert choose_batching(row(), [_batched()]) == _batched()
    for refused in (_batched(frames=81), _batched(wire_bytes=1001), _batched(p95_ms=51.0), _batched(p95_ms=None)):
        assert choose_batching(row(), [row(), refused]) is None


def test_of_batches_that_save_about_as_much_the_quickest_is_chosen() -> None:
    rows = [_batched("slow", frames=50, p95_ms=50), _batched("quick", frames=54, p95_ms=20), _batched("few", frames=70)]
    found = choose_batching(row(), rows)
    assert found is not None
    assert found.label == "quick"


def test_the_rule_says_its_figures() -> None:
    for figure in ("2%", "10%", "15%", "25%", "20%", "50 ms"):
        assert figure in RULE


_rows = st.lists(
    st.builds(
        lambda at, wire_bytes, cpu_us, memory, layers: row(
            str(at), layers, wire_bytes, shared_cpu_us=cpu_us, shared_memory_bytes=memory
        ),
        st.integers(0, 10**6),
        st.integers(0, 5000),
        st.floats(0, 100),
        st.floats(0, 1e6),
        st.sampled_from([(), ("deflate",), _DEFLATED, ("utf8", "gzip"), ("utf8", "gzip", "deflate")]),
    ),
    min_size=1,
)


@hypothesis.given(_rows)
def test_the_choice_is_near_the_fewest_bytes_of_what_is_allowed_and_does_not_depend_on_the_order(
    rows: list[ReplayRow],
) -> None:
    rows = [*rows, row("always")]
    chosen = choose(rows)
    assert chosen in rows
    plain = [other.wire_bytes for other in rows if "utf8" in other.layers and "gzip" not in other.layers]
    assert chosen.wire_bytes <= 1.02 * min(plain)
    if len({other.label for other in rows}) == len(rows):
        assert choose(rows[::-1]) == chosen


@hypothesis.given(_rows)
def test_no_row_of_the_front_is_beaten_and_every_other_is(rows: list[ReplayRow]) -> None:
    found = front(rows)
    for before, after in itertools.pairwise(found):
        assert before.wire_bytes < after.wire_bytes or before.shared_cpu_us > after.shared_cpu_us
    for kept in found:
        assert not any(
            (other.wire_bytes < kept.wire_bytes and other.shared_cpu_us <= kept.shared_cpu_us) for other in rows
        )
    for other in rows:
        assert any(
            kept.wire_bytes <= other.wire_bytes and kept.shared_cpu_us * (1 - NEAR_CPU) <= other.shared_cpu_us
            for kept in found
        )


def test_nothing_can_be_chosen_from_nothing() -> None:
    with pytest.raises(ValueError, match="empty"):
        choose([])
