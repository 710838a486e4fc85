"""Layers 1 and 3 on one payload: lossless over every subset of the layers, and deaf to forged payloads."""

from __future__ import annotations

import contextlib
import gzip
import json
import random
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import hypothesis
import pytest
import strategies as s
from hypothesis import example, given
from hypothesis import strategies as st

from reznet_ws.message.fields import DecodeError, PayloadError
from reznet_ws.message.json_text import dumps
from reznet_ws.message.payload import MAX_BYTES, Payload, PayloadOptimizer, decode_payload
from reznet_ws.settings import Settings

# A message that is mostly keys, before and after.
ORIGINAL = {
    "message_id": "abc-123",
    "channel_id": "xyz-456",
    "author_type": "agent",
    "author_name": "@backend",
    "content": "Response here...",
    "created_at": "2025-10-25T12:00:00.000Z",
    "metadata": {"model": "claude-3", "provider": "anthropic"},
}
OPTIMIZED = {
    "mid": "abc-123",
    "cid": "xyz-456",
    "at": "agent",
    "an": "@backend",
    "c": "Response here...",
    "ts": 1761393600000,
    "m": {"mdl": "claude-3", "prv": "anthropic"},
}
GZIP = Settings(gzip=True, gzip_threshold_bytes=0, gzip_max_ratio=1.0)
ABBREVIATED = Settings(gzip=False)
PLAIN = Settings(abbreviate=False, gzip=False)


def _gz(body: bytes | str) -> dict[str, Any]:
    return {"_v": 2, "gz": gzip.compress(body if isinstance(body, bytes) else body.encode(), mtime=0)}


def _encode(value: Any, settings: Settings) -> Payload:
    optimizer = PayloadOptimizer(settings)
    return optimizer.encode(optimizer.encode_plain(value))


# Lossless


@given(s.payloads_with_bytes)
@example({"_v": 2})
@example({"_v": 2, "gz": b"\x1f\x8b"})
@example({"_v": 2, "gz": "no bytes"})
@example({"_v": 2.0, "mid": 1})
@example({"_v": True, "~_v": False})
@example({"gz": b"x", "_v": 1, "content": {"_v": 2, "gz": b""}})
@example([{"_v": 2, "mid": 1}])
@example("x" * 1000)
def test_decoding_undoes_encoding_for_every_subset_of_the_layers(value: Any) -> None:
    for settings in s.ALL_LAYERS:
        assert s.exactly(decode_payload(PayloadOptimizer(settings).optimize(value))) == s.exactly(value)


@given(s.payloads)
def test_decoding_undoes_encoding_after_the_text_was_parsed(value: Any) -> None:
    for settings in s.ALL_LAYERS:
        payload = _encode(value, settings)
        if payload.text is None:
            assert payload.gzipped
        else:
            assert s.exactly(json.loads(payload.text.encode())) == s.exactly(payload.value)
            assert s.exactly(decode_payload(json.loads(payload.text.encode()))) == s.exactly(value)


@given(s.payloads_with_bytes)
def test_encoding_leaves_its_input_alone(value: Any) -> None:
    before = s.exactly(value)
    for settings in s.ALL_LAYERS:
        sent = PayloadOptimizer(settings).optimize(value)
        again = s.exactly(sent)
        decode_payload(sent)
        assert s.exactly(sent) == again
    assert s.exactly(value) == before


@given(s.payloads_with_bytes)
def test_an_optimized_payload_can_be_a_payload_itself(value: Any) -> None:
    for settings in s.ALL_LAYERS:
        optimizer = PayloadOptimizer(settings)
        once = optimizer.optimize(value)
        assert s.exactly(decode_payload(optimizer.optimize(once))) == s.exactly(once)


@given(s.payloads_with_bytes)
def test_format_1_is_what_was_emitted(value: Any) -> None:
    for settings in s.ALL_LAYERS:
        assert s.exactly(PayloadOptimizer(settings).encode_plain(value).value) == s.exactly(value)


def test_a_buffer_used_again_does_not_change_a_payload_that_waits() -> None:
    buffer = bytearray(b"audio frame")
    payload = _encode({"content": buffer}, ABBREVIATED)
    buffer[:] = bytes(len(buffer))
    assert decode_payload(payload.value) == {"content": b"audio frame"}


# What each step makes


def test_the_seed_documents_example_comes_out_as_printed_and_marked() -> None:
    optimized = PayloadOptimizer(ABBREVIATED).optimize(ORIGINAL)
    assert s.exactly(optimized) == s.exactly({**OPTIMIZED, "_v": 2})
    assert s.exactly(decode_payload(optimized)) == s.exactly(ORIGINAL)


