"""The judge of a soak sees each kind of fault, and some seconds of the soak itself find none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.soak.__main__ import arguments, report, soak
from benchmarks.soak.judge import Judge, Verdict


def judged(due: list[int], got: list[int], *, is_over: bool = False) -> Verdict:
    """Of one session, told in the order in which things happen."""
    judge = Judge()
    for number in due:
        judge.emitted(number, ["one"])
    for number in got:
        judge.got("one", number)
    if is_over:
        judge.over("one")
    return judge.close()


@pytest.mark.parametrize(
    ("got", "is_over", "verdict"),
    [
        ([0, 1, 2, 3], False, Verdict(deliveries=4)),
        ([0, 1, 3], False, Verdict(deliveries=3, lost=1)),
        ([0, 1], False, Verdict(deliveries=2, lost=2)),
        ([0, 1], True, Verdict(deliveries=2)),
        ([0, 2], True, Verdict(deliveries=2, lost=1)),
        ([0, 2, 1, 3], False, Verdict(deliveries=4, overtaken=1)),
        ([0, 1, 1, 2, 3], False, Verdict(deliveries=5, doubled=1)),
        ([0, 1, 2, 3, 7], False, Verdict(deliveries=4, misdelivered=1)),
        ([0, 1, -1, 2, 3], False, Verdict(deliveries=5, misdelivered=1)),
    ],
)
def test_the_judge_knows_what_is_wrong(got: list[int], is_over: bool, verdict: Verdict) -> None:
    assert judged([0, 1, 2, 3], got, is_over=is_over) == verdict
    assert verdict.is_right is (got == [0, 1, 2, 3] or (got == [0, 1] and is_over))


@given(st.lists(st.frozensets(st.sampled_from("abc")), max_size=30), st.data())
def test_what_comes_before_it_is_told_of_is_no_fault(emissions: list[frozenset[str]], data: st.DataObject) -> None:
    judge = Judge()
    for number, sessions in enumerate(emissions):
        is_told_first = data.draw(st.booleans())
        if is_told_first:
            judge.emitted(number, sorted(sessions))
        for sid in sessions:
            judge.got(sid, number)
        if not is_told_first:
            judge.emitted(number, sorted(sessions))
            judge.told()
    assert judge.outstanding == 0
    verdict = judge.close()
    assert verdict == Verdict(deliveries=sum(map(len, emissions)))


def test_what_a_session_got_before_its_end_may_be_told_of_later() -> None:
    judge = Judge()
    judge.got("one", 0)
    judge.over("one")
    judge.emitted(0, ["one"])
    judge.told()
    assert judge.close() == Verdict(deliveries=1)


def test_a_short_soak_finds_nothing_wrong() -> None:
    run = soak(arguments(["--minutes", "0.06", "--clients", "36", "--reconnects", "0.4", "--rate", "60"]))
    assert run.faults == [], report(run)
    assert run.verdict.deliveries > 200
    for name, tally in run.tallies.items():
        assert min(tally.events, tally.asked) > 0, name
    assert sum(tally.recovered for tally in run.tallies.values()) > 0
    assert run.growth is None  # no time to tell
