"""The ring holds the newest, within its bounds, and knows what it no longer has."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reznet_ws.recovery.ring import Entry, Ring


def entry(number: int, at_s: float = 0.0, size_bytes: int = 100) -> Entry[str]:
    return Entry(number, at_s, "/", (None,), frozenset(), f"event {number}", size_bytes)


@given(st.lists(st.tuples(st.integers(1, 400), st.floats(0, 20)), max_size=60), st.integers(0, 70))
def test_what_it_gives_after_a_number_is_all_there_was_or_it_says_so(
    emitted: list[tuple[int, float]], asked: int
) -> None:
    ring: Ring[str] = Ring(max_bytes=1500, max_s=10, number=0)
    now_s = 0.0
    for number, (size_bytes, after_s) in enumerate(emitted, start=1):
        now_s += after_s
        ring.append(entry(number, now_s, size_bytes))
        assert ring.bytes <= 1500
    given_numbers = [found.number for found in ring.after(asked)]
    if ring.covers(asked):
        assert given_numbers == list(range(asked + 1, len(emitted) + 1))
    else:
        assert given_numbers == list(range(ring.dropped_number + 1, len(emitted) + 1))


def test_what_is_too_old_goes_with_the_next_event_or_when_asked() -> None:
    ring: Ring[str] = Ring(max_bytes=10_000, max_s=10, number=5)
    ring.append(entry(6, 0.0))
    ring.append(entry(7, 9.0))
    assert ring.covers(5)
    ring.expire(11.0)
    assert (len(ring), ring.bytes, ring.dropped_number, ring.dropped_at_s) == (1, 100, 6, 0.0)
    assert not ring.covers(5)
    assert ring.covers(6)


def test_an_event_larger_than_the_ring_is_not_kept() -> None:
    ring: Ring[str] = Ring(max_bytes=1000, max_s=10, number=0)
    ring.append(entry(1, 0.0, 2000))
    assert (len(ring), ring.bytes, ring.covers(0), ring.covers(1)) == (0, 0, False, True)
