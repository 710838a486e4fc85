"""Deliveries are told by what was emitted, in its order, with nothing in the data that numbers them."""

import pytest

from reznet_ws.lab.deliveries import Deliveries, Wrong
from reznet_ws.message.digest import digest


def emitted(*messages: str) -> Deliveries:
    deliveries = Deliveries()
    deliveries.opened("a")
    for due_s, message in enumerate(messages):
        deliveries.sent(digest("said", [message]), due_s, ["a", "somebody else's"])
    return deliveries


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        ("xyz", Wrong()),
        ("xz", Wrong(lost=1)),
        ("xzy", Wrong(overtaken=1)),
        ("xxyz", Wrong(doubled=1)),
        ("xYz", Wrong(lost=1, altered=1)),
        ("xzyy", Wrong(overtaken=1, doubled=1)),
        ("", Wrong(lost=3)),
    ],
)
def test_what_is_lost_doubled_overtaken_or_altered_is_noticed(got: str, expected: Wrong) -> None:
    deliveries = emitted("x", "y", "z")
    for message in got:
        deliveries.arrived("a", digest("said", [message]))
    deliveries.give_up(before_s=99)
    assert deliveries.wrong == expected


def test_messages_that_are_alike_are_counted_like_any_others() -> None:
    deliveries = emitted("tick", "tick", "tick")
    due = [deliveries.arrived("a", digest("said", ["tick"])) for _ in range(4)]
    assert due == [0, 1, 2, None]
    assert deliveries.wrong == Wrong(doubled=1)


def test_what_is_on_its_way_is_lost_once_it_is_given_up_and_not_before() -> None:
    deliveries = emitted("x", "y")
    assert deliveries.on_their_way(before_s=1) == 1
    assert deliveries.on_their_way(before_s=2) == 2
    assert deliveries.wrong == Wrong()
    deliveries.give_up(before_s=1)
    assert deliveries.wrong == Wrong(lost=1)
    deliveries.arrived("a", digest("said", ["x"]))
    assert deliveries.wrong == Wrong(overtaken=1)


@pytest.mark.parametrize(("by_client", "lost"), [(True, 0), (False, 2)])
def test_what_was_for_a_client_that_is_gone_is_lost_unless_it_went_by_itself(by_client: bool, lost: int) -> None:
    deliveries = emitted("x", "y")
    deliveries.ended("a", by_client=by_client)
    deliveries.sent(digest("said", ["z"]), 3, ["a"])  # before the server noticed
    assert deliveries.wrong == Wrong(lost=lost)
    assert deliveries.on_their_way(before_s=99) == 0


def test_connections_that_nobody_claims_are_forgotten() -> None:
    deliveries = emitted("x")
    deliveries.forget_others(before_s=1)
    deliveries.opened("somebody else's")
    assert deliveries.on_their_way(before_s=99) == 1


def test_a_digest_is_of_everything_in_a_message_and_of_its_order() -> None:
    same = [digest("e", [{"a": 1, "b": b"\x00"}, "é"]), digest("e", ({"a": 1, "b": bytearray(1)}, "é"))]
    assert same[0] == same[1]
    others = [digest("e", [{"b": b"\x00", "a": 1}, "é"]), digest("e", [{"a": 1, "b": b"\x01"}, "é"]), digest("e", [])]
    assert len({same[0], *others}) == 4
    with pytest.raises(TypeError):
        digest("e", [object()])
