"""One event, encoded once for each format: as stock sends it, with sizes that are what they say."""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
import socketio
import strategies as s
from hypothesis import example, given
from hypothesis import strategies as st
from socketio.packet import EVENT, Packet

from reznet_ws.adapters.adopting import write_packet
from reznet_ws.ledger import Share
from reznet_ws.message.fields import PayloadError
from reznet_ws.message.payload import decode_payload
from reznet_ws.outgoing.encoder import Encoder
from reznet_ws.settings import Settings

OFF = Settings.off()


def stocks(event: Any, args: Sequence[Any], namespace: str = "/", ack_id: int | None = None) -> list[str | bytes]:
    """The parts of a packet as python-socketio writes them."""
    encoded = Packet(EVENT, namespace=namespace, data=[event, *args], id=ack_id).encode()
    return encoded if isinstance(encoded, list) else [encoded]


def size(part: str | bytes) -> int:
    return len(part.encode()) if isinstance(part, str) else len(part)


class Level(enum.IntEnum):
    HIGH = 3


CALLS: list[tuple[Any, list[Any]]] = [
    ("ping", []),
    ("ping", [None]),
    ("say", ["plain"]),
    ("say", ["é😀", 1]),
    ("say", ["\x7f"]),
    ("say", ["\x7fé"]),
    ("say", ["lone \ud83d"]),
    ("é", ["é"]),
    ("\ud83d", [1]),
    ('quo"te\n', ['"']),
    ("file", [b"\x00\x01"]),
    ("file", [{"a": b"1", "b": ["é", bytearray(b"2")]}, b"", "\x7f"]),
    ("several", [1, "2", [3], {"four": 4.5}]),
    ("odd", [{7: 2, None: 3, True: 4, 1.5: 5, Level.HIGH: 6}]),
    ("odd", [math.nan, math.inf, -math.inf]),
    (1, []),
    (None, [1]),
    (1.5, ["é", b"x"]),
]


@pytest.mark.parametrize(("event", "args"), CALLS, ids=ascii)
@pytest.mark.parametrize("namespace", ["/", "/chat"])
@pytest.mark.parametrize("ack_id", [None, 12])
def test_without_layers_the_parts_are_stocks(event: Any, args: list[Any], namespace: str, ack_id: int | None) -> None:
    outgoing = Encoder(OFF).encode(event, args, namespace, short=False, ack_id=ack_id)
    assert list(outgoing.plain.parts) == stocks(event, args, namespace, ack_id)


@pytest.mark.parametrize(("event", "args"), CALLS, ids=ascii)
@pytest.mark.parametrize("ack_id", [None, 12])
def test_with_utf8_the_same_comes_out_of_it(event: Any, args: list[Any], ack_id: int | None) -> None:
    text, *attachments = Encoder(Settings()).encode(event, args, "/", short=False, ack_id=ack_id).plain.parts
    stock_text, *stock_attachments = stocks(event, args, "/", ack_id)
    assert attachments == stock_attachments
    start = str(stock_text).index("[")
    assert str(text)[:start] == str(stock_text)[:start]
    assert repr(json.loads(str(text)[start:])) == repr(json.loads(str(stock_text)[start:]))
    assert size(text) <= size(stock_text)


calls = st.tuples(s.event_names, st.lists(s.payloads_with_bytes, max_size=3))


@given(calls, s.namespaces, st.none() | st.integers(0, 10_000), st.booleans())
@example(("say", ["\x7fé"]), "/", 1, True)
@example(("\ud83d", []), "/", 1, True)
@example(("ééééééé", ["\ud83d"]), "/", None, True)
@example(("\x7f", ["\ud83d"]), "/", None, True)
@example(("\x7f", [1]), "/", None, True)
def test_sizes_are_what_stock_sends_and_what_travels(call: Any, namespace: str, ack_id: int | None, utf8: bool) -> None:
    event, args = call
    outgoing = Encoder(OFF.replace(utf8=utf8)).encode(event, args, namespace, short=False, ack_id=ack_id)
    stock, share = stocks(event, args, namespace, ack_id), outgoing.plain.shares[0]
    # `off_frame_bytes` is what goes into each WebSocket frame: Engine.IO's packet type in front of text.
    assert share.off_frame_bytes == tuple(size(part) + isinstance(part, str) for part in stock)
    assert share.plain_bytes == payload_bytes(event, stock, utf8=False)
    assert share.encoded_bytes == payload_bytes(event, outgoing.plain.parts, utf8=utf8)
    assert (share.abbreviated_bytes, share.gzipped_bytes) == (share.plain_bytes, share.encoded_bytes)


