"""One connection without a socket: its frames can be read, and travel when the server's would."""

from __future__ import annotations

import zlib

import pytest
from websockets.frames import Opcode

from reznet_ws.lab.explain.examples import CHINESE, EXAMPLE, REPLY, RUSSIAN
from reznet_ws.message.fields import DecodeError
from reznet_ws.replay.ablation import schedule
from reznet_ws.replay.frames import dissect
from reznet_ws.replay.link import Link, decode, engineio_packets, wire_bytes
from reznet_ws.replay.trace import take
from reznet_ws.settings import Settings

FLUSH = b"\x00\x00\xff\xff"
RECOMMENDED = Settings.recommended()
BATCHED = RECOMMENDED.replace(batch=True)
EVENT = ("message_new", EXAMPLE)
# All kinds of messages, gzip among them, in an order in which the batcher has something to do.
EVENTS = [
    EVENT,
    *take(6, event="agent_status"),
    *take(2, event="workflow_plan"),
    ("message_new", {**EXAMPLE, "content": RUSSIAN + CHINESE}),
    *take(3, event="user_typing"),
    ("message_new", REPLY),
]


@pytest.mark.parametrize("settings", Settings.presets().values(), ids=list(Settings.presets()))
def test_a_link_makes_frames_that_zlib_alone_can_read(settings: Settings) -> None:
    link, received = Link(settings), []
    inflater = zlib.decompressobj(wbits=-15)
    for event in EVENTS:
        for frame in link.send(event):
            parts = dissect(frame)
            if settings.deflate and not settings.deflate_takeover:
                inflater = zlib.decompressobj(wbits=-15)
            body = inflater.decompress(parts.payload + FLUSH) if parts.rsv1 else parts.payload
            received.append(body.decode() if parts.opcode == Opcode.TEXT else body)
    assert decode(received) == EVENTS


def test_without_the_layer_no_frame_is_compressed() -> None:
    assert not dissect(Link(Settings.off()).send(EVENT)[0]).rsv1


def test_the_window_makes_the_second_message_small() -> None:
    link = Link()
    (first,), (again,) = link.send(EVENT), link.send(EVENT)
    assert len(again) < len(first) / 5
    assert wire_bytes([EVENT], RECOMMENDED, before=[EVENT]) == [len(again)]
    assert wire_bytes([EVENT, EVENT], RECOMMENDED) == [len(first), len(again)]


def test_a_gzipped_plan_is_a_text_and_an_attachment() -> None:
    text, attachment = engineio_packets([EVENTS[8]], Settings.seed())
    assert isinstance(text, str)
    assert text.startswith('451-["workflow_plan",')
    assert isinstance(attachment, bytes)
    assert attachment[:2] == b"\x1f\x8b"


def test_the_first_status_goes_at_once_and_the_others_together() -> None:
    statuses = take(6, event="agent_status")
    left = schedule([(8.0 * number, status) for number, status in enumerate(statuses)], BATCHED)
    assert left == [(0.0, (statuses[0],)), (50.0, tuple(statuses[1:]))]


def test_a_critical_event_takes_along_what_waits() -> None:
    one, two = take(2, event="agent_status")
    left = schedule([(0.0, one), (1.0, two), (2.0, EVENT)], BATCHED)
    assert left == [(0.0, (one,)), (2.0, (two,)), (2.0, (EVENT,))]


def test_a_forged_packet_is_refused() -> None:
    with pytest.raises(DecodeError):
        decode(['42["message_new",{"_v":2,"gz":1}]'])


def test_what_the_server_puts_in_no_batch_waits_for_none_here() -> None:
    events = [(float(number), event) for number, event in enumerate(take(4, event="agent_status"))]
    assert [len(together) for _, together in schedule(events, BATCHED)] == [1, 3]
    secret = BATCHED.replace(never_compress=frozenset({"agent_status"}))
    assert [len(together) for _, together in schedule(events, secret)] == [1, 1, 1, 1]
