"""Every target survives what it begins with; `./run fuzz` goes on from there for as long as it is let."""

from __future__ import annotations

import pytest

from fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_what_it_begins_with_passes(name: str) -> None:
    for seed in TARGETS[name].seeds:
        for data in (seed, seed[: len(seed) // 2], seed[::-1], b""):
            TARGETS[name].run(data)
