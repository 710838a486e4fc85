"""Layer 4 over simulated time: everything once, in order, within the window, and shared where it can be."""

from __future__ import annotations

from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from reznet_ws.message.batch import Batch, MessageBatcher
from reznet_ws.settings import Settings

RECEIVERS = "abcd"
groups = st.sampled_from(RECEIVERS).map(list) | st.lists(st.sampled_from(RECEIVERS), min_size=1, unique=True)
windows = st.sampled_from([0.0, 0.1, 0.5, 0.999, 1.0, 1.001, 3.0])


def _batcher(**changes: Any) -> MessageBatcher[str, str]:
    return MessageBatcher(Settings(batch=True, batch_window_ms=50, batch_max_messages=3).replace(**changes))


def _add(
    batcher: MessageBatcher[str, str],
    receivers: str,
    message: str,
    now_ms: float,
    *,
    may_wait: bool = True,
    latest: str | None = None,
) -> list[tuple[str, str]]:
    key = None if latest is None else (latest,)
    return _read(batcher.add(receivers, message, now_ms, may_wait=may_wait, latest=key))


def _read(batches: list[Batch[str, str]]) -> list[tuple[str, str]]:
    return [("".join(batch.receivers), "".join(batch.messages)) for batch in batches]


# The rules, one by one


def test_the_first_message_goes_at_once_and_opens_the_window() -> None:
    batcher = _batcher()
    assert batcher.closes_ms is None
    assert _add(batcher, "ab", "1", 1000) == [("ab", "1")]
    assert batcher.closes_ms == 1050


def test_what_follows_waits_until_the_window_closes() -> None:
    batcher = _batcher()
    _add(batcher, "ab", "1", 0)
    assert _add(batcher, "ab", "2", 10) == []
    assert _add(batcher, "ab", "3", 49) == []
    assert batcher.due(49.9) == []
    assert _read(batcher.due(50)) == [("ab", "23")]
    assert batcher.closes_ms == 100
    assert _add(batcher, "ab", "4", 99) == []
    assert _read(batcher.due(100)) == [("ab", "4")]


def test_after_a_window_in_which_nothing_waited_the_next_goes_at_once() -> None:
    batcher = _batcher()
    _add(batcher, "ab", "1", 0)
    assert batcher.due(50) == []
    assert batcher.closes_ms is None
    assert _add(batcher, "ab", "2", 51) == [("ab", "2")]
    assert batcher.closes_ms == 101


def test_a_receiver_that_has_had_nothing_does_not_wait_for_anothers_window() -> None:
    batcher = _batcher()
    _add(batcher, "a", "1", 0)
    assert _add(batcher, "abc", "2", 10) == [("bc", "2")]
    assert batcher.closes_ms == 50
    assert _add(batcher, "abc", "3", 20) == []
    assert _read(batcher.due(50)) == [("a", "23"), ("bc", "3")]


def test_a_full_batch_goes_before_the_window_closes() -> None:
    batcher = _batcher()
    _add(batcher, "ab", "1", 0)
    assert _add(batcher, "ab", "2", 1) == []
    assert _add(batcher, "a", "3", 2) == []
    assert _add(batcher, "ab", "4", 3) == [("a", "234")]
    assert _add(batcher, "ab", "5", 4) == [("b", "245")]
    assert _read(batcher.due(50)) == [("a", "5")]


def test_a_critical_message_goes_at_once_behind_what_waits_for_its_receivers() -> None:
    batcher = _batcher()
    _add(batcher, "abc", "1", 0)
    _add(batcher, "abc", "2", 10)
    _add(batcher, "b", "3", 20)
    assert _add(batcher, "ab", "!", 30, may_wait=False) == [("a", "2"), ("b", "23"), ("ab", "!")]
    assert batcher.closes_ms == 50
    assert _read(batcher.due(50)) == [("c", "2")]


def test_a_critical_message_opens_no_window() -> None:
    batcher = _batcher()
    assert _add(batcher, "a", "!", 0, may_wait=False) == [("a", "!")]
    assert batcher.closes_ms is None
    assert _add(batcher, "a", "1", 1) == [("a", "1")]


def test_a_late_timer_lets_nothing_overtake() -> None:
    for may_wait, expected in ((False, [("a", "2"), ("a", "3")]), (True, [("a", "2")])):
        batcher = _batcher()
        _add(batcher, "a", "1", 0)
        _add(batcher, "a", "2", 10)
        assert _add(batcher, "a", "3", 500, may_wait=may_wait) == expected
        assert batcher.closes_ms == 550


def test_without_the_layer_nothing_waits() -> None:
    batcher = _batcher(batch=False)
    assert [_add(batcher, "a", message, 0) for message in "123"] == [[("a", "1")], [("a", "2")], [("a", "3")]]
    assert batcher.closes_ms is None


