"""A real server and clients that keep every byte: what the notebook on windows counts at sockets."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from reznet_ws.lab.explain.hall import Hall, stop_hall
from reznet_ws.lab.explain.journey import take_any
from reznet_ws.replay.windows import Members, as_text, inflate_all
from reznet_ws.settings import Settings

EVENTS = take_any(30)


@pytest.fixture(autouse=True)
def _nothing_runs_on() -> Iterator[None]:
    yield
    stop_hall()


def test_sockets_carry_what_is_computed_for_late_joiners_too() -> None:
    hall, room = Hall(3), Members(3)
    hall.send(EVENTS[:20])
    room_frames = [room.send(as_text(event)) for event in EVENTS[:20]]
    assert hall.read() == [list(frames) for frames in zip(*room_frames, strict=True)]
    hall.join()
    room.join()
    hall.send(EVENTS[20:])
    room_frames = [room.send(as_text(event)) for event in EVENTS[20:]]
    received = hall.read()
    assert received == [list(frames) for frames in zip(*room_frames, strict=True)]
    assert hall.stats["windows"] == {"connections": 4, "windows": 2, "in_step": 3}
    assert inflate_all(received[3]) == [as_text(event) for event in EVENTS[20:]]


def test_only_those_named_are_sent_an_event_and_a_hall_stops_the_one_before() -> None:
    first = Hall(1)
    second = Hall(2)
    assert not first.is_running
    frames = second.play([(EVENTS[0], None), (EVENTS[1], [1])])
    assert list(map(len, frames)) == [1, 2]
    second.stop()
    second.stop()
    assert not second.is_running


def test_what_is_emitted_in_turns_of_its_own_leaves_together_only_where_writes_may_wait() -> None:
    hall = Hall(40, Settings.recommended().replace(coalesce_ms=0))
    assert hall.frames_per_write(EVENTS, math.inf) == 1
    hall.set(coalesce_ms=50)
    assert hall.frames_per_write(EVENTS, math.inf) > 1


def test_a_slow_reader_is_closed_or_misses_messages_and_the_others_miss_none() -> None:
    hall = Hall(2, Settings.recommended().replace(max_queued_bytes=65_536))
    closed = hall.drown(1)
    assert closed.close_code == 1013
    assert closed.got[0] == list(range(closed.sent))
    assert closed.got[1] == list(range(len(closed.got[1])))
    hall = Hall(2, Settings.recommended().replace(max_queued_bytes=65_536, skip_slow_readers=True))
    skipped = hall.drown(1, 60)
    assert (skipped.sent, skipped.close_code) == (60, None)
    assert skipped.got[0] == list(range(60))
    assert len(skipped.got[1]) + hall.stats["slow_readers"]["skipped_messages"] == 60
