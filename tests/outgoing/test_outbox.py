"""A queue that is skipped while nothing waits in it: nothing overtakes, nothing is lost, whoever may write and when."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from engineio import packet as eio_packet
from hypothesis import given
from hypothesis import strategies as st

from reznet_ws.outgoing.outbox import Outbox


class Connection:
    """Stands where the WebSocket does, and writes down what is written."""

    def __init__(self) -> None:
        self.can_write = True
        self.written: list[Any] = []
        self.on_sent: Any = None

    def write(self, data: Any) -> None:
        self.written.append(data)

    def send(self, data: Any) -> None:
        """What engineio's writer does with what it took."""
        self.write(data)
        self.on_sent()


def message(number: int) -> eio_packet.Packet:
    return eio_packet.Packet(eio_packet.MESSAGE, str(number))


def new_outbox(*, upgraded: bool = True) -> tuple[Outbox, Any, Any]:
    outbox, connection = Outbox(lambda: 1_000_000, lambda _: None), Connection()
    socket = SimpleNamespace(upgraded=upgraded)
    outbox.connect(connection, socket, lambda: None)  # type: ignore[arg-type]
    return outbox, connection, socket


def test_a_message_goes_straight_to_a_socket_that_can_take_it() -> None:
    outbox, connection, _ = new_outbox()
    outbox.put_nowait(message(1))
    assert connection.written == ["41"]
    assert outbox.empty()


def test_without_a_connection_it_is_queued() -> None:
    outbox = Outbox(lambda: 1_000_000, lambda _: None)
    outbox.put_nowait(message(1))
    assert outbox.direct is None
    assert outbox.get_nowait().data == "1"


def test_before_the_upgrade_it_is_queued_for_long_polling() -> None:
    outbox, connection, socket = new_outbox(upgraded=False)
    outbox.put_nowait(message(1))
    assert connection.written == []
    assert outbox.get_nowait().data == "1"  # by the poll, which says nothing of it to the WebSocket
    socket.upgraded = True
    outbox.put_nowait(message(2))
    assert connection.written == ["42"]


def test_what_was_queued_before_the_upgrade_goes_first() -> None:
    outbox, connection, socket = new_outbox(upgraded=False)
    outbox.put_nowait(message(1))
    socket.upgraded = True
    outbox.put_nowait(message(2))
    assert connection.written == []
    assert [outbox.get_nowait().data for _ in range(2)] == ["1", "2"]


def test_while_the_socket_is_full_it_is_queued_and_what_follows_waits_behind_it() -> None:
    outbox, connection, _ = new_outbox()
    connection.can_write = False
    outbox.put_nowait(message(1))
    connection.can_write = True
    outbox.put_nowait(message(2))
    assert connection.written == []
    assert [outbox.get_nowait().data for _ in range(2)] == ["1", "2"]


def test_what_the_writer_has_taken_and_not_yet_sent_is_not_overtaken() -> None:
    """engineio's writer takes all that waits and then sends it piece by piece: the queue is empty meanwhile."""
    outbox, connection, _ = new_outbox()
    connection.can_write = False
    for number in (1, 2):
        outbox.put_nowait(message(number))
    taken = [outbox.get_nowait(), outbox.get_nowait()]
    connection.can_write = True
    outbox.put_nowait(message(3))
    assert connection.written == []
    connection.send(taken[0].encode())
    assert outbox.direct is None  # one is still under way
    outbox.put_nowait(message(4))
    connection.send(taken[1].encode())
    assert outbox.direct is None  # two wait behind it
    for _ in range(2):
        connection.send(outbox.get_nowait().encode())
    outbox.put_nowait(message(5))
    assert connection.written == ["41", "42", "43", "44", "45"]


@pytest.mark.parametrize("kind", [eio_packet.PING, eio_packet.CLOSE, eio_packet.NOOP])
def test_what_is_no_message_takes_the_queue_and_messages_wait_behind_it(kind: int) -> None:
    """The writer gives up a connection on which nothing comes by, so pings must."""
    outbox, connection, _ = new_outbox()
    outbox.put_nowait(eio_packet.Packet(kind))
    outbox.put_nowait(message(1))
    assert connection.written == []
    assert outbox.get_nowait().packet_type == kind
    connection.send(str(kind))
    connection.send(outbox.get_nowait().encode())
    outbox.put_nowait(message(2))
    assert connection.written == [str(kind), "41", "42"]


def test_the_end_of_the_writer_is_not_under_way_to_the_socket() -> None:
    """None tells the writer to end; nothing is sent of it."""
    outbox, connection, _ = new_outbox()
    outbox.put_nowait(None)
    assert outbox.get_nowait() is None
    assert outbox.direct is connection


