"""Any bytes become something that the streaming parser takes, unchanged wherever they were fit before."""

from __future__ import annotations

import io
import json
from typing import Any

import ijson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import json_values

from reznet_ws.audit.read.json_stream import MAX_TEXT_BYTES, JsonBytes


class Crumbs(io.BytesIO):
    """A file that gives a few bytes at a time, whatever it is asked for."""

    def __init__(self, content: bytes, size: int) -> None:
        super().__init__(content)
        self._size = size

    def read(self, size: int | None = -1) -> bytes:
        return super().read(self._size)


def through(content: bytes, size: int = 2**16, limit: int = MAX_TEXT_BYTES) -> tuple[bytes, JsonBytes]:
    stream = JsonBytes(Crumbs(content, size), lambda count: None, limit)
    assert stream.read(0) == b""
    pieces = []
    while piece := stream.read(2**16):
        pieces.append(piece)
    return b"".join(pieces), stream


sizes = st.integers(1, 40)


@given(json_values, st.booleans(), sizes)
def test_what_is_fit_stays_as_it_is(value: Any, is_ascii: bool, size: int) -> None:
    value = json.loads(json.dumps(value).replace("\\ud", "\\u0"))  # no surrogates, paired or not
    content = json.dumps(value, ensure_ascii=is_ascii).encode()
    out, stream = through(content, size)
    assert out == content
    assert stream.notes == {}
    assert stream.end == len(content)


texts = st.lists(
    st.sampled_from(["\\", '"', "a", "é", "😀", "\n", "\x00", "u", "d83d", "ude00", "0", " "]), max_size=24
).map("".join)


@given(texts, st.booleans(), sizes)
def test_pairs_of_surrogates_stay_whatever_stands_before_them(text: str, is_ascii: bool, size: int) -> None:
    # JSON within JSON, as a payload is within a HAR.
    content = json.dumps(["-" * 40, json.dumps([text]), "😀", "-"], ensure_ascii=is_ascii).encode()
    out, stream = through(content, 64 + size)
    assert out == content
    assert stream.notes == {}


@pytest.mark.parametrize("size", [1, 7, 2**16])
@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        (r"\ud83dx", "\ufffdx"),
        (r"x\ude00", "x\ufffd"),
        (r"\ud83d\ud83d\ude00", "\ufffd😀"),
        (r"\ude00\ud83d", "\ufffd\ufffd"),
        (r"\\\uD83D", "\\\ufffd"),
        (r"\\ud83d", "\\ud83d"),
        (r"\ud83d\\ude00", "\ufffd\\ude00"),
        (r"\ud83d\n", "\ufffd\n"),
    ],
)
def test_lone_surrogates_are_replaced_and_noted(text: str, read_as: str, size: int) -> None:
    out, stream = through(f'["-","{text}","-"]'.encode(), size)
    assert list(ijson.items(out, "item")) == ["-", read_as, "-"]
    assert len(stream.notes) == ("\ufffd" in read_as)


@given(st.binary(max_size=60), sizes)
def test_any_bytes_become_utf_8(content: bytes, size: int) -> None:
    out, stream = through(content, size)
    text = out.decode()
    assert bool(stream.notes) or text.encode() == content.removeprefix(b"\xef\xbb\xbf")


@given(texts.map(lambda text: text * 8), sizes, st.booleans(), st.integers(20, 80))
def test_a_text_above_the_limit_is_cut_and_what_follows_is_whole(
    text: str, size: int, is_ascii: bool, limit: int
) -> None:
    document = ["before", text, "after", {"key": 1}]
    content = json.dumps(document, ensure_ascii=is_ascii).encode()
    stream = JsonBytes(Crumbs(content, size), lambda count: None, limit)
    found = [value for _, value in ijson.basic_parse(stream) if value is not None]
    assert (found[0], *found[2:]) == ("before", "after", "key", 1)
    assert found[1] == text or (limit < len(content) and text.startswith(found[1].rstrip("\ufffd")))


@pytest.mark.parametrize("unit", ["a", "é", '\\"', "\\\\", "\\u00e9", "\\ud83d\\ude00", "\\n", '\\\\\\"', "\\u4f60a"])
def test_any_kind_of_text_is_cut_near_the_limit(unit: str) -> None:
    content = f'["{unit * 4000}","after"]'.encode()
    stream = JsonBytes(Crumbs(content, 100), lambda count: None, 1000)
    events = ijson.basic_parse(stream, buf_size=100)
    assert next(events)[0] == "start_array"
    _, text = next(events)
    assert stream.was_cut
    stream.was_cut = False
    assert 100 < len(text.encode("utf-8", "replace")) < 1500
    assert next(events) == ("string", "after")
    assert not stream.was_cut
