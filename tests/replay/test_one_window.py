"""Frames of one connection: what a window of each kind makes of the same messages."""

from __future__ import annotations

import random

from reznet_ws.replay.one_window import bare_sizes, deflated_sizes, zstd_sizes

DRAW = random.Random(1)
TEXT = "".join(DRAW.choices("abcdefghijklmnop ", k=3000))
FAR = [TEXT, *("".join(DRAW.choices("qrstuvwxyz ", k=9000)) for _ in range(6)), TEXT]


def test_a_window_finds_what_lies_in_it_and_a_larger_one_what_lies_further_back() -> None:
    bare, deflated, far = (list(sizes(FAR)) for sizes in (bare_sizes, deflated_sizes, zstd_sizes))
    assert bare[0] == bare[-1] == len(TEXT) + 1 + 4
    assert deflated[-1] > 1000 > 60 > far[-1]
    assert list(deflated_sizes([TEXT, TEXT]))[-1] < 60