def test_what_was_sent_by_others_than_the_queue_counts_for_nothing() -> None:
    """The answer to a probe leaves by the same `send`."""
    outbox, connection, _ = new_outbox()
    connection.on_sent()
    connection.can_write = False
    outbox.put_nowait(message(1))
    packet = outbox.get_nowait()
    connection.can_write = True
    assert outbox.direct is None
    connection.send(packet.encode())
    assert outbox.direct is connection


async def test_an_awaited_get_counts_as_well() -> None:
    """The writer waits with `get`, which gets what comes by `get_nowait`."""
    outbox, connection, _ = new_outbox()
    connection.can_write = False
    taking = asyncio.create_task(outbox.get())
    await asyncio.sleep(0)
    await outbox.put(message(1))
    packet = await taking
    connection.can_write = True
    await outbox.put(message(2))
    assert connection.written == []
    connection.send(packet.encode())
    assert outbox.get_nowait().data == "2"


def test_whatever_is_queued_hinders_and_what_goes_straight_does_not() -> None:
    """Who writes past the outbox must hear of it before anything else is written."""
    outbox, connection, socket = Outbox(lambda: 1_000_000, lambda _: None), Connection(), SimpleNamespace(upgraded=True)
    hindered: list[int] = []
    outbox.connect(connection, socket, lambda: hindered.append(outbox.qsize()))  # type: ignore[arg-type]
    outbox.put_nowait(message(1))
    assert hindered == []
    outbox.put_nowait(eio_packet.Packet(eio_packet.PING))
    outbox.put_nowait(message(2))
    assert hindered == [0, 1]


def test_what_waits_takes_memory_until_it_is_taken() -> None:
    outbox = Outbox(lambda: 1_000_000, lambda _: None)
    outbox.put_nowait(eio_packet.Packet(eio_packet.MESSAGE, "x" * 1000))
    first = outbox.queued_bytes
    assert first >= 1000
    outbox.put_nowait(eio_packet.Packet(eio_packet.MESSAGE, "x" * 3000))
    assert outbox.queued_bytes > first + 3000
    for _ in range(2):
        outbox.get_nowait()
    assert outbox.queued_bytes == 0


def test_beside_something_else_there_is_room_up_to_the_limit() -> None:
    outbox = Outbox(lambda: 100_000, lambda _: None)
    large = eio_packet.Packet(eio_packet.MESSAGE, "x" * 200_000)
    assert outbox.has_room([large])  # else it could never be sent
    outbox.put_nowait(message(1))
    assert not outbox.has_room([large])
    assert outbox.has_room([message(2)])
    while outbox.queued_bytes < 100_000:
        outbox.put_nowait(message(3))
    assert not outbox.has_room([message(4)])


def test_who_queues_all_the_same_is_told_at_twice_the_limit_that_it_is_full() -> None:
    full: list[Outbox] = []
    outbox = Outbox(lambda: 10_000, full.append)
    count = 0
    while not full:
        assert outbox.queued_bytes <= 2 * 10_000
        outbox.put_nowait(message(1))
        count += 1
    assert full == [outbox]
    assert outbox.qsize() == count - 1
    assert outbox.queued_bytes > 10_000


def test_once_cleared_it_takes_nothing_but_the_end_of_the_writer() -> None:
    outbox = Outbox(lambda: 1_000_000, lambda _: None)
    outbox.put_nowait(message(1))
    outbox.clear()
    assert (outbox.qsize(), outbox.queued_bytes) == (0, 0)
    outbox.put_nowait(message(2))
    outbox.put_nowait(None)
    assert outbox.get_nowait() is None
    assert outbox.empty()


@given(st.lists(st.sampled_from(["put", "put", "ping", "take", "send", "fill", "drain", "upgrade"]), max_size=60))
def test_whatever_happens_when_everything_leaves_once_and_in_order(steps: list[str]) -> None:
    """The writer, modelled as engineio's: takes all that waits, then sends it one by one."""
    outbox, connection, socket = new_outbox(upgraded=False)
    taken: list[eio_packet.Packet] = []
    polled: list[str] = []
    count = 0

    def take() -> None:
        while not outbox.empty():
            packet = outbox.get_nowait()
            if socket.upgraded:
                taken.append(packet)
            else:
                polled.append(packet.encode())

    for step in steps:
        match step:
            case "put":
                count += 1
                outbox.put_nowait(message(count))
            case "ping":
                count += 1
                outbox.put_nowait(eio_packet.Packet(eio_packet.PING, str(count)))
            case "take" if not taken:
                take()
            case "send" if taken and connection.can_write:
                connection.send(taken.pop(0).encode())
            case "fill" | "drain":
                connection.can_write = step == "drain"
            case "upgrade":
                socket.upgraded = True
    socket.upgraded = connection.can_write = True
    while taken or not outbox.empty():
        if not taken:
            take()
        connection.send(taken.pop(0).encode())
    left = [int(data[1:]) for data in [*polled, *connection.written]]
    assert left == list(range(1, count + 1))
