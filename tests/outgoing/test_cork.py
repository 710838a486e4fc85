"""Frames wait for one another and for nothing else; order is kept whatever comes in between."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from outgoing.sockets import Socket, new_line, turn

from reznet_ws.ledger import Ledger
from reznet_ws.outgoing.cork import Cork
from reznet_ws.outgoing.line import Line


async def test_what_is_due_in_one_turn_of_the_loop_leaves_in_one_write_and_at_its_end() -> None:
    (line, socket), (other, others) = new_line(), new_line()
    cork = Cork(Ledger(), 5.0)
    cork.put([line, other], b"one ")
    cork.put([line], b"two ")
    cork.put([line, other], b"three")
    assert socket.writes == []
    await turn()
    assert (socket.writes, others.writes) == ([b"one two three"], [b"one three"])


async def test_while_writing_takes_long_more_leaves_with_each_write_but_waits_no_longer_than_it_may() -> None:
    line, socket = new_line(takes_s=0.02)
    cork = Cork(Ledger(), 30.0)
    cork.put([line], b"first")
    await turn()
    began = asyncio.get_running_loop().time()
    for _ in range(10):
        cork.put([line], b"later")
        await turn()
    assert socket.writes == [b"first"]
    while len(socket.writes) < 2:  # noqa: ASYNC110 (what waits is a timer's)
        await asyncio.sleep(0.001)
    assert asyncio.get_running_loop().time() - began >= 0.029
    assert socket.writes == [b"first", b"later" * 10]


async def test_much_is_written_without_waiting() -> None:
    line, socket = new_line()
    cork = Cork(Ledger(), 1000.0)
    cork.put([line], b"x" * 65_000)
    cork.put([line], b"y" * 1_000)
    assert socket.writes == [b"x" * 65_000 + b"y" * 1_000]
    await turn()
    assert len(socket.writes) == 1


async def test_lines_that_are_due_the_same_are_written_one_and_the_same_bytes() -> None:
    pairs = [new_line() for _ in range(5)]
    cork = Cork(Ledger(), 5.0)
    for data in (b"one ", b"two"):
        cork.put([line for line, _ in pairs], data)
    cork.close()
    assert len({id(socket.writes[0]) for _, socket in pairs}) == 1


async def test_a_closing_line_writes_what_waits_and_a_dropped_one_forgets_it() -> None:
    (closing, first), (dropped, second) = new_line(), new_line()
    cork = Cork(Ledger(), 5.0)
    cork.put([closing, dropped], b"last")
    closing.close()
    assert (first.writes, first.is_closed) == ([b"last"], True)
    dropped.drop()
    cork.close()
    assert first.writes == [b"last"]
    assert second.writes == []


async def test_every_byte_is_counted_when_it_is_written_and_only_then() -> None:
    ledger = Ledger()
    (line, _), (other, _) = new_line(ledger=ledger), new_line(ledger=ledger)
    cork = Cork(ledger, 5.0)
    cork.put([line, other], b"12345")
    assert ledger.sent_bytes == 0
    line.write(b"678")
    assert (ledger.sent_bytes, line.sent_bytes) == (8, 8)
    cork.close()
    assert (ledger.sent_bytes, other.sent_bytes) == (13, 5)


async def test_frames_are_booked_when_they_leave_for_all_lines_but_those_that_were_lost_before() -> None:
    booked: list[tuple[str, int]] = []

    def booking(name: str) -> Any:
        return lambda copies: booked.append((name, copies))

    ledger = Ledger()
    pairs = [new_line(ledger=ledger) for _ in range(3)]
    lines = [line for line, _ in pairs]
    cork = Cork(ledger, 5.0)
    cork.put(lines, b"one", booking("one"))
    lines[1].write(b"takes along what waits")
    cork.put(lines, b"two", booking("two"))
    cork.put(lines[:2], b"three", booking("three"))
    cork.put(lines[:2], b"an acknowledgement, which belongs to no event")
    assert booked == []
    cork.forget(lines[1])
    lines[1].drop()
    cork.forget(lines[1])
    cork.flush()
    assert booked == [("one", 3), ("two", 2), ("three", 1)]
    assert pairs[1][1].written == b"onetakes along what waits"
    assert ledger.sent_bytes == sum(len(socket.written) for _, socket in pairs)


async def test_one_transport_that_fails_is_cut_and_no_other_line_notices() -> None:
    class Failing(Socket):
        is_aborted = False

        def write(self, data: bytes) -> None:
            raise RuntimeError("broken")

        def abort(self) -> None:
            self.is_aborted = True

    failing, (line, socket) = Failing(), new_line()
    cork = Cork(Ledger(), 5.0)
    for data in (b"one", b"two"):
        cork.put([Line(failing, Ledger()), line], data)
        cork.flush()
    cork.close()
    assert failing.is_aborted
    assert socket.writes == [b"one", b"two"]


def test_a_loop_that_ended_before_what_waited_could_leave_holds_up_no_later_one() -> None:
    line, socket = new_line()
    cork = Cork(Ledger(), 5.0)

    async def cut_short() -> None:
        now_ms = asyncio.get_running_loop().time() * 1000
        cork._pacer.wrote(now_ms, now_ms + 1000)  # a busy server
        cork.put([line], b"one ")

    async def later() -> None:
        cork.put([line], b"two")
        async with asyncio.timeout(5):
            while not socket.writes:  # noqa: ASYNC110 (what waits is a timer's)
                await asyncio.sleep(0.001)

    asyncio.run(cut_short())
    asyncio.run(later())
    assert socket.writes == [b"one two"]


steps = st.lists(
    st.tuples(st.sampled_from(["put", "write", "flush", "turn"]), st.sets(st.integers(0, 3), min_size=1), st.binary())
)


@given(steps)
def test_no_line_loses_doubles_or_overtakes_anything(steps: list[tuple[str, set[int], bytes]]) -> None:
    pairs = [new_line() for _ in range(4)]
    expected = [b""] * 4

    async def drive() -> None:
        cork = Cork(Ledger(), 5.0)
        actions: dict[str, Any] = {
            "put": lambda some, data: cork.put([pairs[number][0] for number in some], data),
            "write": lambda some, data: [pairs[number][0].write(data) for number in some],
        }
        for step, some, data in steps:
            if step in actions:
                actions[step](some, data)
                for number in some:
                    expected[number] += data
            elif step == "flush":
                cork.flush()
            else:
                await turn()
        cork.close()

    asyncio.run(drive())
    assert [socket.written for _, socket in pairs] == expected
