"""The floor: the same sizes as the libraries give for the whole at once."""

from __future__ import annotations

import lzma
import random

import pytest
from backports import zstd

from reznet_ws.audit.examine.strongest import compress_whole


@pytest.mark.parametrize("count", [1, 5000])
def test_pieces_come_to_what_the_whole_does(count: int) -> None:
    draw = random.Random(1)
    pieces = [b'{"status":"%d"}' % draw.randrange(1000) for _ in range(count)]
    whole = b"".join(pieces)
    told: list[int] = []
    xz_bytes, zstd_bytes = compress_whole(lambda: pieces, len(whole), told.append)
    at_once = lzma.compress(whole, preset=lzma.PRESET_EXTREME | 9)
    assert abs(xz_bytes - len(at_once)) <= 0.01 * len(at_once)
    assert zstd_bytes is not None
    assert abs(zstd_bytes - len(zstd.compress(whole, 22))) <= 0.01 * zstd_bytes + 16
    assert sum(told) == 2 * len(whole)


def test_nothing_is_a_few_bytes_of_frame() -> None:
    xz_bytes, zstd_bytes = compress_whole(list, 0)
    assert 0 < xz_bytes < 100
    assert zstd_bytes is not None
    assert 0 < zstd_bytes < 20


def test_what_repeats_far_apart_is_found() -> None:
    noise = random.Random(1).randbytes(300_000)
    xz_bytes, zstd_bytes = compress_whole(lambda: [noise, noise], 2 * len(noise))
    assert zstd_bytes is not None
    for size in (xz_bytes, zstd_bytes):
        assert size < 1.01 * len(noise)
