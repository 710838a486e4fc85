"""While its socket is paused a line queues; what is queued leaves in order, and is booked when it does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from outgoing.sockets import new_line, turn

from reznet_ws.deflate.frame import build_frame
from reznet_ws.ledger import EventTotals, Ledger, Share
from reznet_ws.outgoing.cork import Cork
from reznet_ws.outgoing.line import CountingTransport, Line
from reznet_ws.outgoing.queued import QueuedFrame


def booking(ledger: Ledger, frame: bytes) -> Callable[..., None]:
    shares = [Share("n", 1, 1, 1, 1, (1,), 1)]
    return partial(ledger.record, shares, len(frame) - 2, len(frame), first=True)


def queue(line: Line, number: int, ledger: Ledger | None = None) -> None:
    frame = build_frame(1, str(number).encode())
    line.queue(QueuedFrame(frame, booking(ledger or Ledger(), frame)))


def frames(*numbers: int) -> bytes:
    return b"".join(build_frame(1, str(number).encode()) for number in numbers)


# The queue


def test_an_open_line_writes_at_once() -> None:
    line, socket = new_line()
    assert not line.is_backed_up
    line.write(b"one")
    assert (socket.writes, line.queued, line.queued_bytes) == ([b"one"], None, 0)


def test_what_was_queued_leaves_in_order_when_the_socket_takes_bytes_again() -> None:
    line, socket = new_line()
    line.pause()
    for number in range(5):
        queue(line, number)
    assert socket.writes == []
    line.resume()
    assert socket.written == frames(0, 1, 2, 3, 4)
    assert (line.queued, line.is_backed_up) == (None, False)
    line.write(frames(5))
    assert socket.written == frames(0, 1, 2, 3, 4, 5)


def test_what_the_protocol_itself_has_to_say_goes_behind_what_is_queued() -> None:
    line, socket = new_line()
    line.pause()
    queue(line, 1)
    line.write(b"ping")
    queue(line, 2)
    assert socket.writes == []
    line.resume()
    assert socket.written == frames(1) + b"ping" + frames(2)


def test_a_paused_line_with_nothing_queued_lets_the_protocol_speak() -> None:
    """A goodbye must not wait for a client that does not read."""
    line, socket = new_line()
    line.pause()
    line.write(b"ping")
    assert socket.writes == [b"ping"]
    assert line.is_backed_up


def test_a_socket_that_fills_again_keeps_the_rest_queued() -> None:
    line, socket = new_line(pauses_at=1)
    line.pause()
    for number in range(3):
        queue(line, number)
    line.resume()
    assert socket.written == frames(0)
    assert line.is_backed_up
    assert line.queued_bytes == len(frames(1, 2))
    socket.pauses_at = None
    line.resume()
    assert socket.written == frames(0, 1, 2)


def test_what_waited_on_the_line_when_it_paused_goes_first() -> None:
    async def drive() -> None:
        line, socket = new_line()
        cork = Cork(Ledger(), 5.0)
        cork.put([line], b"corked ")
        line.pause()
        queue(line, 1)
        line.resume()
        assert socket.written == b"corked " + frames(1)
        await turn()
        assert socket.written == b"corked " + frames(1)

    asyncio.run(drive())


def test_queued_bytes_are_those_of_what_is_queued() -> None:
    line, _ = new_line()
    line.pause()
    expected = 0
    for number in (1, 10_000, 3):
        queue(line, number)
        line.write(b"pong")
        expected += len(frames(number)) + len(b"pong")
        assert line.queued_bytes == expected
    line.resume()
    assert line.queued_bytes == 0


def test_who_asked_is_told_when_the_line_begins_to_be_backed_up_and_when_it_no_longer_is() -> None:
    line, socket = new_line(pauses_at=1)
    told: list[bool] = []
    line.on_backlog = lambda which, backed_up: told.append(backed_up)
    line.pause()
    queue(line, 1)
    queue(line, 2)
    line.resume()  # pauses again after the first
    assert told == [True, True]
    socket.pauses_at = None
    line.resume()
    assert told == [True, True, False]


# Booking


def test_a_queued_frame_is_booked_and_counted_when_it_leaves_and_not_before() -> None:
    ledger = Ledger()
    line, socket = new_line(ledger=ledger)
    line.pause()
    queue(line, 1, ledger)
    assert (ledger.rows(), ledger.sent_bytes) == ({}, 0)
    line.resume()
    (row,) = ledger.rows().values()
    assert row == EventTotals(1, 1, 1, 1, 1, 1, frame_bytes=1, deflated_bytes=1, wire_bytes=3, off_wire_bytes=3)
    assert ledger.sent_bytes == line.sent_bytes == len(socket.written) == 3


@pytest.mark.parametrize("end", [lambda line: line.drop(), lambda line: line.give_up(b"bye")], ids=["drop", "give_up"])
def test_a_frame_that_never_left_is_never_booked(end: Any) -> None:
    ledger = Ledger()
    line, socket = new_line(ledger=ledger)
    line.pause()
    queue(line, 1, ledger)
    end(line)
    line.resume()
    assert ledger.rows() == {}
    assert ledger.sent_bytes == len(socket.written)


# Its end


def test_a_line_closes_behind_what_is_queued() -> None:
    line, socket = new_line()
    line.pause()
    queue(line, 1)
    line.close()
    assert not socket.is_closed
    line.resume()
    assert (socket.written, socket.is_closed) == (frames(1), True)


def test_a_line_with_nothing_queued_closes_at_once() -> None:
    line, socket = new_line()
    line.close()
    assert socket.is_closed


def test_a_line_that_is_given_up_says_goodbye_behind_what_the_socket_has_and_forgets_the_rest() -> None:
    line, socket = new_line()
    line.write(b"had ")
    line.pause()
    queue(line, 1)
    line.give_up(b"bye")
    assert socket.written == b"had bye"
    assert line.queued_bytes == 0
    line.resume()
    assert socket.written == b"had bye"


def test_a_dropped_line_forgets_all() -> None:
    line, socket = new_line()
    line.pause()
    queue(line, 1)
    line.drop()
    assert (line.is_backed_up, line.queued_bytes) == (False, 0)
    line.resume()
    assert socket.writes == []


# Who waits for it


async def _begun(waits: Any) -> asyncio.Task[None]:
    task = asyncio.create_task(waits)
    await turn()
    return task


async def test_an_open_line_is_drained() -> None:
    await asyncio.wait_for(new_line()[0].drained(), 5)


@pytest.mark.parametrize("end", [lambda line: line.resume(), lambda line: line.drop()], ids=["resume", "drop"])
async def test_who_waits_until_nothing_is_queued_waits_that_long_and_no_longer(end: Any) -> None:
    line, socket = new_line(pauses_at=1)
    line.pause()
    for number in range(2):
        queue(line, number)
    waiting = await _begun(line.drained())
    line.resume()  # pauses after the first
    await turn()
    assert not waiting.done()
    socket.pauses_at = None
    end(line)
    await asyncio.wait_for(waiting, 5)


async def test_who_waits_for_a_client_to_read_something_goes_on_with_the_first_bytes() -> None:
    line, _ = new_line(pauses_at=1)
    line.pause()
    for number in range(2):
        queue(line, number)
    line.is_stalled = True
    waiting = await _begun(line.progress())
    assert not waiting.done()
    line.resume()
    await asyncio.wait_for(waiting, 5)
    assert not line.is_stalled
    assert line.is_backed_up


async def test_nobody_waits_for_a_client_that_is_gone() -> None:
    line, _ = new_line()
    line.pause()
    queue(line, 1)
    waiting = await _begun(line.progress())
    line.drop()
    await asyncio.wait_for(waiting, 5)


# Rest


async def test_a_line_that_rests_writes_what_waits_at_once_and_what_comes_next_later_and_in_order() -> None:
    (line, socket), (other, others) = new_line(), new_line()
    cork = Cork(Ledger(), 5.0)
    cork.put([line, other], b"one ")
    line.rest(20)
    assert (socket.writes, others.writes) == ([b"one "], [])
    began = asyncio.get_running_loop().time()
    cork.put([line, other], b"two ")
    await turn()
    line.write(b"three ")
    line.rest(20)  # goes on
    assert (socket.writes, others.writes) == ([b"one "], [b"one two "])
    assert line.sent_bytes == len(b"one two three ")
    while len(socket.writes) < 2:  # noqa: ASYNC110 (what rests is a timer's)
        await asyncio.sleep(0.001)
    assert asyncio.get_running_loop().time() - began >= 0.019
    line.write(b"four")
    assert socket.writes == [b"one ", b"two three ", b"four"]


async def test_a_line_that_rests_writes_all_before_it_closes_and_nothing_after_it_was_lost() -> None:
    (closing, first), (lost, second) = new_line(), new_line()
    for line in (closing, lost):
        line.rest(1)
        line.write(b"last")
    closing.close()
    second.is_closed = True
    while lost.inner is not second:  # noqa: ASYNC110 (what rests is a timer's)
        await asyncio.sleep(0.001)
    assert (first.writes, first.is_closed) == ([b"last"], True)
    assert second.writes == []


# All of it


def test_everything_else_is_the_transports_own() -> None:
    line, socket = new_line()
    assert line.get_write_buffer_size() == 7
    counter = CountingTransport(socket)
    counter.write(b"123")
    assert (counter.sent_bytes, counter.ledger) == (3, None)


@given(
    st.lists(st.sampled_from(["put", "put", "say", "pause", "resume", "fills", "turn", "close"]), max_size=60),
    st.booleans(),
)
def test_whatever_happens_when_everything_leaves_once_in_order_and_is_booked(steps: list[str], resumes: bool) -> None:
    """As the road drives it: corked where the line is open, queued where it is backed up."""
    ledger = Ledger()
    line, socket = new_line(ledger=ledger)
    said: set[int] = set()

    async def drive() -> int:
        cork, count, is_closed = Cork(ledger, 5.0), 0, False
        for step in steps:
            match step:
                case "put" if not is_closed:
                    if line.is_backed_up:
                        queue(line, count, ledger)
                    else:
                        frame = frames(count)
                        cork.put([line], frame, booking(ledger, frame))
                    count += 1
                case "say" if not is_closed:  # of no event
                    line.write(frames(count))
                    said.add(count)
                    count += 1
                case "pause" if not socket.is_closed:
                    line.pause()
                case "resume":
                    socket.pauses_at = None
                    line.resume()
                case "fills":
                    socket.pauses_at = 1
                case "turn":
                    await turn()
                case "close":
                    is_closed = True
                    line.close()
        socket.pauses_at = None
        if resumes:
            line.resume()
        else:
            cork.forget(line)
            line.drop()
        cork.close()
        return count

    count = asyncio.run(drive())
    everything = frames(*range(count))
    assert everything.startswith(socket.written)
    if resumes:
        assert socket.written == everything
    assert ledger.sent_bytes == line.sent_bytes == len(socket.written)
    left = [number for number in range(count) if len(frames(*range(number + 1))) <= len(socket.written)]
    booked = frames(*(number for number in left if number not in said))
    assert sum(row.wire_bytes for row in ledger.rows().values()) == len(booked)