def test_the_seed_documents_example_has_the_sizes_of_its_json() -> None:
    payload = _encode(ORIGINAL, ABBREVIATED)
    before = json.dumps(ORIGINAL, separators=(",", ":"))
    after = json.dumps({**OPTIMIZED, "_v": 2}, separators=(",", ":"))
    assert payload.text == after
    assert payload.plain_bytes == len(before)
    assert payload.abbreviated_bytes == payload.encoded_bytes == payload.gzipped_bytes == len(after) < len(before)


def test_the_seed_preset_leaves_a_small_payload_to_abbreviation() -> None:
    assert PayloadOptimizer(Settings.seed()).optimize(ORIGINAL) == {**OPTIMIZED, "_v": 2}


def test_a_large_payload_becomes_gzip() -> None:
    plan = {"plan": [{**ORIGINAL, "order": number} for number in range(100)]}
    payload = _encode(plan, Settings.seed())
    assert payload.gzipped
    assert payload.text is None
    assert list(payload.value) == ["_v", "gz"]
    assert payload.value["_v"] == 2
    inner = json.loads(gzip.decompress(payload.value["gz"]))
    assert inner["_v"] == 2
    assert inner["p"][0]["mid"] == "abc-123"
    assert payload.gzipped_bytes == len(payload.value["gz"]) < 0.9 * payload.encoded_bytes
    assert decode_payload(payload.value) == plan


def test_gzip_holds_no_time_so_equal_payloads_are_equal_bytes() -> None:
    packed = _encode("a" * 100, GZIP).value["gz"]
    assert packed[4:8] == bytes(4)


def test_gzip_begins_above_the_threshold() -> None:
    settings = Settings(gzip=True, gzip_threshold_bytes=1000)
    assert not _encode("a" * 998, settings).gzipped  # 1000 with its quotes
    assert _encode("a" * 999, settings).gzipped


def test_gzip_is_dropped_where_it_saves_too_little() -> None:
    noise = random.Random(1).randbytes(2000).hex()
    packed = len(gzip.compress(dumps(noise, utf8=True).encode(), 6, mtime=0))
    size = len(noise) + 2
    settings = Settings(gzip=True, gzip_threshold_bytes=0)
    assert _encode(noise, settings.replace(gzip_max_ratio=(packed + 1) / size)).gzipped
    for ratio in (packed / size, (packed - 1) / size):
        payload = _encode(noise, settings.replace(gzip_max_ratio=ratio))
        assert (payload.gzipped, payload.value, payload.gzipped_bytes) == (False, noise, size)


def test_gzip_leaves_a_payload_with_bytes_in_it() -> None:
    assert not _encode({"content": "a" * 1000, "file": b"b" * 1000}, GZIP).gzipped


def test_gzip_follows_its_level() -> None:
    text = " ".join(map(str, range(3000)))
    for level in (1, 6, 9):
        packed = _encode(text, GZIP.replace(gzip_level=level)).value["gz"]
        assert packed == gzip.compress(f'"{text}"'.encode(), level, mtime=0)


@pytest.mark.parametrize("value", [None, True, 1, "text", [ORIGINAL], [], b"bytes"], ids=lambda v: type(v).__name__)
def test_what_is_no_object_is_sent_as_it_is(value: Any) -> None:
    assert s.exactly(_encode(value, ABBREVIATED).value) == s.exactly(value)


@pytest.mark.parametrize(
    "value", [{}, {"x": 1}, {"c": 1}, {"_V": 2}, {"content": 1}, {"created_at": "now"}, {"x": {"_v": 2}}], ids=repr
)
def test_abbreviation_is_dropped_where_it_saves_nothing(value: Any) -> None:
    payload = _encode(value, ABBREVIATED)
    assert s.exactly(payload.value) == s.exactly(value)
    assert payload.abbreviated_bytes == payload.plain_bytes


@pytest.mark.parametrize("settings", s.ALL_LAYERS, ids=s.name_layers)
@pytest.mark.parametrize("mark", [2, 1, None, "2", b"2"], ids=repr)
def test_an_applications_own_mark_is_escaped_whatever_the_settings(settings: Settings, mark: Any) -> None:
    sent = PayloadOptimizer(settings).optimize({"_v": mark, "mid": "x"})
    assert s.exactly(sent) == s.exactly({"~_v": mark, "~mid": "x", "_v": 2})


