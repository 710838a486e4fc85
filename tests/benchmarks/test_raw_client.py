"""The raw client: reads whatever way the bytes are cut, counts every byte, refuses what no server says."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Opcode

from benchmarks.raw_client import ProtocolError, RawClient
from reznet_ws.deflate.frame import build_frame

PLAIN_HANDSHAKE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
DEFLATE_HANDSHAKE = PLAIN_HANDSHAKE[:-2] + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"


def _stream(texts: Sequence[bytes], *, compressed: bool) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    frames = []
    for text in texts:
        body = (deflater.compress(text) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4] if compressed else text
        frames.append(build_frame(Opcode.TEXT, body, compressed=compressed))
    return b"".join(frames)


def _pieces(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


events = st.lists(
    st.sampled_from([1, 100, 117, 200, 65_600]).map(lambda size: b'42["e","' + b"x" * size + b'"]'),
    min_size=1,
    max_size=4,
)
cuts = st.lists(st.integers(0, 300_000), max_size=5)


@given(events, cuts, st.booleans())
def test_a_client_reads_the_same_however_the_bytes_are_cut(
    texts: list[bytes], places: list[int], compressed: bool
) -> None:
    client = RawClient()
    greeting = _stream([b"0{}", b'40{"sid":"a"}'], compressed=False)
    stream = (DEFLATE_HANDSHAKE if compressed else PLAIN_HANDSHAKE) + greeting + _stream(texts, compressed=compressed)
    got = [text for piece in _pieces(stream, places) for text in client.receive(piece)]
    assert got == texts
    assert client.is_joined
    assert client.handshake_bytes + client.join_bytes + client.event_bytes + client.control_bytes == len(stream)


@given(events, cuts, st.booleans())
def test_a_client_counts_the_same_by_headers_alone(texts: list[bytes], places: list[int], compressed: bool) -> None:
    client = RawClient()
    client.receive(PLAIN_HANDSHAKE)
    stream = _stream([*texts, b"2", *texts], compressed=compressed)
    assert sum(map(client.skim, _pieces(stream, places))) == 2 * len(texts)


def test_what_grants_a_format_is_no_event() -> None:
    client = RawClient()
    grant = b'42["connection_established",{"format":2}]'
    assert client.receive(PLAIN_HANDSHAKE + _stream([b"0{}", b'40{"sid":"a"}', grant], compressed=False)) == []
    assert client.event_bytes == 0


def test_a_client_answers_what_a_browsers_does() -> None:
    client = RawClient()
    client.receive(PLAIN_HANDSHAKE + _stream([b"0{}", b"2"], compressed=False) + build_frame(Opcode.PING, b"p"))
    key = b"\0" * 4
    assert bytes(client.answer) == b"\x81\x82" + key + b"40" + b"\x81\x81" + key + b"3" + b"\x8a\x81" + key + b"p"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "the handshake was answered with b'HTTP/1.1 404"),
        (b"HTTP/1.1 101 " + b"x" * 20_000, "no end of headers"),
        (PLAIN_HANDSHAKE + build_frame(Opcode.TEXT, b"x", compressed=True), "no compression was granted"),
        (PLAIN_HANDSHAKE + build_frame(Opcode.TEXT, b"nonsense"), "a packet that begins with b'nonsense'"),
        (PLAIN_HANDSHAKE + b"\x81\x7f" + (1 << 40).to_bytes(8), "a frame of 1099511627776 bytes"),
        (PLAIN_HANDSHAKE + b"\x01\x01x", "a frame that begins with 0x1"),
        (DEFLATE_HANDSHAKE + _stream([b"x" * 40_000_000], compressed=True), "a message of more than 33554432 bytes"),
    ],
)
def test_a_client_refuses_what_no_server_says(data: bytes, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        RawClient().receive(data)