def test_switching_the_layer_off_sends_what_waits_first() -> None:
    batcher = _batcher()
    _add(batcher, "a", "1", 0)
    _add(batcher, "a", "2", 1)
    batcher.settings = batcher.settings.replace(batch=False)
    assert _add(batcher, "a", "3", 2) == [("a", "2"), ("a", "3")]


def test_flush_gives_what_waits_for_some_or_for_all() -> None:
    batcher = _batcher()
    assert batcher.flush() == []
    _add(batcher, "abc", "1", 0)
    _add(batcher, "abc", "2", 1)
    assert _read(batcher.flush("bx")) == [("b", "2")]
    assert _read(batcher.flush()) == [("ac", "2")]
    assert batcher.flush() == []
    assert batcher.closes_ms == 50


def test_a_receiver_that_is_gone_gets_nothing_and_starts_afresh() -> None:
    batcher = _batcher()
    _add(batcher, "ab", "1", 0)
    _add(batcher, "ab", "2", 1)
    batcher.discard("a")
    batcher.discard("never seen")
    assert _add(batcher, "a", "3", 2) == [("a", "3")]
    assert _read(batcher.due(50)) == [("b", "2")]


def test_of_those_that_wait_only_the_newest_of_a_key_is_sent() -> None:
    batcher = _batcher(batch_max_messages=10)
    _add(batcher, "abc", "1", 0, latest="x")
    for receivers, message, key in (("ab", "2", "x"), ("abc", "3", None), ("a", "4", "y"), ("bc", "5", "x")):
        assert _add(batcher, receivers, message, 10, latest=key) == []
    assert _read(batcher.due(50)) == [("a", "234"), ("bc", "35")]
    assert batcher.conflated.messages == 1  # b's "2"; what has been sent, as "1", was no use to drop


def test_what_must_not_wait_makes_older_ones_of_its_key_pointless_too() -> None:
    batcher = _batcher()
    _add(batcher, "abc", "1", 0)
    _add(batcher, "ab", "2", 1, latest="x")
    _add(batcher, "b", "3", 2)
    assert _add(batcher, "abc", "4", 3, may_wait=False, latest="x") == [("b", "3"), ("abc", "4")]
    assert batcher.conflated.messages == 2


def test_what_gave_way_fills_no_batch() -> None:
    batcher = _batcher(batch_max_messages=2)
    _add(batcher, "a", "1", 0, latest="x")
    assert [_add(batcher, "a", message, 1, latest="x") for message in "234"] == [[]] * 3
    assert _add(batcher, "a", "5", 2) == [("a", "45")]


def test_equal_messages_are_still_separate_messages() -> None:
    class Same:
        def __eq__(self, other: object) -> bool:
            raise AssertionError("contents are not compared")

        __hash__ = None  # type: ignore[assignment]

    one, two = Same(), Same()
    batcher: MessageBatcher[str, Same] = MessageBatcher(Settings(batch=True))
    batcher.add("ab", one, 0, may_wait=True)
    batcher.add("a", one, 1, may_wait=True)
    batcher.add("b", two, 1, may_wait=True)
    assert [batch.receivers for batch in batcher.due(50)] == [("a",), ("b",)]


@pytest.mark.parametrize("window_ms", [1, 50, 1000])
def test_a_lone_message_now_and_then_is_never_delayed(window_ms: float) -> None:
    batcher = _batcher(batch_window_ms=window_ms)
    for turn in range(20):
        assert _add(batcher, "a", str(turn), turn * window_ms) == [("a", str(turn))]


def test_a_steady_stream_is_one_batch_per_window() -> None:
    batcher = _batcher(batch_max_messages=1000)
    sent = []
    for ms in range(0, 1000, 10):
        sent += _read(batcher.due(ms)) + _add(batcher, "abcd", "x", ms)
    assert [receivers for receivers, _ in sent] == ["abcd"] * 20
    assert [len(messages) for _, messages in sent] == [1, 4, *[5] * 18]


# Any schedule


