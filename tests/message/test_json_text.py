r"""JSON text: UTF-8 where it is asked for, escapes where it must be, a placeholder for each bytes object."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import strategies as s
from hypothesis import example, given
from hypothesis import strategies as st
from socketio.packet import Packet

from reznet_ws.message.json_text import dumps, escaped_chars, split_attachments


@given(s.payloads, st.booleans())
@example("\ud83d", True)
@example(["привет", "\udc00"], True)
def test_json_gives_the_value_back_and_can_always_be_sent(value: Any, utf8: bool) -> None:
    text = dumps(value, utf8=utf8)
    assert s.exactly(json.loads(text)) == s.exactly(value)
    assert s.exactly(json.loads(text.encode())) == s.exactly(value)


@given(s.payloads)
def test_without_utf8_the_text_is_what_python_socketio_sends(value: Any) -> None:
    assert dumps(value, utf8=False) == json.dumps(value, separators=(",", ":"))


@given(s.payloads)
def test_utf8_never_takes_more_bytes(value: Any) -> None:
    assert len(dumps(value, utf8=True).encode()) <= len(dumps(value, utf8=False))


@pytest.mark.parametrize(
    ("value", "utf8", "text"),
    [
        ({"a": [1, "x"], "b": None}, True, '{"a":[1,"x"],"b":null}'),
        ("привет", True, '"привет"'),
        ("привет", False, r'"\u043f\u0440\u0438\u0432\u0435\u0442"'),
        ("😀", True, '"😀"'),
        ("😀", False, r'"\ud83d\ude00"'),
        (["привет", "\ud83d"], True, r'["\u043f\u0440\u0438\u0432\u0435\u0442","\ud83d"]'),
        ({"\udc00": "é"}, True, r'{"\udc00":"\u00e9"}'),
        ("\u2028\x7f\n", True, '"\u2028\x7f\\n"'),
    ],
    ids=ascii,
)
def test_golden_texts(value: Any, utf8: bool, text: str) -> None:
    assert dumps(value, utf8=utf8) == text


@pytest.mark.parametrize("value", [math.nan, [math.inf], {"x": -math.inf}, {7: 2, None: 3, True: 4, 1.5: 5}], ids=repr)
@pytest.mark.parametrize("utf8", [False, True])
def test_what_only_python_writes_is_written_as_python_writes_it(value: Any, utf8: bool) -> None:
    assert dumps(value, utf8=utf8) == json.dumps(value, separators=(",", ":"))
    beside = split_attachments([value, b"x"], utf8=utf8)[0]
    assert beside == json.dumps([value, {"_placeholder": True, "num": 0}], separators=(",", ":"))


@pytest.mark.parametrize("value", [{1, 2}, object(), 1j, memoryview(b"")], ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("beside", [[], [b"x"]], ids=["alone", "beside bytes"])
def test_a_type_that_json_lacks_is_refused_in_pythons_words(value: Any, beside: list[Any]) -> None:
    with pytest.raises(TypeError) as pythons:
        json.dumps(value)
    with pytest.raises(TypeError, match=f"^{pythons.value}$"):
        dumps([*beside, value], utf8=True)


@given(s.texts | s.payloads.map(lambda value: json.dumps(value, ensure_ascii=False)))
@example("\x7f\x80\u07ff\ud83d\U0001f600 ~")
def test_the_length_of_escaped_text_is_what_python_makes_of_it(text: str) -> None:
    """`escaped_chars` takes JSON text, whose quotes, backslashes and control characters are escaped already."""
    written = json.dumps(text, ensure_ascii=False)
    assert escaped_chars(written) == len(json.dumps(text))


@given(s.payloads_with_bytes, st.booleans())
@example({"é": b"1", "\ud83d": b"2"}, True)
def test_attachments_split_off_come_together_again(value: Any, utf8: bool) -> None:
    text, attachments = split_attachments(value, utf8=utf8)
    restored = Packet.reconstruct_binary(json.loads(text.encode()), attachments)
    assert s.exactly(restored) == s.exactly(value)


@given(s.payloads_with_bytes)
def test_placeholders_are_numbered_as_python_socketio_numbers_them(value: Any) -> None:
    data, attachments = Packet.deconstruct_binary(value)
    assert split_attachments(value, utf8=False) == (json.dumps(data, separators=(",", ":")), attachments)


def test_a_buffer_is_copied() -> None:
    buffer = bytearray(b"frame")
    _, attachments = split_attachments([buffer], utf8=True)
    buffer[0] = 0
    assert attachments == [b"frame"]
    assert type(attachments[0]) is bytes
