"""Engine.IO and Socket.IO packets, against the encoders of the libraries that write them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import engineio
import pytest
import socketio
from hypothesis import example, given
from hypothesis import strategies as st
from socketio.msgpack_packet import MsgPackPacket
from strategies import event_names, exactly, namespaces, payloads_with_bytes

from reznet_ws.audit.read.capture import Direction, Kind, Record, Transport
from reznet_ws.audit.read.polling_bodies import session_of, split_body
from reznet_ws.audit.read.protocol import Fault, ProtocolDecoder
from reznet_ws.audit.read.socketio_packets import MAX_ATTACHMENTS, NotAPacket

NODE_CASES = json.loads((Path(__file__).parent / "node_frames.json").read_text(encoding="utf-8"))
OPEN_4 = '0{"sid":"a","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'
OPEN_3 = '0{"sid":"a","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}'
RECEIVED, SENT = Direction.RECEIVED, Direction.SENT

values = st.lists(payloads_with_bytes, max_size=3)
ack_ids = st.none() | st.integers(0, 10**12)


def decode(
    frames: Iterable[str | bytes], engineio: int | None = 4, direction: Direction = RECEIVED
) -> tuple[list[Record], list[str]]:
    decoder = ProtocolDecoder(1, engineio)
    found = [item for frame in frames for item in decoder.frame(direction, frame, 5.0)] + list(decoder.close())
    records = [item for item in found if isinstance(item, Record)]
    return records, [item.reason for item in found if isinstance(item, Fault)]


def decode_body(body: str | bytes, engineio: int) -> tuple[list[Record], list[str]]:
    decoder = ProtocolDecoder(1, engineio)
    found = [*decoder.body(RECEIVED, body, 5.0), *decoder.close()]
    records = [item for item in found if isinstance(item, Record)]
    return records, [item.reason for item in found if isinstance(item, Fault)]


def revived(value: Any) -> Any:
    """A value of the recorded file, with its bytes."""
    if isinstance(value, list):
        return [revived(item) for item in value]
    if isinstance(value, dict):
        if set(value) == {"$bytes"}:
            return base64.b64decode(value["$bytes"])
        return {key: revived(item) for key, item in value.items()}
    return value


# What the libraries write


@pytest.mark.parametrize("case", NODE_CASES, ids=[case["name"] for case in NODE_CASES])
def test_what_the_javascript_parsers_encode_is_understood(case: dict[str, Any]) -> None:
    if "frames" in case:
        frames = revived(case["frames"])
        records, faults = decode(frames, case["engineio"])
        transport = Transport.WEBSOCKET
    else:
        body = revived(case["body"])
        frames = list(split_body(body, case["engineio"]))
        records, faults = decode_body(body, case["engineio"])
        transport = Transport.POLLING
    expected = revived(case["expected"])
    [record] = records
    assert faults == []
    assert (record.kind, record.namespace, record.ack_id) == (
        expected["kind"],
        expected["namespace"],
        expected["ack_id"],
    )
    assert [*([] if record.event is None else [record.event]), *record.args] == expected["data"]
    assert record.parts == tuple(frames)
    assert (record.transport, record.time_ms, record.direction) == (transport, 5.0, RECEIVED)


@given(event_names, values, namespaces, ack_ids)
def test_an_event_is_what_python_socketio_encoded(
    event: str, args: list[Any], namespace: str, ack_id: int | None
) -> None:
    packet = socketio.packet.Packet(socketio.packet.EVENT, [event, *args], namespace, ack_id)
    frames = engineio_frames(packet)
    [record], faults = decode(frames)
    assert faults == []
    assert (record.kind, record.event, record.namespace, record.ack_id) == (Kind.EVENT, event, namespace, ack_id)
    assert exactly(list(record.args)) == exactly(json_like(args))
    assert record.parts == tuple(frames)


@given(values, namespaces, st.integers(0, 10**12))
def test_an_acknowledgement_is_what_python_socketio_encoded(args: list[Any], namespace: str, ack_id: int) -> None:
    [record], faults = decode(
        engineio_frames(socketio.packet.Packet(socketio.packet.ACK, args, namespace, ack_id)), direction=SENT
    )
    assert faults == []
    assert (record.kind, record.namespace, record.ack_id, record.event) == (Kind.ACK, namespace, ack_id, None)
    assert exactly(list(record.args)) == exactly(json_like(args))


@given(event_names, values, namespaces, ack_ids)
def test_a_msgpack_event_is_what_python_socketio_encoded(
    event: str, args: list[Any], namespace: str, ack_id: int | None
) -> None:
    try:
        frame = MsgPackPacket(socketio.packet.EVENT, [event, *args], namespace, ack_id).encode()
    except (OverflowError, UnicodeEncodeError):
        return  # msgpack has no such integers, and no lone surrogates
    [record], faults = decode([frame])
    assert faults == []
    assert (record.kind, record.event, record.namespace, record.ack_id) == (Kind.EVENT, event, namespace, ack_id)
    assert exactly(list(record.args)) == exactly(args)
    assert record.parts == (frame,)


@given(st.lists(st.tuples(event_names, values), max_size=4))
def test_a_long_polling_body_is_its_packets(events: list[tuple[str, list[Any]]]) -> None:
    packets = [socketio.packet.Packet(socketio.packet.EVENT, [event, *args]) for event, args in events]
    parts = [part for packet in packets for part in encoded(packet)]
    body = engineio.payload.Payload([engineio.packet.Packet(engineio.packet.MESSAGE, part) for part in parts]).encode()
    records, faults = decode_body(body, 4)
    assert faults == []
    assert [record.event for record in records] == [event for event, _ in events]
    assert exactly([list(record.args) for record in records]) == exactly([json_like(args) for _, args in events])


def encoded(packet: socketio.packet.Packet) -> list[str | bytes]:
    text = packet.encode()
    return text if isinstance(text, list) else [text]


def engineio_frames(packet: socketio.packet.Packet) -> list[str | bytes]:
    return [engineio.packet.Packet(engineio.packet.MESSAGE, part).encode() for part in encoded(packet)]


def json_like(value: Any) -> Any:
    """As JSON brings it back: two halves of a surrogate pair that met are one character."""
    if isinstance(value, list):
        return [json_like(item) for item in value]
    if isinstance(value, dict):
        return {json.loads(json.dumps(key)): json_like(item) for key, item in value.items()}
    return value if isinstance(value, bytes) else json.loads(json.dumps(value))


# Packet by packet

PACKETS = {
    OPEN_4: (Kind.OPEN, "/", ()),
    "1": (Kind.CLOSE, "/", ()),
    "2": (Kind.PING, "/", ()),
    "2probe": (Kind.PING, "/", ()),
    "3": (Kind.PONG, "/", ()),
    "3probe": (Kind.PONG, "/", ()),
    "5": (Kind.UPGRADE, "/", ()),
    "6": (Kind.NOOP, "/", ()),
    "40": (Kind.CONNECT, "/", ()),
    '40{"sid":"x"}': (Kind.CONNECT, "/", ()),
    '40/admin,{"token":"x"}': (Kind.CONNECT, "/admin", ()),
    "40/admin": (Kind.CONNECT, "/admin", ()),
    "40/admin?token=1,": (Kind.CONNECT, "/admin", ()),
    "41": (Kind.DISCONNECT, "/", ()),
    "41/admin,": (Kind.DISCONNECT, "/admin", ()),
    '44{"message":"no"}': (Kind.ERROR, "/", ()),
    '44"no"': (Kind.ERROR, "/", ()),
    '42["a"]': (Kind.EVENT, "/", ()),
    '42["a",{"b":[1,null]}]': (Kind.EVENT, "/", ({"b": [1, None]},)),
    '42/admin,17["a",1]': (Kind.EVENT, "/admin", (1,)),
    '42["a",{"k":1,"k":2}]': (Kind.EVENT, "/", ({"k": 2},)),
    '42["a","\\ud800"]': (Kind.EVENT, "/", ("\ud800",)),
    "43/admin,0[]": (Kind.ACK, "/admin", ()),
    '431["a"]': (Kind.ACK, "/", ("a",)),
    "4": (Kind.MESSAGE, "/", ()),
    "4hello": (Kind.MESSAGE, "/", ()),
    '4{"a":1}': (Kind.MESSAGE, "/", ()),
    "42[]": (Kind.MESSAGE, "/", ()),
    "42{}": (Kind.MESSAGE, "/", ()),
    '42["a",NaN]': (Kind.MESSAGE, "/", ()),
    '42["a"': (Kind.MESSAGE, "/", ()),
    '42[["a"]]': (Kind.MESSAGE, "/", ()),
    '42-["a"]': (Kind.MESSAGE, "/", ()),
    '45["a"]': (Kind.MESSAGE, "/", ()),
    "43[]": (Kind.MESSAGE, "/", ()),
    "41[]": (Kind.MESSAGE, "/", ()),
    "47": (Kind.MESSAGE, "/", ()),
    "42" + "9" * 30 + '["a"]': (Kind.MESSAGE, "/", ()),
    "": (Kind.PLAIN, "/", ()),
    "7": (Kind.PLAIN, "/", ()),
    "2x": (Kind.PLAIN, "/", ()),
    "5x": (Kind.PLAIN, "/", ()),
    "0{}": (Kind.PLAIN, "/", ()),
    '0{"sid":1,"pingInterval":1}': (Kind.PLAIN, "/", ()),
    "0[" * 1000: (Kind.PLAIN, "/", ()),
    '{"type":"x"}': (Kind.PLAIN, "/", ()),
    "b!": (Kind.PLAIN, "/", ()),
    "bAAE": (Kind.PLAIN, "/", ()),
}


@pytest.mark.parametrize(("frame", "expected"), PACKETS.items(), ids=[frame[:24] for frame in PACKETS])
def test_a_frame_is_of_its_kind(frame: str, expected: tuple[Kind, str, tuple[Any, ...]]) -> None:
    [record], _ = decode([frame])
    assert (record.kind, record.namespace, record.args) == expected
    assert record.parts == (frame,)


def test_bytes_that_nothing_announced_are_a_message() -> None:
    assert [record.kind for record in decode([b"\x00\x01"])[0]] == [Kind.MESSAGE]
    assert [record.kind for record in decode([b""])[0]] == [Kind.MESSAGE]
    assert [record.kind for record in decode([b"\x83\xa4type\x02"])[0]] == [Kind.MESSAGE]


# Whether it is Engine.IO at all

PLAIN_FRAMES = ['42["a"]', "2", '{"event":"a"}', "0", '0{"sid":"a"}', "hello", b"\x04\x00", "40", '["a",1]', ""]


@pytest.mark.parametrize("first", PLAIN_FRAMES, ids=repr)
def test_other_traffic_is_plain_whatever_comes_later(first: str | bytes) -> None:
    frames = [first, '42["a",1]', OPEN_4, "2probe", b"\x83\xa4type\x02\xa3nsp\xa1/"]
    records, faults = decode(frames, None)
    assert [record.kind for record in records] == [Kind.PLAIN] * len(frames)
    assert [record.parts for record in records] == [(frame,) for frame in frames]
    assert faults == []


@pytest.mark.parametrize(("first", "revision"), [(OPEN_4, 4), (OPEN_3, 3), ("2probe", 4)])
def test_a_first_frame_shows_engineio(first: str, revision: int) -> None:
    decoder = ProtocolDecoder(1)
    assert decoder.engineio is None
    list(decoder.frame(RECEIVED, first))
    [event] = decoder.frame(RECEIVED, '42["a"]')
    assert isinstance(event, Record)
    assert event.kind is Kind.EVENT
    assert decoder.engineio == revision


def test_frames_that_are_no_packets_are_told_once_and_counted() -> None:
    records, faults = decode(["hello", '42["a"]', "hello", "hello"])
    assert [record.kind for record in records] == [Kind.PLAIN, Kind.EVENT, Kind.PLAIN, Kind.PLAIN]
    assert len(faults) == 2
    assert "3 frames" in faults[1]


# Attachments


def test_both_directions_wait_for_their_own_attachments() -> None:
    decoder = ProtocolDecoder(1, 4)
    text = '451-["a",{"_placeholder":true,"num":0}]'
    assert list(decoder.frame(SENT, text, 1.0)) == []
    assert list(decoder.frame(RECEIVED, text, 2.0)) == []
    [received] = decoder.frame(RECEIVED, b"r", 3.0)
    [sent] = decoder.frame(SENT, b"s", 4.0)
    assert isinstance(received, Record)
    assert isinstance(sent, Record)
    assert (received.args, received.time_ms, received.parts) == ((b"r",), 2.0, (text, b"r"))
    assert (sent.args, sent.time_ms) == ((b"s",), 1.0)


def test_a_ping_may_come_between_attachments() -> None:
    records, faults = decode(['452-["a",{"_placeholder":true,"num":1}]', b"0", "2", b"1"])
    assert [record.kind for record in records] == [Kind.PING, Kind.EVENT]
    assert records[1].args == (b"1",)
    assert faults == []


@pytest.mark.parametrize(
    "frames",
    [
        ['452-["a"]', b"1"],
        ['452-["a"]', b"1", '42["b"]'],
        ['451-["a",{"_placeholder":true,"num":1}]', b"1"],
        ['451-["a",{"_placeholder":true,"num":-1}]', b"1"],
        ['451-["a",{"_placeholder":true,"num":true}]', b"1"],
        [f'45{MAX_ATTACHMENTS + 1}-["a"]', b"1"],
        ["45" + "9" * 10 + '-["a"]'],
        ["42" + '["a",' + "[" * 100_000],
        ["451-" + '["a",' + '{"b":' * 100_000, b"1"],
    ],
    ids=["cut off", "interrupted", "no such", "negative", "no number", "too many", "far too many", "deep", "deep one"],
)
def test_a_broken_packet_counts_frame_by_frame_and_is_told(frames: list[str | bytes]) -> None:
    records, faults = decode(frames)
    assert [part for record in records for part in record.parts] == frames
    assert {record.kind for record in records} <= {Kind.MESSAGE, Kind.EVENT}
    assert records[0].kind is Kind.MESSAGE
    assert len(faults) == 1


def test_nesting_beyond_what_python_recurses_into_is_told() -> None:
    depth = 100_000
    [record], [fault] = decode(['42["a",' + "[" * depth + "]" * depth + "]"])
    assert record.kind is Kind.MESSAGE
    assert "nested" in fault


def test_msgpack_makes_no_room_for_what_is_not_there() -> None:
    # Each header announces four thousand million items.
    frame = b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data" + b"\xdd\xff\xff\xff\xff" * 400
    assert [record.kind for record in decode([frame])[0]] == [Kind.MESSAGE]


# Bodies of long-polling

BODIES: dict[str, tuple[int, Sequence[str | bytes]]] = {
    "": (4, []),
    '40\x1e42["a"]': (4, ["40", '42["a"]']),
    "d=42%5B%22a%22%5D": (4, ['42["a"]']),
    '___eio[0]("40\\u001e2");': (4, ["40", "2"]),
    '/**/___eio[12]("2");': (4, ["2"]),
    "2:40": (3, ["40"]),
    "1:26:4\U0001f600abc": (3, ["2", "4\U0001f600abc"]),
}


@pytest.mark.parametrize(("body", "expected"), BODIES.items(), ids=repr)
def test_a_body_is_split(body: str, expected: tuple[int, Sequence[str | bytes]]) -> None:
    assert list(split_body(body, expected[0])) == expected[1]


@pytest.mark.parametrize("body", ["x", "2", "3:40", "2:402", "99999999999:4", "-1:4", b"\x00\x09\xff4", b"\x00\xff"])
def test_a_body_whose_lengths_do_not_fit_is_refused_behind_what_fits(body: str | bytes) -> None:
    with pytest.raises(NotAPacket):
        list(split_body(body, 3))
    if isinstance(body, str):
        records, [fault] = decode_body("1:2" + body, 3)
        assert records[0].kind is Kind.PING
        assert "long-polling" in fault


def test_a_session_is_found_in_the_first_response() -> None:
    assert session_of(OPEN_4, 4) == "a"
    assert session_of(f"{len(OPEN_3)}:{OPEN_3}2:40", 3) == "a"
    assert session_of(OPEN_4.encode(), 4) == "a"
    for other in ("", "40", "2:40", "<html>", b"\x00\xff"):
        assert session_of(other, 4) is session_of(other, 3) is None


# What a log lacks


def test_a_source_without_binary_waits_for_no_attachments() -> None:
    decoder = ProtocolDecoder(1, 4, holds_binary=False)
    text = '452-["a",{"_placeholder":true,"num":0}]'
    [event] = decoder.packet(SENT, text, transport=Transport.POLLING)
    assert isinstance(event, Record)
    assert (event.event, event.args, event.parts) == ("a", ({"_placeholder": True, "num": 0},), (text,))
    assert decoder.owes(SENT)
    assert not decoder.owes(RECEIVED)
    decoder.leave_out(SENT)
    assert list(decoder.packet(SENT, "whatever its bytes look like", transport=Transport.POLLING)) == []
    [after] = decoder.packet(SENT, '42["b"]', transport=Transport.POLLING)
    assert isinstance(after, Record)
    assert after.event == "b"
    [fault] = decoder.close()
    assert isinstance(fault, Fault)
    assert fault.reason.startswith("2 binary messages")


# Whatever comes

frames = st.one_of(
    st.text(max_size=12),
    st.binary(max_size=12),
    st.sampled_from([*PACKETS, '451-["a",{"_placeholder":true,"num":0}]', '452-["a"]', "461-1[]", "b4AAE=", "bAAE="]),
    st.text(alphabet='0123456789-/,[]{}"ab:', max_size=20).map("4".__add__),
)


@given(st.lists(st.tuples(st.sampled_from(Direction), frames), max_size=12), st.sampled_from([None, 3, 4]))
@example([(SENT, '452-["a"]'), (SENT, b"1"), (SENT, "2")], 4)
def test_every_frame_comes_out_once(said: list[tuple[Direction, str | bytes]], revision: int | None) -> None:
    decoder = ProtocolDecoder(1, revision)
    found = [item for direction, frame in said for item in decoder.frame(direction, frame)] + list(decoder.close())
    out = [(item.direction, part) for item in found if isinstance(item, Record) for part in item.parts]
    assert sorted(map(repr, out)) == sorted(map(repr, said))


@given(st.text(max_size=40) | st.text(alphabet="0123456789:-b{}[]\x1e", max_size=40) | st.binary(max_size=40))
def test_any_body_can_be_read(body: str | bytes) -> None:
    for revision in (3, 4):
        decode_body(body, revision)