class Schedule(RuleBasedStateMachine):
    """Any order of calls, on a timer that fires when `closes_ms` says or late, against what each receiver is owed."""

    @initialize(
        window_ms=st.sampled_from([1, 50, 333.3]), most=st.integers(1, 4), now_ms=st.sampled_from([0.0, -7.5, 1e9])
    )
    def start(self, window_ms: float, most: int, now_ms: float) -> None:
        self.settings = Settings(batch=True, batch_window_ms=window_ms, batch_max_messages=most)
        self.batcher: MessageBatcher[str, int] = MessageBatcher(self.settings)
        self.now_ms = now_ms
        self.count = 0
        # Receiver -> the messages it is owed, each with the time of its arrival.
        self.owed: dict[str, list[tuple[int, float]]] = {receiver: [] for receiver in RECEIVERS}
        # Receiver -> when it last got anything.
        self.last_ms = dict.fromkeys(RECEIVERS, -1e12)
        # Who has had a message to open, or close, the window that is open now.
        self.held: set[str] = set()

    @rule(receivers=groups)
    def add(self, receivers: list[str]) -> None:
        if self.batcher.closes_ms is not None and self.batcher.closes_ms <= self.now_ms:
            self.held = set()
        since_ms = self.now_ms - self.settings.batch_window_ms
        idle = {receiver for receiver in receivers if self.last_ms[receiver] < since_ms and not self.owed[receiver]}
        got = self._add(receivers, may_wait=True)
        for receiver in receivers:
            if receiver in idle or not self.settings.batch:
                assert not self.owed[receiver]
            if receiver in self.held and self.settings.batch:  # held back, unless there is a batch full
                assert got.get(receiver, 0) in (0, self.settings.batch_max_messages)
        if self.settings.batch:
            self.held.update(got)

    @rule(receivers=groups)
    def add_critical(self, receivers: list[str]) -> None:
        self._add(receivers, may_wait=False)
        assert not any(self.owed[receiver] for receiver in receivers)

    @rule(receivers=groups, times=windows)
    def add_with_a_late_timer(self, receivers: list[str], times: float) -> None:
        self.now_ms += times * self.settings.batch_window_ms
        self.add(receivers)

    @rule(times=windows)
    def wait(self, times: float) -> None:
        until_ms = self.now_ms + times * self.settings.batch_window_ms
        while self.batcher.closes_ms is not None and self.batcher.closes_ms <= until_ms:
            assert self.batcher.closes_ms > self.now_ms
            self.now_ms = self.batcher.closes_ms
            self.held = set(self._take(self.batcher.due(self.now_ms)))
            assert not any(self.owed.values())
        self.now_ms = until_ms
        assert self.batcher.due(self.now_ms) == []

    @rule(receivers=st.none() | groups)
    def flush(self, receivers: list[str] | None) -> None:
        self._take(self.batcher.flush(receivers))
        assert not any(self.owed[receiver] for receiver in receivers or RECEIVERS)

    @rule(receiver=st.sampled_from(RECEIVERS))
    def discard(self, receiver: str) -> None:
        self.batcher.discard(receiver)
        self.owed[receiver] = []
        self.held.discard(receiver)

    @rule(batch=st.booleans(), most=st.integers(1, 4))
    def switch(self, batch: bool, most: int) -> None:
        self._take(self.batcher.flush())
        self.settings = self.batcher.settings = self.settings.replace(batch=batch, batch_max_messages=most)

    @invariant()
    def nothing_waits_longer_than_the_window(self) -> None:
        waiting = [arrived for owed in self.owed.values() for _, arrived in owed]
        if waiting:
            assert self.batcher.closes_ms is not None
            assert self.batcher.closes_ms <= min(waiting) + self.settings.batch_window_ms
            assert self.batcher.closes_ms > self.now_ms

    @invariant()
    def nothing_that_waits_is_a_full_batch(self) -> None:
        assert all(len(owed) < self.settings.batch_max_messages for owed in self.owed.values())

    def teardown(self) -> None:
        if hasattr(self, "batcher"):
            self._take(self.batcher.flush())
            assert not any(self.owed.values())

    def _add(self, receivers: list[str], *, may_wait: bool) -> dict[str, int]:
        self.count += 1
        for receiver in receivers:
            self.owed[receiver].append((self.count, self.now_ms))
        return self._take(self.batcher.add(receivers, self.count, self.now_ms, may_wait=may_wait))

    def _take(self, batches: list[Batch[str, int]]) -> dict[str, int]:
        """Check batches against what is owed; how many messages each receiver got."""
        got: dict[str, int] = {}
        if self.settings.batch_max_messages > 1:  # where one message is a full batch, it may go on two grounds
            assert len({batch.messages for batch in batches}) == len(batches), "the same messages in two batches"
        for batch in batches:
            assert len(set(batch.receivers)) == len(batch.receivers) > 0
            assert 0 < len(batch.messages) <= self.settings.batch_max_messages
            for receiver in batch.receivers:
                owed = self.owed[receiver]
                assert tuple(message for message, _ in owed[: len(batch.messages)]) == batch.messages
                del owed[: len(batch.messages)]
                got[receiver] = got.get(receiver, 0) + len(batch.messages)
                self.last_ms[receiver] = self.now_ms
        return got


TestSchedule = Schedule.TestCase
TestSchedule.settings = hypothesis.settings(max_examples=150, stateful_step_count=40, deadline=None)