def test_with_all_layers_off_nothing_is_marked() -> None:
    payload = _encode(ORIGINAL, Settings.off())
    assert s.exactly(payload.value) == s.exactly(ORIGINAL)


@given(s.payloads_with_bytes)
def test_sizes_are_those_of_the_texts_and_the_bytes_beside_them(value: Any) -> None:
    for settings in s.ALL_LAYERS:
        optimizer = PayloadOptimizer(settings)
        plain = optimizer.encode_plain(value)
        abbreviated = PayloadOptimizer(settings.replace(gzip=False)).encode(plain)
        sent = optimizer.encode(plain)
        beside = _bytes_in(value)
        assert plain.plain_bytes == plain.abbreviated_bytes == len(dumps(value, utf8=False)) + beside
        assert plain.encoded_bytes == len(dumps(value, utf8=settings.utf8).encode()) + beside
        assert sent.plain_bytes == plain.plain_bytes
        assert sent.abbreviated_bytes == len(dumps(abbreviated.value, utf8=False)) + beside
        assert sent.encoded_bytes == len(dumps(abbreviated.value, utf8=settings.utf8).encode()) + beside
        if sent.gzipped:
            assert sent.gzipped_bytes == len(sent.value["gz"])
            assert json.loads(gzip.decompress(sent.value["gz"])) == abbreviated.value
        else:
            assert sent.gzipped_bytes == sent.encoded_bytes
            assert sent == abbreviated
        assert (sent.text is None) == (sent.gzipped or _holds_bytes(value))


@given(s.payloads)
def test_no_step_makes_a_payload_larger_unless_it_must_be_marked(value: Any) -> None:
    for settings in s.ALL_LAYERS:
        sent = _encode(value, settings)
        if not (isinstance(value, dict) and "_v" in value):
            assert sent.gzipped_bytes <= sent.encoded_bytes <= sent.abbreviated_bytes <= sent.plain_bytes


@pytest.mark.parametrize("settings", s.ALL_LAYERS, ids=s.name_layers)
def test_what_json_lacks_is_refused_in_both_formats_whatever_the_settings(settings: Settings) -> None:
    optimizer = PayloadOptimizer(settings)
    for function in (optimizer.optimize, optimizer.encode_plain):
        with pytest.raises(PayloadError, match=r"^payload: \$\.metadata\[0\] is nan, which JSON lacks$"):
            function({"metadata": [float("nan")]})


# Decoding what anybody may send


@given(s.payloads_with_bytes)
def test_what_is_not_marked_comes_back_as_it_is(value: Any) -> None:
    if not (isinstance(value, dict) and value.get("_v") == 2):
        assert decode_payload(value) is value


@given(s.objects_with_bytes)
def test_a_forged_mark_gives_a_value_or_a_decode_error(value: dict[str, Any]) -> None:
    _value_or_decode_error({**value, "_v": 2})
    value.pop("gz", None)
    _value_or_decode_error({**value, "_v": 2})


@given(st.binary(max_size=200) | s.json_values)
@example(b"")
@example(gzip.compress(b""))
@example(gzip.compress(b"{}")[:-1])
def test_anything_in_place_of_gzip_gives_a_value_or_a_decode_error(packed: Any) -> None:
    _value_or_decode_error({"_v": 2, "gz": packed})


@given(st.binary(max_size=50) | st.text(max_size=50).map(str.encode) | s.payloads.map(json.dumps).map(str.encode))
@example(b"")
@example(b"\xff")
@example(b"\xef\xbb\xbf{}")
@example(b"NaN")
@example(b"1e999")
@example(b"[" * 100_000)
@example(b"9" * 5000)
@example(b'{"_v":2,"ts":' + b"[" * 960 + b"]" * 960 + b"}")
@example(b'{"_v":2,"gz":"x"}')
@example(b'{"_v":2,"_v":2,"ts":1e999}')
def test_anything_inside_gzip_gives_a_value_or_a_decode_error(body: bytes) -> None:
    _value_or_decode_error(_gz(body))


@given(s.bulky_values, st.data())
@hypothesis.settings(max_examples=150)
def test_mutated_gzip_gives_a_value_or_a_decode_error(value: Any, data: st.DataObject) -> None:
    packed = bytearray(gzip.compress(json.dumps({**value, "_v": 2}).encode(), mtime=0))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(packed) - 1))
        match data.draw(st.sampled_from(["flip", "cut", "insert", "repeat"])):
            case "flip":
                packed[at] ^= 1 << data.draw(st.integers(0, 7))
            case "cut":
                del packed[max(at, 1) :]
            case "insert":
                packed.insert(at, data.draw(st.integers(0, 255)))
            case "repeat":
                packed += packed[at:]
    _value_or_decode_error({"_v": 2, "gz": bytes(packed)})


