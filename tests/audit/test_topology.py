"""Whom messages go to, as far as their copies show it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from reznet_ws.audit.examine.findings import Reach
from reznet_ws.audit.examine.topology import Deliveries

CONNECTIONS = 6


def reach_of(audiences: Iterable[Iterable[int]], *, has_clock: bool) -> Reach:
    """Messages one after the other, each to an audience; all connections are there from the first to the last."""
    deliveries = Deliveries()
    for number, audience in enumerate([range(CONNECTIONS), *audiences, range(CONNECTIONS)]):
        for connection in audience:
            at_ms = 10.0 * number + connection / 100
            deliveries.add(connection, [b"message %d" % number], at_ms if has_clock else None)
    return deliveries.audience(None)


@pytest.mark.parametrize("has_clock", [True, False])
def test_rooms_private_messages_and_all_but_the_sender_are_told_apart(has_clock: bool) -> None:
    reach = reach_of([[0], [1, 2], [0, 1, 2, 3, 4], [3], [1, 2, 5], range(CONNECTIONS)], has_clock=has_clock)
    assert reach.source == ("capture" if has_clock else "order")
    assert {shape.shape: (shape.broadcasts, shape.deliveries) for shape in reach.shapes} == {
        "to all": (3, 18),
        "to all but one": (1, 5),
        "to some": (2, 5),
        "to one": (2, 2),
    }
    assert reach.per_message == 30 / 8


def test_who_is_gone_is_not_left_out() -> None:
    deliveries = Deliveries()
    for number in range(10):
        for connection in (0, 1, 2) if number < 5 else (0, 1):
            deliveries.add(connection, [b"%d" % number], 1000.0 * number)
    assert [shape.shape for shape in deliveries.audience(None).shapes] == ["to all"]


def test_without_a_clock_what_is_far_apart_is_no_copy() -> None:
    deliveries = Deliveries()
    for connection in range(3):
        for number in range(9):
            deliveries.add(connection, [b"%d" % number], None)
    assert (deliveries.audience(None).source, deliveries.audience(7).per_message) == ("one", 7)


def test_without_a_clock_a_message_in_between_does_not_part_copies() -> None:
    deliveries = Deliveries()
    for number in range(5):
        for connection, what in ((0, b"all"), (1, b"all"), (0, b"mine"), (2, b"all")):
            deliveries.add(connection, [b"%s %d" % (what, number)], None)
    assert [(shape.shape, shape.broadcasts) for shape in deliveries.audience(None).shapes] == [
        ("to all", 5),
        ("to one", 5),
    ]


def test_only_the_connections_that_count_are_looked_at() -> None:
    deliveries = Deliveries()
    for connection in range(4):
        deliveries.add(connection, [b"x"], 1.0)
    assert deliveries.audience(None, frozenset({0, 1})).per_message == 2
    assert deliveries.audience(None, frozenset({0})).source == "one"
