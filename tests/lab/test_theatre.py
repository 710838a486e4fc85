"""The frame theatre without a browser: what it shows is what was at the socket, and its parts are all of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from reznet_ws.deflate.frame import WINDOW_BYTES
from reznet_ws.deflate.histories import Histories
from reznet_ws.draw.picture import find_browser
from reznet_ws.lab.lab import Lab
from reznet_ws.lab.theatre.anatomy import FrameAnatomy, examine
from reznet_ws.lab.theatre.lane import MOST_FRAMES
from reznet_ws.lab.theatre.reading import Reader
from reznet_ws.lab.theatre.theatre import Theatre
from reznet_ws.lab.theatre.what_if import SWITCHES
from reznet_ws.replay.link import Link, engineio_packets
from reznet_ws.replay.members import Members
from reznet_ws.replay.trace import take
from reznet_ws.settings import Settings

EVENTS = take(120)
QUERIES = {"plain": "", "abbreviated": "reznet=2", "rows": "reznet=3", "packed": "reznet=m"}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A quiet lab with a client of each format, and two that are alike."""
    made = Lab.quiet(name="theatre")
    for query in (*QUERIES.values(), ""):
        made.listen(query)
    yield made
    made.stop()


@pytest.fixture
def theatre(lab: Lab) -> Iterator[Theatre]:
    lab.settings = Settings()
    made = Theatre(lab)
    yield made
    made.close()


def played(theatre: Theatre, start: int, count: int) -> list[list[bytes]]:
    """What the listeners got of some events, once all of them are on the stage."""
    frames = theatre.lab.play((event, None) for event in EVENTS[start : start + count])
    watch = theatre._watch
    assert watch is not None
    theatre._worker.submit("test", theatre._tick)
    theatre._worker.settle(10)
    return frames


def anatomies(settings: Settings) -> Iterator[tuple[bytes, bytes, list[bytes], FrameAnatomy]]:
    """Frames of a link, the message in each, those before, and what they consist of."""
    link, before = Link(settings), list[bytes]()
    for event in EVENTS:
        (text,) = engineio_packets([event], settings)
        assert isinstance(text, str)
        (wire,) = link.send(event)
        yield wire, text.encode(), before.copy(), examine(wire, text.encode(), before)
        before.append(text.encode())


@pytest.mark.parametrize(
    "settings", [Settings(), Settings.stock(), Settings.off()], ids=["recommended", "stock", "off"]
)
def test_the_parts_are_all_bits_of_the_frame_and_give_the_whole_message(settings: Settings) -> None:
    for wire, text, before, anatomy in anatomies(settings):
        assert sum(part.bits for part in anatomy.parts) == 8 * len(wire)
        said = [part for part in anatomy.parts if part.end > part.start]
        assert [part.start for part in said] == [0, *(part.end for part in said[:-1])]
        assert said[-1].end == len(text)
        everything = b"".join(before) + text
        for part in said:
            if part.source is not None:
                start = len(everything) - len(text) + part.start - part.distance
                length = min(part.end - part.start, part.distance)
                assert everything[start : start + length] == text[part.start : part.start + length]
                begins = sum(map(len, before[: part.source]))
                assert begins <= start < begins + len([*before, text][part.source])


def test_what_nobody_saw_is_said_to_be_unknown_and_a_frame_of_another_message_is_refused() -> None:
    *_, (wire, text, before, anatomy) = anatomies(Settings())
    late = examine(wire, text, before[-2:])
    assert sum(part.bits for part in late.parts) == 8 * len(wire)
    assert {part.source for part in late.parts} > {-1}
    assert -1 not in {part.source for part in anatomy.parts}
    with pytest.raises(ValueError, match="the message has"):
        examine(wire, text + b"!", before)


def test_the_boxes_are_the_frames_that_the_clients_sockets_got(theatre: Theatre) -> None:
    frames = played(theatre, 0, 20)
    lanes = list(theatre._lanes.values())
    assert [lane.seat.kind for lane in lanes] == [*QUERIES, "plain"]
    for lane, got in zip(lanes, frames, strict=True):
        assert [frame.seen.wire for frame in lane.frames] == got
        assert [frame.box()["bytes"] for frame in lane.frames] == list(map(len, got))
        for frame in lane.frames:
            assert sum(bits for _, bits in frame.runs) == 8 * len(frame.seen.wire)
            assert [event for event, _ in frame.message.read.events] == [frame.message.read.label]


def test_who_shares_a_compression_is_on_one_history(theatre: Theatre) -> None:
    played(theatre, 20, 5)
    letters = [lane["history"] for lane in theatre.view.state["lanes"]]
    assert letters[0] == letters[4]
    assert len(set(letters)) == 4
    newest = [lane["frames"][0] for lane in theatre.view.state["lanes"]]
    assert [frame["receivers"] for frame in newest] == [2, 1, 1, 1, 2]
    assert newest[0]["number"] == newest[4]["number"]


@pytest.mark.parametrize("kind", QUERIES)
def test_a_click_takes_a_frame_apart_and_every_switch_gives_another(theatre: Theatre, kind: str) -> None:
    played(theatre, 25, 20)
    lane = next(lane for lane in theatre._lanes.values() if lane.seat.kind == kind)
    frame = lane.frames[-1]
    detail = theatre.take_apart(frame.seen.number)
    assert sum(one["bits"] for one in detail["now"]["sums"]) == 8 * detail["now"]["bytes"] == 8 * len(frame.seen.wire)
    said = "".join(piece[1] for piece in detail["now"]["pieces"])
    assert said == frame.message.data.decode() if kind != "packed" else len(said) == len(frame.message.data)
    assert detail["steps"][0]["name"] == "JSON"
    assert detail["steps"][0]["text"].startswith(f'["{EVENTS[44][0]}",')
    assert [one["name"] for one in detail["switches"]] == list(SWITCHES[kind])
    for name in SWITCHES[kind]:
        theatre.take_apart(frame.seen.number)
        other = theatre.take_apart(frame.seen.number, name)["other"]
        assert other["switch"] == name
        assert sum(one["bits"] for one in other["sums"]) == 8 * other["bytes"]
        if name.startswith("deflate"):
            assert other["bytes"] > len(frame.seen.wire)