@pytest.mark.parametrize("depth", [300, 500, 900, 960, 100_000])
def test_deep_nesting_gives_a_decode_error_from_any_depth_of_stack(depth: int) -> None:
    body = b'{"_v":2,"ts":' + b"[" * depth + b"]" * depth + b"}"
    value: Any = 0
    for _ in range(min(depth, 960)):
        value = [value]
    for frames in range(0, 300, 7):
        for forged in (_gz(body), {"_v": 2, "x": value}, {"_v": 2, "ts": value}):
            with pytest.raises(DecodeError):
                _below(frames, lambda forged=forged: decode_payload(forged))  # type: ignore[misc]


@pytest.mark.parametrize(
    ("forged", "reason"),
    [
        ({"_v": 2, "gz": "text"}, "holds `_v` and the bytes in `gz`, nothing else"),
        ({"_v": 2, "gz": None}, "holds `_v` and the bytes in `gz`, nothing else"),
        ({**_gz("{}"), "c": 1}, "holds `_v` and the bytes in `gz`, nothing else"),
        ({"_v": 2, "gz": b"text"}, "not gzip"),
        ({"_v": 2, "gz": zlib.compress(b"{}")}, "not gzip"),
        ({"_v": 2, "gz": gzip.compress(b"{}")[:-1]}, "the gzip stream is cut off"),
        ({"_v": 2, "gz": b""}, "the gzip stream is cut off"),
        ({"_v": 2, "gz": gzip.compress(b"{}") + b"\0"}, "bytes follow the gzip stream"),
        ({"_v": 2, "gz": gzip.compress(b"{") + gzip.compress(b"}")}, "bytes follow the gzip stream"),
        ({"_v": 2, "gz": gzip.compress(b"{}")[:-8] + bytes(8)}, "not gzip"),  # a wrong checksum
        (_gz("{"), "not JSON"),
        (_gz('{"x":NaN}'), "not JSON: NaN is not JSON"),
        (_gz("-Infinity"), "not JSON: -Infinity is not JSON"),
        (_gz(b'"\xff"'), "not JSON"),
        (_gz('{"_v":2,"gz":"x"}'), "a gzipped payload inside a gzipped payload"),
        (_gz('{"_v":2,"mid":1,"message_id":2}'), "comes twice"),
        (_gz('{"_v":2,"ts":"2025"}'), "timestamp"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_a_forged_payload_is_refused_for_its_reason(forged: Any, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        decode_payload(forged)


def test_max_bytes_is_the_most_that_may_come_out() -> None:
    forged = _gz(json.dumps("a" * 998))  # 1000 bytes
    assert decode_payload(forged, max_bytes=1000) == "a" * 998
    with pytest.raises(DecodeError, match="inflates to more than 999 bytes"):
        decode_payload(forged, max_bytes=999)


@pytest.mark.parametrize("max_bytes", [100_000, MAX_BYTES])
def test_a_bomb_is_refused_in_bounded_memory(max_bytes: int) -> None:
    packer = zlib.compressobj(9, wbits=31)
    million = bytes(1_000_000)
    bomb = b"".join([*(packer.compress(million) for _ in range(50)), packer.flush()])
    assert len(bomb) < 60_000
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError, match=f"inflates to more than {max_bytes} bytes"):
            decode_payload({"_v": 2, "gz": bomb}, max_bytes=max_bytes)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert max_bytes < peak < 2.5 * max_bytes + 200_000


def _value_or_decode_error(forged: Any) -> None:
    with contextlib.suppress(DecodeError):
        decode_payload(forged, max_bytes=1_000_000)


def _below(frames: int, function: Callable[[], Any]) -> Any:
    return function() if not frames else _below(frames - 1, function)


def _holds_bytes(value: Any) -> bool:
    if isinstance(value, (dict, list)):
        return any(map(_holds_bytes, value.values() if isinstance(value, dict) else value))
    return isinstance(value, bytes)


def _bytes_in(value: Any) -> int:
    if isinstance(value, (dict, list)):
        return sum(map(_bytes_in, value.values() if isinstance(value, dict) else value))
    return len(value) if isinstance(value, bytes) else 0
