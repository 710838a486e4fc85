"""Compressors within a budget: who gets one, and who loses it."""

from reznet_ws.deflate.compressor import Compressor
from reznet_ws.deflate.history import History
from reznet_ws.deflate.kept import KeptCompressors

SMALL = Compressor(9, 6, 1)
ROOM_FOR_TWO = 2 * SMALL.memory_bytes


def used(now: int) -> History:
    history = History(15)
    history.used = now
    return history


def filled() -> tuple[KeptCompressors, History, History]:
    kept, first, second = KeptCompressors(), used(5), used(6)
    kept.trim(7, ROOM_FOR_TWO)
    for history in (first, second):
        assert kept.admits(history, SMALL.memory_bytes)
        kept.keep(history, SMALL)
    return kept, first, second


def test_what_a_compressor_takes_is_what_zlib_says() -> None:
    assert Compressor.size(15, 8) == (1 << 17) + (1 << 17)
    assert SMALL.memory_bytes == Compressor.size(9, 1) == 2048 + 1024


def test_the_least_recently_used_makes_way_for_one_used_more_recently_only() -> None:
    kept, first, second = filled()
    assert not kept.admits(used(4), SMALL.memory_bytes)
    newer = used(6)
    assert kept.admits(newer, SMALL.memory_bytes)
    kept.keep(newer, SMALL)
    assert (first.compressor, second.compressor, newer.compressor) == (None, SMALL, SMALL)
    assert kept.memory_bytes == ROOM_FOR_TWO


def test_who_was_used_is_not_the_next_to_go() -> None:
    kept, first, second = filled()
    first.used = 8
    kept.keep(used(9), SMALL)
    assert first.compressor is SMALL
    assert second.compressor is None


def test_a_smaller_budget_counts_at_once_and_none_admits_nobody() -> None:
    kept, first, second = filled()
    kept.trim(8, SMALL.memory_bytes)
    assert (first.compressor, second.compressor) == (None, SMALL)
    kept.trim(8, 0)
    assert (len(kept), kept.memory_bytes) == (0, 0)
    assert not kept.admits(used(9), SMALL.memory_bytes)


def test_the_idle_keep_none() -> None:
    kept, first, second = filled()
    kept.trim(5 + 1025, ROOM_FOR_TWO)
    assert (first.compressor, second.compressor) == (None, SMALL)


def test_most_members_take_the_compressor_along() -> None:
    kept, first, _ = filled()
    fork = first.fork()
    kept.hand_over(first, fork)
    assert (first.compressor, fork.compressor, len(kept)) == (None, SMALL, 2)
    kept.drop(fork)
    kept.drop(fork)
    assert kept.memory_bytes == SMALL.memory_bytes
