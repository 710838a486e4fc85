"""Clients and their histories, computed: the code is the server's, and what a client got tells all that it knows."""

from __future__ import annotations

import zlib

import pytest

from reznet_ws.draw.history_charts import draw_histories
from reznet_ws.lab.explain.examples import CHINESE, RUSSIAN
from reznet_ws.replay.frames import framed_bytes
from reznet_ws.replay.guessing import guess_digits, guess_sizes
from reznet_ws.replay.joins import join_at, primer, roll_call
from reznet_ws.replay.link import as_text
from reznet_ws.replay.members import (
    FIGURES,
    NO_HISTORY,
    SENTINEL,
    Members,
    WatchedMembers,
    inflate_all,
    own_bytes,
)
from reznet_ws.replay.trace import take
from reznet_ws.settings import Settings

EVENTS = take(300)
TEXTS = [as_text(event) for event in EVENTS]


def test_a_text_is_what_a_stock_client_reads() -> None:
    assert as_text(("e", {"message_id": "1"})) == b'42["e",{"message_id":"1"}]'


def test_members_who_are_sent_the_same_get_one_frame_and_one_letter() -> None:
    room = WatchedMembers(5)
    for text in TEXTS[:20]:
        assert len(set(room.send(text))) == 1
    assert room.letters == "AAAAA"
    room.join()
    assert room.letters == "AAAAA" + NO_HISTORY
    room.send(TEXTS[20])
    assert room.letters == "AAAAAB"


def test_whoever_goes_its_own_way_gets_another_letter_until_it_holds_the_same_again() -> None:
    room = WatchedMembers(6)
    room.send(TEXTS[0])
    room.send(TEXTS[1], range(2))
    assert len(set(room.letters[:2])) == len(set(room.letters[2:])) == 1
    assert room.letters[0] != room.letters[2]
    # More than any window holds, sent to all of them.
    for text in TEXTS[2:]:
        room.send(text)
    room.send(b"x" * 40_000)
    room.send(TEXTS[0])
    assert len(set(room.letters)) == 1


def test_what_is_secret_travels_clear_and_leaves_every_history_as_it_was() -> None:
    room = WatchedMembers(3)
    room.send(TEXTS[0])
    before = room.compressions
    (frame,) = room.send(b"for one", [1], secret=True)
    assert frame.endswith(b"for one")
    assert (room.letters, room.compressions) == ("AAA", before)


def test_a_window_each_takes_what_its_compressor_gives() -> None:
    deflater = FIGURES.deflater()
    sizes = [len(deflater.compress(text)) + len(deflater.flush(zlib.Z_SYNC_FLUSH)) - 4 for text in TEXTS[:50]]
    own = own_bytes(TEXTS[:50], [0] * 50, 7, FIGURES)
    assert own == [framed_bytes(size) for size in sizes]
    room = Members(7)
    assert sum(len(room.send(text)[0]) for text in TEXTS[:50]) <= sum(own)
    half_replaced = own_bytes(TEXTS[:50], [0] * 49 + [7], 7, FIGURES)
    assert half_replaced[:49] == own[:49]
    assert half_replaced[49] > own[49]


def test_whatever_goes_to_some_can_be_read_by_everybody() -> None:
    room = Members(10)
    frames: list[list[bytes]] = [[] for _ in range(10)]
    sent: list[list[bytes]] = [[] for _ in range(10)]
    for number, text in enumerate(TEXTS[:60]):
        to = range(number % 10 + 1) if number % 3 else range(10)
        for place, frame in zip(to, room.send(text, to), strict=True):
            frames[place].append(frame)
            sent[place].append(text)
    assert [inflate_all(got) for got in frames] == sent


def test_a_frame_that_refers_to_what_a_client_was_not_sent_shows() -> None:
    room = Members(2)
    first, second = (room.send(text)[0] for text in (TEXTS[0], TEXTS[0]))
    assert inflate_all([first, second]) == [TEXTS[0]] * 2
    (stray,) = inflate_all([second])
    assert SENTINEL[:1] in stray


# Text of one, two and three bytes a character, and more of it than any window holds.
MIXED = [text for at in range(300) for text in (TEXTS[at], as_text(("e", f"{RUSSIAN[at % 40 :]}{at}{CHINESE}")))]


@pytest.mark.parametrize("bits", range(9, 16))
def test_a_primer_puts_a_newcomer_in_step_with_any_window(bits: int) -> None:
    room = Members(2, Settings(deflate_window_bits=bits))
    frames = [room.send(text)[0] for text in MIXED]
    noop, *rest = inflate_all([primer(b"".join(MIXED[:550]), bits), *frames[550:]])
    assert noop.startswith(b"6")
    assert rest == MIXED[550:]


@pytest.mark.parametrize("bits", [9, 15])
def test_a_primer_is_text_that_fills_the_window_wherever_it_is_cut(bits: int) -> None:
    for more in range(4):
        past = CHINESE.encode() * 1000 + b"x" * more
        (noop,) = inflate_all([primer(past, bits)])
        assert past.decode().endswith(noop.decode()[1:])
        assert 2**bits - 262 <= len(noop) - 1 < 2**bits - 262 + len("中".encode())
    assert inflate_all([primer(b"", bits), primer(b"short", bits)]) == [b"6", b"6short"]


def test_half_a_primer_is_not_enough() -> None:
    room = Members(2)
    frames = [room.send(text)[0] for text in MIXED]
    half = b"".join(MIXED[:400])[-(2**14) :]
    assert any(SENTINEL[:1] in text for text in inflate_all([primer(half, 15), *frames[400:]]))


def test_an_empty_window_loses_less_than_a_primer_takes_but_where_all_is_said_again() -> None:
    moments = [1, 50, 150, 200]
    joins = join_at(TEXTS, moments)
    assert [join.after for join in joins] == moments
    assert [len(join.lost_bytes) for join in joins] == [len(TEXTS) - after for after in moments]
    assert all(0 < join.most_lost_bytes < join.primer_bytes for join in joins)
    (call,) = join_at(roll_call(350, 1000), [500])
    assert call.primer_bytes < call.most_lost_bytes
    (last,) = join_at(TEXTS, [len(TEXTS)])
    assert last.most_lost_bytes == 0


def test_a_right_guess_makes_a_secret_shorter() -> None:
    guesses = {code: ("chat", {"text": f"code {code}"}) for code in ("0000", "7319", "2222")}
    sizes = guess_sizes(("key", {"text": "code 7319"}), guesses)
    assert sizes["7319"] < sizes["0000"] == sizes["2222"]


@pytest.mark.parametrize("code", ["7319", "4802"])
def test_forty_questions_find_four_digits(code: str) -> None:
    rounds = guess_digits(("key", {"text": f"the code is {code}"}), "the code is {}, is it?", 4)
    assert [len(sizes) for sizes in rounds] == [10] * 4
    assert "".join(min(sizes, key=sizes.__getitem__) for sizes in rounds) == code


def test_windows_are_drawn_and_said() -> None:
    picture = draw_histories("a finding", "counted", ["AA", "AA", "AAB", "CC·"])
    assert [row.split(maxsplit=2) for row in repr(picture).splitlines()[1:]] == [
        ["client", "1", "1–3 A, 4–4 C"],
        ["client", "2", "1–3 A, 4–4 C"],
        ["client", "3", "3–3 B, 4–4 ·"],
    ]
    assert [(bar.base, bar.x[0]) for bar in picture.figure.data if bar.y[0] == "client 3"] == [(2, 1), (3, 1)]
