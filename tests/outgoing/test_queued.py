"""What queues hold is counted once, and no longer than one of them holds it."""

from __future__ import annotations

import hypothesis
from hypothesis import given
from hypothesis import strategies as st
from outgoing.sockets import new_line

from reznet_ws.outgoing.queued import QueueBudget, QueuedFrame
from reznet_ws.settings import Settings


@hypothesis.settings(max_examples=40)
@given(
    st.lists(st.tuples(st.binary(max_size=40), st.frozensets(st.integers(0, 3), min_size=1)), max_size=20),
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["resume", "drop", "give up"])), max_size=4),
)
def test_a_frame_counts_once_until_the_last_line_has_left_it(
    frames: list[tuple[bytes, frozenset[int]]], ends: list[tuple[int, str]]
) -> None:
    budget = QueueBudget()
    lines = [new_line()[0] for _ in range(4)]
    for line in lines:
        line.pause()
    held = []
    for wire, on in frames:
        frame = QueuedFrame(wire, None, budget)
        assert frame.size_bytes > len(wire)
        for index in on:
            lines[index].queue(frame)
        held.append((frame.size_bytes, set(on)))
        assert budget.held_bytes == sum(size for size, _ in held)
    for index, end in [*ends, *((index, "drop") for index in range(4))]:
        match end:
            case "resume":
                lines[index].resume()
            case "drop":
                lines[index].drop()
            case "give up":
                lines[index].give_up(b"goodbye")
        for _, on in held:
            on.discard(index)
        assert budget.held_bytes == sum(size for size, on in held if on)
    assert budget.held_bytes == 0


def test_what_a_protocol_says_itself_does_not_count() -> None:
    frame = QueuedFrame(b"pong")
    frame.take()
    frame.leave()
    assert frame.size_bytes == 0


def test_nobody_may_queue_more_where_messages_may_be_missed_and_all_queues_are_full() -> None:
    budget, settings = QueueBudget(), Settings(max_queued_bytes=100_000, max_held_bytes=2_000_000)
    skipping = settings.replace(skip_slow_readers=True)
    budget.held_bytes = 2_000_000
    assert (budget.most_for_one(settings), budget.most_for_one(skipping)) == (100_000, 100_000)
    budget.held_bytes += 1
    assert (budget.most_for_one(settings), budget.most_for_one(skipping)) == (100_000, 0)