def payload_bytes(event: str, parts: Sequence[str | bytes], *, utf8: bool) -> int:
    """The arguments' JSON, without the event, brackets and commas, and the bytes beside it."""
    text, *attachments = parts
    body = str(text)[str(text).index("[") :]
    names = [json.dumps(event, ensure_ascii=escaped) for escaped in ((False, True) if utf8 else (True,))]
    name = next(name for name in names if body.startswith(f"[{name}"))
    args = json.loads(body)[1:]
    return size(body) - size(name) - 2 - len(args) + sum(map(len, attachments))


@pytest.mark.parametrize(("event", "args"), [(1, []), (None, [1]), (1.5, ["é"]), ((), [])], ids=repr)
def test_the_sizes_of_an_event_whose_name_is_no_string(event: Any, args: list[Any]) -> None:
    share = Encoder(OFF).encode(event, args, "/", short=False).plain.shares[0]
    assert share.event == str(event)
    assert share.plain_bytes == sum(len(json.dumps(arg)) for arg in args)


# Format 2


@given(calls, st.sampled_from(s.ALL_LAYERS))
def test_what_is_short_decodes_to_what_was_emitted(call: Any, settings: Settings) -> None:
    event, args = call
    outgoing = Encoder(settings).encode(event, args, "/", short=True)
    assert outgoing.message is not None
    assert outgoing.message.event == event
    assert s.exactly([decode_payload(payload.value) for payload in outgoing.message.payloads]) == s.exactly(args)
    assert outgoing.plain.shares[0] == Encoder(settings).encode(event, args, "/", short=False).plain.shares[0]


def test_nothing_is_shortened_that_nobody_takes() -> None:
    outgoing = Encoder(Settings()).encode("say", [{"message_id": 1}], "/", short=False)
    assert outgoing.message is None
    assert outgoing.short is outgoing.plain


def test_unoptimized_it_travels_as_it_is_and_only_what_looks_like_ours_is_marked() -> None:
    encoder = Encoder(Settings(gzip=True, gzip_threshold_bytes=0))
    values = {"message_id": "x" * 1000}, {"_v": 2}
    plain, marked = (encoder.encode("say", [value], "/", short=True, optimize=False).message for value in values)
    assert plain is not None
    assert plain.payloads[0].value == values[0]
    assert marked is not None
    assert decode_payload(marked.payloads[0].value) == values[1]
    assert marked.payloads[0].value != values[1]


@pytest.mark.parametrize(
    ("event", "args"),
    [("say", [{1: 2}]), ("say", [math.nan]), (1, ["x"]), ("say", [json.loads("[" * 300 + "]" * 300)])],
    ids=lambda part: ascii(part)[:20],
)
def test_what_format_2_cannot_carry_exactly_goes_plain(event: Any, args: list[Any]) -> None:
    outgoing = Encoder(Settings()).encode(event, args, "/", short=True)
    assert outgoing.message is None
    assert list(outgoing.plain.parts) == stocks(event, args)


@pytest.mark.parametrize(
    ("event", "args"), [("say", [{"_v": 2, 1: 2}]), (1, [{"_v": 2}]), ("message_batch", [{1: 2}])], ids=repr
)
def test_what_would_be_taken_for_ours_and_cannot_be_marked_is_refused(event: Any, args: list[Any]) -> None:
    with pytest.raises(PayloadError):
        Encoder(Settings()).encode(event, args, "/", short=True)
    Encoder(Settings()).encode(event, args, "/", short=False)


def test_bytes_beside_one_argument_do_not_make_bytes_of_what_looks_like_a_placeholder_in_another() -> None:
    settings = Settings(gzip=True, gzip_threshold_bytes=0, gzip_max_ratio=1.0)
    args = [{"content": "x" * 1000}, {"_placeholder": True, "num": 0}]
    outgoing = Encoder(settings).encode("say", args, "/", short=True)
    assert outgoing.message is not None
    assert not any(payload.gzipped for payload in outgoing.message.payloads)
    alone = Encoder(settings).encode("say", args[:1], "/", short=True).message
    assert alone is not None
    assert alone.payloads[0].gzipped


