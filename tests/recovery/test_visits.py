"""Who may come back, to which events, and from where on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reznet_ws.recovery import offsets
from reznet_ws.recovery.policy import Recovery
from reznet_ws.recovery.ring import Entry, Ring
from reznet_ws.recovery.visit import Visit
from reznet_ws.recovery.visits import Visits, new_pid, resume_after, take_credentials
from reznet_ws.settings import SettingsError


def entry(number: int, *rooms: Any, at_s: float = 0.0, skipped: tuple[str, ...] = ()) -> Entry[str]:
    return Entry(number, at_s, "/", rooms, frozenset(skipped), "", 100)


def visit(sid: str = "sid", began: int = 0) -> Visit:
    return Visit(new_pid(), sid, "/", began)


# A client enters (or leaves) rooms between events, each of which is for some rooms.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["enter", "leave"]), st.sampled_from("abc")),
        st.tuples(st.just("event"), st.sets(st.sampled_from("abc"), min_size=1)),
    ),
    max_size=40,
)


@given(STEPS)
def test_an_event_is_due_to_who_was_in_one_of_its_rooms_when_it_was_emitted(steps: list[tuple[str, Any]]) -> None:
    stay, inside, number, events = visit(), set(), 0, []
    for step, what in steps:
        match step:
            case "enter":
                inside.add(what)
                stay.enter(what, number)
            case "leave":
                inside.discard(what)
                stay.leave(what, number)
            case _:
                number += 1
                events.append((entry(number, *what), bool(inside & what)))
    for emitted, was_meant in events:
        assert stay.is_due(emitted) == was_meant


def test_who_was_skipped_or_is_elsewhere_is_due_nothing() -> None:
    stay = visit()
    stay.enter("room", 0)
    assert stay.is_due(entry(1, "room"))
    assert not stay.is_due(entry(1, "room", skipped=("sid",)))
    assert not stay.is_due(Entry(1, 0.0, "/chat", ("room",), frozenset(), "", 100))


def test_a_client_goes_on_after_its_offset() -> None:
    ring: Ring[str] = Ring(max_bytes=10_000, max_s=100, number=10)
    assert resume_after(visit(began=10), offsets.write(12), ring, 15) == 12
    assert resume_after(visit(began=10), None, ring, 15) == 10
    assert resume_after(visit(began=10), offsets.write(3), ring, 15) == 10


@pytest.mark.parametrize("offset", ["", "é", offsets.write(16), "~" * 10, "~" * 1000])
def test_an_offset_that_was_never_given_out_is_a_miss(offset: str) -> None:
    ring: Ring[str] = Ring(max_bytes=10_000, max_s=100, number=10)
    assert resume_after(visit(began=10), offset, ring, 15) is None


def test_an_offset_of_a_server_before_is_no_place_to_go_on_from() -> None:
    ring: Ring[str] = Ring(max_bytes=10_000, max_s=100, number=10)
    stay = visit(began=10)
    stay.stale = offsets.write(12)
    assert resume_after(stay, offsets.write(12), ring, 15) is None
    assert resume_after(stay, offsets.write(13), ring, 15) == 13
    stay.stale = offsets.write(8)  # before anything of ours
    assert resume_after(stay, offsets.write(8), ring, 15) == 10


def test_what_the_ring_has_dropped_is_a_miss_unless_the_client_is_known_to_have_had_it() -> None:
    ring: Ring[str] = Ring(max_bytes=10_000, max_s=100, number=0)
    for number in range(1, 6):
        ring.append(entry(number, "room", at_s=100.0 * number))
    assert ring.dropped_number == 3
    stay = visit()
    assert resume_after(stay, offsets.write(1), ring, 5) is None
    stay.began = ring.before(300.5)
    assert stay.began == 3
    assert resume_after(stay, offsets.write(1), ring, 5) == 3
    assert [ring.before(at_s) for at_s in (300.0, 400.0, 400.5, 900.0)] == [0, 3, 4, 5]


def test_those_who_are_away_too_long_or_too_many_are_forgotten() -> None:
    visits = Visits(Recovery(seconds=10, max_away=2))
    first, second, third, here = (visit(sid) for sid in ("1", "2", "3", "4"))
    for known in (first, second, third, here):
        visits.add(known)
    for now_s, gone in enumerate((first, second, third)):
        visits.leave(gone, now_s)
    assert [visits.find(known.pid) for known in (first, second, third, here)] == [None, second, third, here]
    visits.expire(11.5)
    assert (visits.find(second.pid), visits.find(third.pid), visits.away, len(visits)) == (None, third, 1, 2)


def test_an_applications_own_pid_stays_its_own() -> None:
    pid = new_pid()
    assert take_credentials({"pid": pid, "offset": "abc", "token": 1}) == ({"token": 1}, pid, "abc")
    assert take_credentials({"pid": pid}) == ({}, pid, None)
    assert take_credentials({"pid": pid, "offset": 5}) == ({}, pid, None)
    for auth in ({"pid": "p-1", "offset": "abc"}, {"pid": 5}, {"pid": pid + "\n"}, {}, None, "text", ["pid"]):
        assert take_credentials(auth) == (auth, None, None)


@pytest.mark.parametrize(
    ("field", "value"), [("seconds", 0), ("max_bytes", 1), ("max_away", True), ("events", {"a"}), ("events", [1])]
)
def test_a_policy_names_what_it_does_not_take(field: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=field):
        Recovery(**{field: value})
