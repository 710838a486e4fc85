"""Whole frames, as a server sends them."""

import pytest

from reznet_ws.deflate.frame import BINARY, TEXT, WINDOW_BYTES, Frame, build_frame


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_frame_is_what_rfc_6455_says(size: int) -> None:
    header = {0: b"\x82\x00", 125: b"\x82\x7d", 126: b"\x82\x7e\x00\x7e", 65_535: b"\x82\x7e\xff\xff"}
    expected = header.get(size, b"\x82\x7f" + (65_536).to_bytes(8)) + b"x" * size
    assert build_frame(BINARY, b"x" * size) == Frame(BINARY, b"x" * size).clear == expected
    assert build_frame(TEXT, b"x", compressed=True) == b"\xc1\x01x"


def test_a_clear_frame_is_built_once() -> None:
    frame = Frame(TEXT, b"x")
    assert frame.clear is frame.clear


def test_a_window_holds_the_end_of_a_message() -> None:
    small, large = Frame(TEXT, b"x" * WINDOW_BYTES), Frame(TEXT, b"xy" * WINDOW_BYTES)
    assert small.text is small.data
    assert large.text == large.data[-WINDOW_BYTES:]
    assert large.text is large.text
