"""How often something may happen, and who has yet to join."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reznet_ws.adapters.inbound import TooFrequent
from reznet_ws.adapters.limits import Limits, Rate
from reznet_ws.settings import Settings


@given(st.integers(1, 50), st.lists(st.floats(0, 2), max_size=200))
def test_a_rate_lets_no_more_pass_in_any_time_than_it_says(per_s: int, pauses: list[float]) -> None:
    rate, now_s, passed = Rate(0, per_s), 0.0, [0.0] * 0
    for pause in pauses:
        now_s += pause / per_s
        if rate.allows(now_s, per_s):
            passed.append(now_s)
    for first, begin in enumerate(passed):
        for last, end in enumerate(passed[first:], 1):
            assert last <= per_s * (1 + end - begin) + 1e-6


@given(st.integers(1, 50), st.integers(1, 300))
def test_what_keeps_to_the_rate_always_passes(per_s: int, count: int) -> None:
    rate = Rate(0, per_s)
    assert all(rate.allows(number * 1.001 / per_s, per_s) for number in range(count))


def _limits(settings: Settings) -> tuple[Limits, list[str]]:
    closed: list[str] = []
    return Limits(lambda: settings, closed.append), closed


async def test_connections_are_bounded_by_number_and_by_address() -> None:
    limits, _ = _limits(Settings(max_connections=10, max_connections_per_address=2))
    for sid in ("a", "b"):
        assert limits.refusal("one", lambda: 0) is None
        limits.came(sid, "one")
    assert limits.refusal("one", lambda: 2) == "too many connections from this address"
    assert limits.refusal("other", lambda: 2) is None
    assert limits.refusal("other", lambda: 10) == "too many connections"
    limits.went("a")
    limits.went("a")  # twice is once
    assert limits.refusal("one", lambda: 1) is None
    assert (limits.counts.refused_connections, limits.counts.refused_addresses) == (1, 1)


async def test_who_does_not_join_in_time_is_told_of_once_and_who_asks_in_time_is_not() -> None:
    limits, closed = _limits(Settings(join_timeout_s=0.01))
    for sid in ("joins", "idle", "goes", "refused"):
        limits.came(sid, "")
    limits.joins("joins")
    limits.joins("refused")
    limits.await_join("refused")
    limits.went("goes")
    async with asyncio.timeout(5):
        while len(closed) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    limits.went("idle")
    assert (sorted(closed), limits.counts.closed_unjoined) == (["idle", "refused"], 2)


async def test_a_session_that_is_over_is_forgotten_wholly() -> None:
    settings = Settings(max_joins_per_s=1, max_events_per_s=1)
    limits, _ = _limits(settings)
    limits.came("a", "one")
    limits.joins("a")
    limits.sends("a")
    with pytest.raises(TooFrequent, match="more than 1 joins a second"):
        limits.joins("a")
    with pytest.raises(TooFrequent, match="more than 1 events a second"):
        limits.sends("a")
    limits.went("a")
    limits.await_join("a")  # what comes too late begins nothing
    assert not any(held for name, held in vars(limits).items() if isinstance(held, dict))
