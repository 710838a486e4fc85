"""Engine.IO packets on a stream of bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reznet_ws.message.packet_stream import Decoder, PacketStreamError, encode

PACKETS = st.lists(st.text(min_size=1, max_size=300) | st.binary(min_size=1, max_size=300), max_size=8)


@given(PACKETS, st.lists(st.integers(1, 400), min_size=1))
def test_packets_come_out_however_their_bytes_arrive(packets: list[str | bytes], sizes: list[int]) -> None:
    stream = b"".join(map(encode, packets))
    decoder, found, at, turn = Decoder(2000), [], 0, 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        found += decoder.feed(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert found == packets


# As engine.io-parser 5.2 writes them.
@pytest.mark.parametrize(
    ("packet", "header"),
    [
        ("0", b"\x01"),
        (b"\x07", b"\x81"),
        ("4" * 125, b"\x7d"),
        ("4" * 126, b"\x7e\x00\x7e"),
        (b"4" * 65535, b"\xfe\xff\xff"),
        ("4" * 65536, b"\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
        ("Я", b"\x02"),
    ],
)
def test_headers(packet: str | bytes, header: bytes) -> None:
    assert encode(packet) == header + (packet.encode() if isinstance(packet, str) else packet)


@pytest.mark.parametrize(
    "stream",
    [b"\x00", b"\x80", b"\x7e\x00\x65", b"\x7e\x00\x00", b"\x7f" + b"\xff" * 8, b"\x7f" + b"\x00" * 8, b"\x02\xff\xff"],
)
def test_what_is_empty_too_long_or_no_text_is_refused_by_its_header(stream: bytes) -> None:
    with pytest.raises(PacketStreamError):
        Decoder(100).feed(stream)


def test_the_longest_packet_passes_and_its_neighbours_stay_whole() -> None:
    stream = encode("a" * 100) + encode(b"b") + b"\x7e"
    decoder = Decoder(100)
    assert decoder.feed(stream) == ["a" * 100, b"b"]
    assert decoder.feed(b"\x00\x01c") == ["c"]
