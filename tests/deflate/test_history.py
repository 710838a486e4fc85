"""A list of messages, cut to what a window can reach."""

from hypothesis import given
from hypothesis import strategies as st

from reznet_ws.deflate.history import History


@given(st.lists(st.integers(0, 900), max_size=60))
def test_it_holds_the_end_of_what_was_sent_and_only_what_is_needed(sizes: list[int]) -> None:
    history, sent = History(15), b""
    for number, size in enumerate(sizes):
        message = bytes([number]) * size
        history.append(message, 4096, size // 4, now=number)
        sent += message
        held = b"".join(history.messages)
        assert sent.endswith(held)
        assert len(held) == history.text_bytes
        assert len(held) >= min(4096, len(sent))
        assert not history.messages or len(held) - len(history.messages[0]) < 4096


@given(st.lists(st.integers(1, 900), min_size=1, max_size=60), st.integers(1, 30_000))
def test_its_tail_is_the_fewest_messages_that_are_enough(sizes: list[int], least_bytes: int) -> None:
    history = History(15)
    for size in sizes:
        history.append(b"x" * size, 32_768, size // 4, now=1)
    if history.text_bytes < least_bytes:
        return
    tail = history.tail(least_bytes)
    assert tail == tuple(history.messages[-len(tail) :])
    assert sum(map(len, tail)) >= least_bytes > sum(map(len, tail[1:]))


def test_the_smallest_messages_are_not_held_without_end() -> None:
    history = History(15)
    for number in range(3000):
        history.append(b"2", 32_768, 3, now=number)
        history.append(b"", 32_768, 1, now=number)
    assert len(history.messages) == history.text_bytes == 1024


def test_a_fork_goes_its_own_way() -> None:
    history = History(15)
    history.append(b"both", 32_768, 3, now=1)
    fork = history.fork()
    fork.append(b"one", 32_768, 3, now=2)
    assert (history.messages, fork.messages) == ([b"both"], [b"both", b"one"])
    assert fork.messages[0] is history.messages[0]
    assert (history.text_bytes, fork.text_bytes, fork.members) == (4, 7, 0)
