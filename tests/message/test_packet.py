"""Socket.IO packets: the text that python-socketio would send, which its own parser reads back."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from typing import Any

import hypothesis
import pytest
import socketio.packet
import strategies as s
from hypothesis import example, given
from hypothesis import strategies as st

from reznet_ws.message.packet import BATCH_EVENT, Message, Packet, batch_packet, event_packet, pack
from reznet_ws.message.payload import PayloadOptimizer, decode_payload
from reznet_ws.settings import Settings

ESCAPED = Settings.off()
UTF8 = Settings.off().replace(utf8=True)
ack_ids = st.none() | st.integers(0, 10**9)
calls = st.tuples(s.event_names, st.lists(s.payloads_with_bytes, max_size=3))
# What an envelope has room for.
small_calls = st.tuples(s.event_names, st.lists(s.payloads_with_bytes, max_size=1))


def _message(
    event: str, args: Sequence[Any], settings: Settings, namespace: str = "/", *, short: bool = False
) -> Message:
    optimizer = PayloadOptimizer(settings)
    payloads = map(optimizer.encode_plain, args)
    return Message(event, tuple(map(optimizer.encode, payloads) if short else payloads), namespace)


def _stock(data: list[Any], namespace: str, ack_id: int | None = None) -> Packet:
    """What python-socketio sends."""
    encoded = socketio.packet.Packet(data=data, namespace=namespace, id=ack_id).encode()
    return Packet(encoded) if isinstance(encoded, str) else Packet(encoded[0], tuple(encoded[1:]))


def _parse(packet: Packet) -> Any:
    """What python-socketio reads."""
    text = packet.text.encode().decode()  # it can be sent
    parsed = socketio.packet.Packet(encoded_packet=text)
    assert parsed.attachment_count == len(packet.attachments)
    for attachment in packet.attachments:
        parsed.add_attachment(attachment)
    return parsed


def _entry(event: str, args: Sequence[Any]) -> dict[str, Any]:
    return {"e": event, "d": args[0]} if args else {"e": event}


# One event


@given(calls, s.namespaces, ack_ids)
@example(("a", []), "/", None)
@example(("a", [[1], "b", None, {"c": b"d"}, b"e"]), "/chat", 0)
@example(("\ud83d", ["\udc00", "é"]), "/", 12)
def test_format_1_is_what_python_socketio_sends(call: Any, namespace: str, ack_id: int | None) -> None:
    event, args = call
    packet = event_packet(_message(event, args, ESCAPED, namespace), utf8=False, ack_id=ack_id)
    assert packet == _stock([event, *args], namespace, ack_id)


@given(calls, s.namespaces, ack_ids)
@example(("a", ["\ud83d", "é", {"é": b"x"}]), "/", None)
def test_python_socketio_reads_an_event_of_either_format(call: Any, namespace: str, ack_id: int | None) -> None:
    event, args = call
    for settings in s.ALL_LAYERS:
        for short in (False, True):
            message = _message(event, args, settings, namespace, short=short)
            parsed = _parse(event_packet(message, utf8=settings.utf8, ack_id=ack_id))
            assert parsed.packet_type in (socketio.packet.EVENT, socketio.packet.BINARY_EVENT)
            assert (parsed.namespace or "/", parsed.id) == (namespace, ack_id)
            received = [parsed.data[0], *(map(decode_payload, parsed.data[1:]) if short else parsed.data[1:])]
            assert s.exactly(received) == s.exactly([event, *args])


# Several events


@given(st.lists(small_calls, min_size=1, max_size=5), s.namespaces)
@example([("a", []), ("b", [None]), ("c", [b"x"]), ("d", [[b"y"]])], "/chat")
def test_a_batch_is_what_python_socketio_sends_for_the_seed_documents_envelope(batch: Any, namespace: str) -> None:
    packet = batch_packet([_message(event, args, ESCAPED, namespace) for event, args in batch], utf8=False)
    entries = [_entry(event, args) for event, args in batch]
    assert packet == _stock([BATCH_EVENT, {"batch": True, "messages": entries}], namespace)


@given(st.lists(small_calls, min_size=1, max_size=4), s.namespaces)
@example([("a", ["\ud83d"]), ("b", ["é"]), ("é", [])], "/")
@example([("a", ["\ud83d"]), ("b", ["é"]), ("é", [b"x"])], "/")
@hypothesis.settings(max_examples=50)
def test_python_socketio_reads_a_batch_of_either_format(batch: Any, namespace: str) -> None:
    for settings in s.ALL_LAYERS:
        for short in (False, True):
            messages = [_message(event, args, settings, namespace, short=short) for event, args in batch]
            parsed = _parse(batch_packet(messages, utf8=settings.utf8))
            assert (parsed.namespace or "/", parsed.id) == (namespace, None)
            name, envelope = parsed.data
            assert (name, list(envelope), envelope["batch"]) == (BATCH_EVENT, ["batch", "messages"], True)
            received = [
                {key: decode_payload(value) if short and key == "d" else value for key, value in entry.items()}
                for entry in envelope["messages"]
            ]
            assert s.exactly(received) == s.exactly([_entry(event, args) for event, args in batch])


# What may travel together


@pytest.mark.parametrize(
    ("args", "fits"),
    [
        ([], True),
        (["x" * 98], True),  # 100 bytes
        (["x" * 99], False),
        (["é" * 49], True),
        ([None, None], False),  # the envelope has room for one
        ([b""], False),  # a batch has no attachments
        ([{"x": [b"y"]}], False),
    ],
    ids=lambda part: repr(part)[:20],
)
def test_a_batch_holds_small_messages_of_one_argument_without_bytes(args: list[Any], fits: bool) -> None:
    settings = UTF8.replace(batch_max_bytes=100, batch_events=frozenset({"status"}))
    message = _message("status", args, settings)
    assert message.fits(settings) is fits
    assert message.may_wait(settings) is fits
    assert _message("error", args, settings).may_wait(settings) is False


def test_a_message_that_is_never_compressed_fits_no_batch() -> None:
    # All that travels with it would stay uncompressed too.
    settings = UTF8.replace(never_compress=frozenset({"token"}), batch_events=frozenset({"token", "status"}))
    assert not _message("token", ["x"], settings).may_wait(settings)
    assert _message("status", ["x"], settings).may_wait(settings)


def test_a_gzipped_message_fits_no_batch() -> None:
    settings = Settings(gzip=True, gzip_threshold_bytes=0)
    assert not _message("status", ["x" * 1000], settings, short=True).fits(settings)
    assert _message("status", ["x" * 1000], settings).fits(settings)


@given(calls, s.namespaces)
@example((BATCH_EVENT, [1]), "/chat")
@example((BATCH_EVENT, []), "/")
@example((BATCH_EVENT, [1, 2]), "/")
def test_one_message_is_packed_alone_unless_the_receiver_would_take_it_for_a_batch(call: Any, namespace: str) -> None:
    event, args = call
    message = _message(event, args, UTF8, namespace)
    enveloped = message.event == BATCH_EVENT and len(message.payloads) == 1
    alone = batch_packet([message], utf8=True) if enveloped else event_packet(message, utf8=True)
    assert pack([message], utf8=True) == alone


@given(st.lists(small_calls, min_size=2, max_size=4), s.namespaces, st.booleans())
def test_several_messages_are_packed_in_a_batch(batch: Any, namespace: str, utf8: bool) -> None:
    messages = [_message(event, args, UTF8.replace(utf8=utf8), namespace) for event, args in batch]
    assert pack(messages, utf8=utf8) == batch_packet(messages, utf8=utf8)


# Golden frames


@pytest.mark.parametrize(
    ("event", "args", "namespace", "ack_id", "settings", "packet"),
    [
        ("ping", [], "/", None, ESCAPED, Packet('2["ping"]')),
        ("ping", [None], "/", 7, ESCAPED, Packet('27["ping",null]')),
        ("say", ["é", 1], "/", None, ESCAPED, Packet(r'2["say","\u00e9",1]')),
        ("say", ["é", 1], "/", None, UTF8, Packet('2["say","é",1]')),
        ("é", ["é"], "/", None, UTF8, Packet('2["é","é"]')),
        ("é", ["é"], "/", None, ESCAPED, Packet(r'2["\u00e9","\u00e9"]')),
        ("\ud83d", ["é"], "/", None, UTF8, Packet(r'2["\ud83d","é"]')),
        ("say", [{"content": "x"}], "/chat", 12, ESCAPED, Packet('2/chat,12["say",{"content":"x"}]')),
        (
            "file",
            [{"a": b"1", "b": ["é", b"2"]}, b"3"],
            "/chat",
            12,
            UTF8,
            Packet(
                '53-/chat,12["file",{"a":{"_placeholder":true,"num":0},"b":["é",{"_placeholder":true,"num":1}]},'
                '{"_placeholder":true,"num":2}]',
                (b"1", b"2", b"3"),
            ),
        ),
    ],
    ids=lambda part: part.text if isinstance(part, Packet) else "",
)
def test_golden_events(
    event: str, args: list[Any], namespace: str, ack_id: int | None, settings: Settings, packet: Packet
) -> None:
    assert event_packet(_message(event, args, settings, namespace), utf8=settings.utf8, ack_id=ack_id) == packet


def test_the_seed_documents_batch() -> None:
    statuses = {"@backend": "thinking", "@frontend": "online", "@qa": "idle", "@devops": "busy"}
    messages = [
        _message("agent_status", [{"agent_name": name, "status": status}], Settings(), short=True)
        for name, status in statuses.items()
    ]
    assert batch_packet(messages, utf8=True) == Packet(
        '2["message_batch",{"batch":true,"messages":['
        '{"e":"agent_status","d":{"ag":"@backend","s":"thinking","_v":2}},'
        '{"e":"agent_status","d":{"ag":"@frontend","s":"online","_v":2}},'
        '{"e":"agent_status","d":{"ag":"@qa","s":"idle","_v":2}},'
        '{"e":"agent_status","d":{"ag":"@devops","s":"busy","_v":2}}'
        "]}]"
    )


def test_gzip_travels_as_an_attachment() -> None:
    gzipped = Settings(gzip=True, gzip_threshold_bytes=0)
    message = _message("plan", ["x" * 1000], gzipped, short=True)
    packet = event_packet(message, utf8=True)
    assert packet.text == '51-["plan",{"_v":2,"gz":{"_placeholder":true,"num":0}}]'
    assert json.loads(gzip.decompress(packet.attachments[0])) == "x" * 1000
    both = batch_packet([message, _message("ping", [], gzipped, "/", short=True)], utf8=True)
    assert both.text == (
        '51-["message_batch",{"batch":true,"messages":['
        '{"e":"plan","d":{"_v":2,"gz":{"_placeholder":true,"num":0}}},{"e":"ping"}]}]'
    )
    assert both.attachments == packet.attachments
