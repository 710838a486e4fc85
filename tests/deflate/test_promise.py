"""In whatever topology, with whatever text: nobody is sent more than a window of its own like stock's would take."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
from deflate.reader import Reader, send
from deflate.texts import figures, hexadecimal, rows, text
from hypothesis import given, settings
from hypothesis import strategies as st

from reznet_ws.deflate.histories import Histories
from reznet_ws.settings import Settings

Topology = Callable[[list[Reader], int, random.Random], Sequence[Reader]]


def within_stock(reader: Reader, most_share: float = 1.01) -> None:
    """Over any 20 messages that follow the first, at most this share of stock's bytes and one byte a message more."""
    ours, stock = reader.wire_bytes[1:], reader.stock_bytes[1:]
    for start in range(max(1, len(ours) - 19)):
        most = most_share * sum(stock[start : start + 20]) + len(stock[start : start + 20])
        took = sum(ours[start : start + 20])
        assert took <= most, f"messages {start + 1} and later: {took} bytes, not {most:.0f}"


def all_but_one(clients: list[Reader], number: int, chooser: random.Random) -> list[Reader]:
    left_out = chooser.choice(clients)
    return [client for client in clients if client is not left_out]


def overlapping(clients: list[Reader], number: int, chooser: random.Random) -> list[Reader]:
    topic = chooser.randrange(7)
    return [client for place, client in enumerate(clients) if (place * 5 + topic) % 7 < 3] or clients


def room_of(size: int) -> Topology:
    def choose(clients: list[Reader], number: int, chooser: random.Random) -> list[Reader]:
        first = chooser.randrange(0, len(clients), size)
        return clients[first : first + size]

    return choose


def one_in_ten_to_all(other: Topology) -> Topology:
    return lambda clients, number, chooser: other(clients, number, chooser) if number % 10 else clients


TOPOLOGIES: dict[str, Topology] = {
    "one room": lambda clients, number, chooser: clients,
    "private": room_of(1),
    "private, one in ten to all": one_in_ten_to_all(room_of(1)),
    "rooms of 3": room_of(3),
    "rooms of 3, one in ten to all": one_in_ten_to_all(room_of(3)),
    "all but one": all_but_one,
    "overlapping": overlapping,
}


# Which do not ask for less than stock has.
WIDE_ENOUGH = [{}, {"deflate_kept_bytes": 0}, {"deflate_window_bits": 12}, {"deflate_window_bits": 14}]
WIDE_ENOUGH += [{"deflate_mem_level": 5}, {"deflate_mem_level": 8}]


@pytest.mark.parametrize("topology", TOPOLOGIES.values(), ids=TOPOLOGIES.keys())
@given(
    seed=st.integers(0, 1 << 32),
    churn=st.sampled_from([0, 0.02, 0.2]),
    write=st.sampled_from([text, text, text, hexadecimal, figures, rows]),
    size=st.sampled_from([60, 300, 300, 1200, 1200, 9000]),
    kept_bytes=st.sampled_from([0, 8_388_608]),
    switches=st.booleans(),
)
@settings(max_examples=8, deadline=None)
def test_nobody_is_sent_more_than_a_window_of_its_own_would_take(
    topology: Topology,
    seed: int,
    churn: float,
    write: Callable[[int, int], bytes],
    size: int,
    kept_bytes: int,
    switches: bool,
) -> None:
    chooser = random.Random(seed)
    histories, now = Histories(), Settings(deflate_kept_bytes=kept_bytes)
    clients = [Reader() for _ in range(8)]
    everybody = list(clients)
    for number in range(120):
        if chooser.random() < churn:
            gone = clients.pop(chooser.randrange(len(clients)))
            assert gone.inflater is not None
            histories.leave(gone.inflater)
            clients.append(Reader())
            everybody.append(clients[-1])
        if switches and chooser.random() < 0.1:
            now = Settings(**chooser.choice(WIDE_ENOUGH))
        data = chooser.randbytes(size) if chooser.random() < 0.05 else write(chooser.randrange(500), size)
        send(histories, data, topology(clients, number, chooser), now)
    for client in everybody:
        # Random digits match by chance, and to point further back takes a bit or two more.
        within_stock(client, {rows: 1.08, hexadecimal: 1.02}.get(write, 1.01))
