"""Who is meant by a room is remembered from one message to the next, and forgotten as soon as that may have changed."""

from __future__ import annotations

from typing import Any

from outgoing.sockets import new_line

from reznet_ws.message.formats import grant
from reznet_ws.outgoing.connection import Audience, Connection, Connections, Recipients
from reznet_ws.outgoing.dispatch import Dispatch


class Session:
    """One that takes nothing."""

    queued_bytes = 0

    def enqueue(self, dispatch: Dispatch) -> bool:
        return False

    def close_slow(self) -> None:
        pass

    def log_sent(self, data: str | bytes) -> None:
        pass


def connections(*sids: str) -> Connections:
    found = Connections()
    for sid in sids:
        found[sid] = Connection(sid, Session())
    return found


def sids(audience: Audience) -> list[str]:
    return [] if audience.plain is None else [connection.sid for connection in audience.plain.connections]


def test_receivers_go_by_their_line_or_by_their_queue_and_not_at_all_once_they_are_over() -> None:
    lined, queued, over, closed = connections("a", "b", "c", "d").values()
    lined.line = new_line()[0]
    over.is_over = closed.is_over = True
    receivers = Recipients([lined, queued, over, closed])
    assert (receivers.lines, receivers.queued) == ([lined.line], [queued])
    assert (Recipients([over]).lines, Recipients([over]).queued) == ([], [])


def test_an_audience_is_divided_by_the_format_that_was_granted_in_the_namespace() -> None:
    known = connections("a", "b", "c")
    known["b"].granted = frozenset({"/chat"})
    audience = known.audience(["a", "b", "c", "unknown"], "/chat")
    assert audience.short is not None
    assert (sids(audience), audience.short.connections, audience.rows) == (["a", "c"], [known["b"]], None)
    assert sids(known.audience(["a", "b", "c"], "/")) == ["a", "b", "c"]


def test_a_room_is_remembered_as_long_as_its_members_are_the_same() -> None:
    known = connections("a", "b", "c")
    room: list[str] = ["a", "b"]
    first = known.audience(list(room), "/", ("/", "room"))
    assert known.audience(list(room), "/", ("/", "room")) is first
    # An application may edit its rooms by itself.
    room.append("c")
    second = known.audience(list(room), "/", ("/", "room"))
    assert sids(second) == ["a", "b", "c"]
    room.remove("a")
    assert sids(known.audience(list(room), "/", ("/", "room"))) == ["b", "c"]
    assert sids(known.audience(["c", "b"], "/", ("/", "room"))) == ["c", "b"]


def test_rooms_of_one_name_in_two_namespaces_are_two() -> None:
    known = connections("a", "b")
    known["a"].granted = frozenset({"/chat"})
    for _ in range(2):
        assert sids(known.audience(["a", "b"], "/", ("/", "room"))) == ["a", "b"]
        assert sids(known.audience(["a", "b"], "/chat", ("/chat", "room"))) == ["b"]


def test_whatever_changes_how_somebody_is_reached_forgets_what_is_remembered() -> None:
    known = connections("a", "b")
    before = known.audience(["a", "b"], "/", "room")
    known["a"].line = new_line()[0]
    known.changed()
    after = known.audience(["a", "b"], "/", "room")
    assert after is not before
    assert (after.plain.lines, after.plain.queued) == ([known["a"].line], [known["b"]])


def test_what_is_not_to_be_remembered_is_not() -> None:
    known = connections("a", "b")
    assert known.audience(["a", "b"], "/") is not known.audience(["a", "b"], "/")
    assert known.audience(["a"], "/", "alone") is not known.audience(["a"], "/", "alone")


def test_any_number_of_rooms_takes_bounded_memory() -> None:
    known = connections("a", "b")
    for number in range(1000):
        assert sids(known.audience(["a", "b"], "/", number)) == ["a", "b"]
        assert len(known._rooms) <= 256


def test_what_was_sent_to_a_client_counts_both_its_ways() -> None:
    (connection,) = connections("a").values()
    connection.polled_bytes = 100
    assert connection.sent_bytes == 100
    connection.line, _ = new_line()
    connection.line.write(b"12345")
    assert connection.sent_bytes == 105


def test_what_a_client_asked_for_is_known_from_the_beginning() -> None:
    asked = grant("reznet=2")
    connection: Any = Connection("a", Session(), asked)
    assert connection.asked is asked
    assert connection.granted == frozenset()
