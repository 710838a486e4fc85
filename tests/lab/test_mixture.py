"""Which client asks for which format."""

from __future__ import annotations

from collections import Counter

import pytest

from reznet_ws.lab.clients.mixture import FORMATS, check_shares, format_of, has_share

MIXTURES = [{}, {"plain": 0.5}, {"plain": 1.0}, {"rows": 1.0}, {"plain": 0.2, "rows": 0.8}, {"plain": 0.3, "rows": 0.5}]


@pytest.mark.parametrize("shares", MIXTURES, ids=str)
def test_the_shares_hold_for_a_hundred_and_nearly_for_the_first_ten(shares: dict[str, float]) -> None:
    wanted = {**shares, "abbreviated": 1 - sum(shares.values())}
    for count, off in ((100, 0), (10, 1)):
        counts = Counter(format_of(number, shares) for number in range(count))
        assert all(abs(counts[name] - count * wanted.get(name, 0)) <= off + 0.01 for name in FORMATS)


def test_a_share_is_spread_evenly() -> None:
    assert [has_share(number, 0.25) for number in range(8)] == [False, False, False, True] * 2


@pytest.mark.parametrize("shares", [{"xml": 0.5}, {"plain": -0.1}, {"plain": 0.6, "rows": 0.6}, {"rows": 2}], ids=str)
def test_shares_that_are_none_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"formats|no such format"):
        check_shares(shares)