# Errors


@pytest.mark.parametrize(
    "value",
    [object(), date(2025, 10, 25), {(1, 2): 3}, {b"key": 1}, {1, 2}, [b"x", 1j]],
    ids=["object", "date", "tuple key", "bytes key", "set", "beside bytes"],
)
def test_what_python_refuses_raises_what_stock_raises(value: Any) -> None:
    with pytest.raises(TypeError) as stock:
        stocks("say", [value])
    with pytest.raises(TypeError) as ours:
        Encoder(Settings()).encode("say", [value], "/", short=True)
    assert str(ours.value) == str(stock.value)


@pytest.mark.parametrize(
    ("event", "args", "message"),
    [
        ("say", [{"a": [1, math.nan]}], r"say: \$\.a\[1\] is nan"),
        ("say", [1, {2: 3}], r"say: \$ has the key 2, which is not a string"),
        (7, [], "has the event name 7, which is not a string"),
    ],
    ids=repr,
)
def test_a_strict_encoder_names_the_path(event: Any, args: list[Any], message: str) -> None:
    with pytest.raises(PayloadError, match=message):
        Encoder(Settings(strict_json=True)).encode(event, args, "/", short=False)


# The application's own packets


class Counting:
    """A codec that counts what it is asked for, and writes in its own way."""

    calls = 0

    @classmethod
    def dumps(cls, value: Any, **options: Any) -> str:
        cls.calls += 1
        return json.dumps(value, default=str, indent=1)

    loads = staticmethod(json.loads)


class OwnPacket(Packet):  # type: ignore[misc]
    json = Counting


class WithoutBinary(Packet):  # type: ignore[misc]
    uses_binary_events = False


def server(serializer: Any = "default") -> socketio.AsyncServer:
    return socketio.AsyncServer(async_mode="asgi", serializer=serializer)


@pytest.mark.parametrize("ack_id", [None, 3])
def test_an_own_codec_is_called_once_and_what_it_wrote_is_sent_as_it_is(ack_id: int | None) -> None:
    day = date(2025, 10, 25)
    before = Counting.calls
    outgoing = Encoder(Settings(), write_packet(server(OwnPacket))).encode(
        "say", ["é", day], "/", short=False, ack_id=ack_id
    )
    assert Counting.calls == before + 1
    assert list(outgoing.plain.parts) == [
        f"2{'' if ack_id is None else ack_id}{json.dumps(['say', 'é', str(day)], indent=1)}"
    ]
    whole = size(outgoing.plain.parts[0])
    assert outgoing.plain.shares[0] == Share("say", whole, whole, whole, whole, (whole + 1,), 1)


def test_python_socketios_own_packets_need_nobody_else_to_write_them() -> None:
    assert write_packet(server()) is None


@pytest.mark.parametrize("serializer", ["msgpack", WithoutBinary, OwnPacket])
def test_other_packets_are_written_by_their_class(serializer: Any) -> None:
    sio = server(serializer)
    encoded = sio.packet_class(EVENT, namespace="/chat", data=["say", "é", 1], id=7).encode()
    outgoing = Encoder(Settings(), write_packet(sio)).encode("say", ["é", 1], "/chat", short=False, ack_id=7)
    assert list(outgoing.plain.parts) == [encoded]
    assert outgoing.plain.shares[0].off_frame_bytes == (size(encoded) + isinstance(encoded, str),)


@pytest.mark.parametrize("event", ["\x7f", "\x7fé", "é", "\ud83d"], ids=ascii)
@pytest.mark.parametrize("text", ["plain", "é", "\x7f", "lone \ud83d"], ids=ascii)
def test_format_2_carries_the_argument_whatever_the_event_s_name_is_written_as(event: str, text: str) -> None:
    outgoing = Encoder(Settings()).encode(event, [{"content": text}], "/", short=True)
    name, sent = json.loads(str(outgoing.short.parts[0])[1:])
    assert (name, decode_payload(sent)) == (event, {"content": text})
    assert outgoing.short.shares[0].plain_bytes == outgoing.plain.shares[0].plain_bytes
