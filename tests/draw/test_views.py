"""Texts, sizes and bytes read the same with and without colours, and nothing is lost in folding."""

from __future__ import annotations

import html
import json
import re
import zlib

import pytest
from websockets.frames import Frame, Opcode

from reznet_ws.draw.views import show_bytes, show_frame, show_header, show_references, show_sizes, show_text
from reznet_ws.replay.link import Link


def test_a_hexdump_holds_every_byte_and_says_what_was_left_out() -> None:
    frame = Link().send(("message_new", {"content": "Response here...", "status": "idle"}))[0]
    whole = str(show_frame(frame, max_rows=99)).splitlines()
    assert bytes.fromhex("".join(line[6:53] for line in whole[1:])) == frame
    some = str(show_frame(frame, max_rows=2)).splitlines()
    assert some == [*whole[:3], f"      … {len(frame) - 32} more bytes"]


def test_the_header_is_shown_bit_by_bit() -> None:
    short, longer = (Frame(Opcode.TEXT, b"z" * size).serialize(mask=False) for size in (5, 170))
    assert str(show_header(short)).splitlines() == [
        "81  1··· ····  FIN     the message ends with this frame",
        "    ·0·· ····  RSV1    not compressed",
        "    ··00 ····  RSV2–3  not used",
        "    ···· 0001  opcode  text",
        "05  0··· ····  MASK    a server never masks",
        "    ·000 0101  length  5 bytes of payload follow",
    ]
    assert str(show_header(longer)).splitlines()[-2:] == [
        "       ·111 1110  length  126: the next 2 bytes tell",
        "00 aa             length  170 bytes of payload follow",
    ]


def test_copied_text_stands_in_brackets() -> None:
    deflater = zlib.compressobj(wbits=-15)
    before, message = b"- one two three", b"four, one two three"
    deflater.compress(before)
    deflater.flush(zlib.Z_SYNC_FLUSH)
    second = (deflater.compress(message) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]
    lines = str(show_references(second, before)).splitlines()
    assert lines == [
        "four,⟨ one two three⟩",
        "",
        "14 of 19 bytes are ⟨copied⟩ from what was sent before, 5 are spelt out",
    ]


@pytest.mark.parametrize(
    "text", [json.dumps({"message_id": "abc", "content": "Response"}), "x" * 500, "部署已完成" * 50, ""]
)
@pytest.mark.parametrize("layer", ["plain", "utf8"])
def test_folded_text_is_the_text(text: str, layer: str) -> None:
    assert str(show_text(text, layer, max_lines=99)).replace("\n", "") == text


def test_text_that_is_left_out_is_counted() -> None:
    assert str(show_text("x" * 500, max_lines=2)).splitlines()[-1] == f"… {500 - 2 * 92} more characters"


def test_bars_are_as_long_as_the_sizes_say() -> None:
    first, second = str(show_sizes(("a", 200, "plain"), ("bb", 50, "deflate"))).splitlines()
    assert (first.count("█"), second.count("█")) == (40, 10)
    assert first.endswith(" 200 bytes   100.0 %")
    assert second.endswith("  50 bytes    25.0 %")


def test_a_view_reads_the_same_without_its_colours() -> None:
    for view in (show_text('{"a<b":1}'), show_bytes(b"<&>", "gzip"), show_header(b"\x81\x00")):
        bundle = view._repr_mimebundle_()
        page = bundle["text/html"]
        assert "background-color" in page
        assert text_of(page) == bundle["text/plain"]


def text_of(page: str) -> str:
    """What is left of a page where only its text is shown."""
    text = html.unescape(re.sub(r"<[^>]*>", "", page))
    return "\n".join(line.rstrip() for line in text.splitlines())
