"""What repeats a text that lies far back names the place instead."""

from __future__ import annotations

import random
import time

import pytest

from reznet_ws.message.rows_far import MIN_TEXT_CHARS, FarHistory
from reznet_ws.message.rows_text import FAR

REFERENCE_CHARS = 8
_HAN = "".join(map(chr, range(0x4E00, 0x4F00)))


def _text(seed: int, chars: int, alphabet: str = "abcdefghij klmnop\\nqrstuvwxyz") -> str:
    return "".join(random.Random(seed).choices(alphabet, k=chars))


def test_a_text_from_long_ago_costs_one_reference() -> None:
    document = _text(1, 3000)
    _, history = FarHistory(2**20).shorten(document)
    for seed in range(2, 12):
        sent, history = history.shorten(_text(seed, 3000))
        assert FAR not in sent
    sent, _ = history.shorten(f"before {document} after")
    assert len(sent) == len("before  after") + REFERENCE_CHARS
    assert sent.startswith("before " + FAR)
    assert sent.endswith(" after")


def test_what_deflate_reaches_is_left_to_it_unless_it_is_long() -> None:
    document = _text(1, 3000)
    _, history = FarHistory(2**20).shorten(document)
    short = document[1000:1700] + _text(2, 600)
    assert history.shorten(short)[0] == short
    long = document[1000:1900] + _text(2, 600)
    assert len(history.shorten(long)[0]) == 600 + REFERENCE_CHARS


def test_what_left_the_history_is_not_referred_to() -> None:
    document = _text(1, 3000)
    _, history = FarHistory(10_000).shorten(document)
    for seed in range(2, 5):
        _, history = history.shorten(_text(seed, 3000))
    assert history.shorten(document)[0] == document


@pytest.mark.parametrize("alphabet", ["0123456789abcdef", "абвгдежзиклмнопрстуфхцчшщ ", _HAN, _HAN + "😀😁"])
def test_repeats_are_found_in_every_script(alphabet: str) -> None:
    document = _text(1, 4000, alphabet)
    _, history = FarHistory(2**20).shorten(document)
    assert len(history.shorten(_text(2, 700) + document)[0]) < 700 + 2000


def test_two_that_part_refer_to_nothing_of_each_other() -> None:
    first, one_text, other_text = (_text(seed, 3000) for seed in (1, 2, 3))
    _, common = FarHistory(2**20).shorten(first)
    _, one = common.shorten(one_text)
    _, other = common.shorten(other_text)
    assert one.shorten(other_text)[0] == other_text
    assert other.shorten(one_text)[0] == one_text
    for history, text in ((one, one_text), (other, other_text), (common, first), (one, first), (other, first)):
        assert len(history.shorten(text)[0]) < 2 * REFERENCE_CHARS
    assert common.shorten(one_text)[0] == one_text


def test_a_history_holds_what_it_may_and_little_more() -> None:
    history = FarHistory(20_000)
    for seed in range(200):
        _, history = history.shorten(_text(seed, MIN_TEXT_CHARS))
    assert sum(map(len, history.log.texts[history.first :])) <= 20_000
    assert sum(map(len, history.log.texts)) <= 3 * 20_000 + 100 * MIN_TEXT_CHARS


def test_time_grows_with_the_text_however_it_repeats() -> None:
    """A text of one character, a column of near repeats: thousands of places that all look alike."""
    for text in ("7" * 200_000, "k7" * 100_000, ("7" * 300 + "x") * 600):
        _, history = FarHistory(2**20).shorten(text)
        begin = time.process_time()
        history.shorten(text[:100_000] + "!" + text[100_000:])
        assert time.process_time() - begin < 20  # comparing each with each would take minutes