def test_with_short_keys_off_it_is_what_a_server_without_them_sends(theatre: Theatre) -> None:
    played(theatre, 45, 30)
    lane = next(lane for lane in theatre._lanes.values() if lane.seat.kind == "abbreviated")
    frame = lane.frames[-1]
    other = theatre.take_apart(frame.seen.number, "abbreviate")["other"]
    events = [(event, args[0]) for one in (*frame.before, frame.message) for event, args in one.read.events]
    members = Members(1)
    settings = Settings(abbreviate=False)
    texts = [text.encode() for event in events for text in engineio_packets([event], settings) if isinstance(text, str)]
    assert other["bytes"] == len([members.send(text)[0] for text in texts][-1])


def test_it_holds_no_more_than_is_on_the_stage(theatre: Theatre) -> None:
    for start in (0, 60):
        played(theatre, start, 60)
    for lane in theatre._lanes.values():
        assert len(lane.frames) == MOST_FRAMES
        held = sum(len(one.data) for one in lane._held)
        assert held < WINDOW_BYTES + max(len(one.data) for one in lane._held)
    with pytest.raises(KeyError, match="frame 1 is on the stage no longer"):
        theatre.take_apart(1)


def test_what_somebody_looks_at_stays_on_the_stage(theatre: Theatre) -> None:
    played(theatre, 0, 10)
    shown = theatre.view.state
    number = shown["lanes"][0]["frames"][-1]["number"]
    theatre._hear(None, {"hold": True}, [])
    for start in (10, 60):
        played(theatre, start, 50)
    assert theatre.view.state == shown
    assert theatre.take_apart(number)["number"] == number
    theatre._hear(None, {"hold": False}, [])
    theatre._worker.settle(10)
    assert theatre.view.state["lanes"][0]["frames"][0]["number"] > number + MOST_FRAMES
    played(theatre, 0, 5)
    with pytest.raises(KeyError, match="on the stage no longer"):
        theatre.take_apart(number)


def test_a_server_that_nobody_watches_is_as_before(lab: Lab) -> None:
    road = lab.site.manager.road
    assert type(road.histories) is Histories
    Theatre(lab)
    assert type(road.histories) is not Histories
    again = Theatre(lab)
    again.close()
    assert type(road.histories) is Histories
    assert "watch" not in vars(road.histories)
    assert not [thread for thread in threading.enumerate() if thread.name == "reznet-theatre"]


def test_it_goes_on_when_the_lab_starts_anew_and_says_when_it_stopped() -> None:
    lab = Lab.quiet(name="stage", clients=1)
    theatre = Theatre(lab, lanes=1)
    try:
        for start in (0, 5):
            theatre._worker.submit("test", theatre._tick)
            theatre._worker.settle(10)
            lab.emit(EVENTS[start : start + 5])
            while len(events := [event for frame in theatre.frames for event, _ in frame.message.read.events]) < 5:
                theatre.wait(len(theatre.frames) + 1)
            assert events == [event for event, _ in EVENTS[start : start + 5]]
            lab.restart().listen()
        theatre._worker.settle(10)
        assert theatre.view.state["is_running"] is True
        theatre._worker.submit("test", theatre._tick)
        theatre._worker.settle(10)
        lab.emit(EVENTS[:1])
        (frame,) = theatre.wait(1).frames
        lab.stop()
        theatre._worker.settle(10)
        assert theatre.view.state["is_running"] is False
        # What was sent stays on the stage, to be clicked.
        assert [one["number"] for one in theatre.view.state["lanes"][0]["frames"]] == [frame.seen.number]
        assert theatre.take_apart(frame.seen.number)["now"]["bytes"] == len(frame.seen.wire)
    finally:
        theatre.close()
        lab.stop()


def test_what_cannot_be_read_has_a_name_and_no_events() -> None:
    reader = Reader("rows")
    for data, label in (
        (b"2", "Engine.IO"),
        (b"\xff\xfe", "attachment"),
        (b"4a!", "rows"),
        (b'40{"sid":"x"}', "CONNECT"),
    ):
        assert (reader.read(data).label, reader.read(data).events) == (label, [])
    assert Reader("plain").read(b"4{").label == "unknown"


def test_lanes_and_scales_are_those_of_a_stage(lab: Lab) -> None:
    with pytest.raises(ValueError, match="from 1 to 12"):
        Theatre(lab, lanes=13)
    with pytest.raises(ValueError, match="one of 1, 2, 4, 8, 16"):
        lab.theatre(bytes_per_px=3)


def test_a_saved_copy_has_a_picture_that_says_what_it_shows(theatre: Theatre, monkeypatch: pytest.MonkeyPatch) -> None:
    played(theatre, 0, 10)
    detail = theatre.take_apart(theatre.frames[-1].seen.number)
    monkeypatch.setenv("REZNET_PICTURE_S", "5")
    data, metadata = theatre._repr_mimebundle_()
    assert data["text/plain"] == "Theatre of 'theatre'"
    assert ("image/png" in data) is (find_browser() is not None)
    if "image/png" in data:
        assert data["image/png"].startswith("iVBOR")
        assert f"{detail['label']} of {detail['now']['bytes']} bytes taken apart" in metadata["image/png"]["alt"]
