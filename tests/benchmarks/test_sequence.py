"""What each client is due: every message that was for it, once, in order, unaltered, whichever format it comes in."""

from __future__ import annotations

import pytest

from benchmarks.sequence import Due, Expected, LoadError, Play
from reznet_ws.replay.script import Script, Sending

# Client 0 is in the room, client 1 is not; the third message is for client 1 alone.
SCRIPT = Script(
    [["e", {"n": 1, "m": 2**60}], ["e", 2.0], ["f", "x"]],
    [["r0"], []],
    [Sending(0, None, None), Sending(1, "r0", None), Sending(2, 1, None), Sending(1, None, 1)],
)
FIRST, SECOND, THIRD = b'42["e",{"m":1152921504606847000,"n":1}]', b'42["e",2]', b'42["f","x"]'


def _due(slot: int, *, is_endless: bool = False) -> tuple[Expected, Due]:
    expected = Expected(SCRIPT)
    return expected, expected.due(Play(0, 4, 100, is_endless=is_endless), slot)


def test_what_is_due_passes_in_javascripts_numbers_and_is_told_by_its_number() -> None:
    expected, due = _due(0)
    assert [expected.check(due, text) for text in (FIRST, SECOND, SECOND)] == [[100], [101], [103]]
    expected, due = _due(1)
    assert [expected.check(due, text) for text in (FIRST, THIRD)] == [[100], [102]]
    assert due.next == 104


def test_a_batch_of_format_2_is_as_many_messages() -> None:
    expected, due = _due(0)
    batch = b'42["message_batch",{"batch":true,"messages":[{"e":"e","d":{"_v":2,"n":1,"~m":1152921504606846976}},%s]}]'
    assert expected.check(due, batch % b'{"e":"e","d":2}') == [100, 101]


@pytest.mark.parametrize("text", [SECOND, b'42["e",{"n":1}]', b'42["f",{"n":1,"m":1152921504606846976}]', THIRD])
def test_what_is_not_due_ends_the_run(text: bytes) -> None:
    expected, due = _due(0)
    with pytest.raises(LoadError, match="emission 100 was due and this came"):
        expected.check(due, text)


def test_what_comes_once_too_often_ends_the_run() -> None:
    expected, due = _due(1)
    for text in (FIRST, THIRD):
        expected.check(due, text)
    with pytest.raises(LoadError, match="a client got 3 messages of 2"):
        expected.check(due, THIRD)


def test_a_lap_begins_anew_where_the_script_is_played_again_and_again() -> None:
    expected, due = _due(1, is_endless=True)
    numbers = [expected.check(due, text) for text in (FIRST, THIRD, FIRST, THIRD)]
    assert numbers == [[100], [102], [104], [106]]
    due.advance(3)
    assert due.next == 114


def test_who_is_due_nothing_lacks_nothing() -> None:
    expected = Expected(SCRIPT)
    assert expected.due(Play(1, 1, 7), 1).next == 8
    assert expected.due(Play(1, 1, 7, is_endless=True), 1).next > 1_000_000


def test_emissions_are_due_one_after_the_other_at_the_rate() -> None:
    assert Play(5, 100, 40, rate_per_s=20).due_ns(42, 7_000_000_000) == 7_100_000_000
