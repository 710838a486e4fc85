"""The rule: who shares a compression, and how much text it may refer to."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reznet_ws.deflate.history import History
from reznet_ws.deflate.sharing import STOCK_BITS, Readers, divide, effort, text_bits


def history(*messages: bytes, bits: int = 15) -> History:
    made = History(bits)
    for message in messages:
        made.append(message, 1 << bits, len(message) // 4, now=1)
    return made


def message(number: int, size: int = 700) -> bytes:
    return random.Random(number).randbytes(size // 2).hex().encode()


def readers_of(*histories: History, count: int = 1) -> list[Readers[int]]:
    return [(one, range(count)) for one in histories]


@given(st.data())
@settings(deadline=None)
def test_what_a_group_may_refer_to_all_its_members_were_sent(data: st.DataObject) -> None:
    common = [message(number) for number in range(60)]
    histories = []
    for place in range(data.draw(st.integers(2, 8))):
        start = data.draw(st.integers(0, 60))
        missed = data.draw(st.sets(st.integers(0, 59), max_size=3))
        bits = data.draw(st.sampled_from([15, 15, 15, 12, 9]))
        own = [message(1000 + place)]
        histories.append(history(*own, *(common[n] for n in range(start, 60) if n not in missed), bits=bits))
    most_bits = data.draw(st.sampled_from([15, 13, 9]))
    groups = divide(readers_of(*histories), data.draw(st.sampled_from([50, 700, 5000])), most_bits)
    served = [one for group in groups for one, _ in group.readers]
    assert sorted(map(id, served)) == sorted(map(id, histories))
    for group in groups:
        window = 1 << group.bits
        texts = {b"".join(one.messages)[-window:] for one, _ in group.readers}
        assert len(texts) == 1
        assert group.bits <= min(most_bits, *(one.bits for one, _ in group.readers))
        least = min(STOCK_BITS, most_bits, group.readers[0][0].bits)
        assert group.bits >= least, "as much as stock, or all there is"


def test_newcomers_who_have_little_are_sent_what_refers_to_all_of_it() -> None:
    common = [message(number) for number in range(5)]
    groups = divide(readers_of(*(history(*common[start:]) for start in range(5))), 700, 15)
    assert len(groups) == 5


def test_who_joined_at_different_times_shares_what_came_since() -> None:
    """Sixty that came one after another: a few compressions, and the many keep all of their text."""
    common = [message(number) for number in range(120)]
    late = [history(*common[start:]) for start in range(50, 110)]
    groups = divide([(history(*common), range(900)), *readers_of(*late)], 700, 15)
    assert len(groups) < 6
    assert next(group.bits for group in groups if len(group.readers[0][1]) == 900) == 15


@pytest.mark.parametrize("size", [20, 60])
def test_the_more_receivers_or_bytes_the_more_text(size: int) -> None:
    full = history(*(message(number) for number in range(60)))
    used = [text_bits(full, count, size, 15) for count in (1, 10, 100, 1000)]
    assert used == sorted(used)
    assert used[0] < used[-1] == 15
    assert text_bits(full, 1, 60, 15) <= text_bits(full, 1, 700, 15)


def test_the_less_histories_have_in_common_the_more_compressions_are_worth_it_to_many() -> None:
    common = [message(number) for number in range(60)]
    apart = [history(message(1000 + place), *common[48:]) for place in range(10)]
    few, many = (len(divide(readers_of(*apart, count=count), 300, 15)) for count in (1, 1000))
    assert few == many == 1, "more text than they have in common is worth nothing to anybody"
    apart = [history(*common[:30], message(1000 + place), *common[48:]) for place in range(10)]
    few, many = (len(divide(readers_of(*apart, count=count), 100, 15)) for count in (1, 1000))
    assert few < many == 10


def test_few_hold_half_of_what_several_do_and_a_client_no_more_than_it_promised() -> None:
    assert [effort(History(15), count, 15)[1] for count in (1, 2, 3)] == [14, 14, 15]
    assert [effort(History(bits), 3, 15)[1] for bits in (9, 12)] == [9, 12]
    assert effort(History(15), 3, 13)[1] == 13


def test_random_text_is_not_looked_for_far_away() -> None:
    random_text = History(15)
    for number in range(60):
        random_text.append(message(number), 1 << 15, 420, now=1)
    assert effort(random_text, 100, 15)[0] == STOCK_BITS


def test_patience_goes_to_long_matches_and_to_many() -> None:
    easy, hard = History(15), History(15)
    for number in range(30):
        easy.append(message(number), 1 << 15, 100, now=1)
        hard.append(message(number), 1 << 15, 250, now=1)
    assert [effort(easy, 1, 15)[2], effort(hard, 1, 15)[2], effort(hard, 20, 15)[2]] == [8, 6, 8]
