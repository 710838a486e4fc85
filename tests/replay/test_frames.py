"""A WebSocket frame is taken apart as it was put together."""

from __future__ import annotations

import pytest
from websockets.frames import Frame, Opcode

from reznet_ws.ledger import header_bytes
from reznet_ws.replay.frames import dissect, missing_bytes, split_frames


def set_rsv1(frame: bytes) -> bytes:
    return bytes([frame[0] | 0x40]) + frame[1:]


SIZES = (0, 1, 125, 126, 127, 65_535, 65_536)


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_a_frame_that_websockets_wrote_is_taken_apart(size: int, mask: bool) -> None:
    frame = set_rsv1(Frame(Opcode.BINARY, b"x" * size).serialize(mask=mask))
    parts = dissect(frame)
    assert (parts.fin, parts.rsv1, parts.opcode, parts.masked, parts.length) == (True, True, 2, mask, size)
    assert parts.header_bytes == header_bytes(size) + 4 * mask == len(frame) - size
    assert len(parts.payload) == size
    assert mask or frame == frame[:1] + parts.length_bytes + parts.payload


def test_a_stream_is_split_at_its_frames_wherever_it_is_cut() -> None:
    frames = [Frame(Opcode.TEXT, b"y" * size).serialize(mask=False) for size in (0, 3, 200)]
    stream = b"".join(frames)
    ends = [2, 7, len(stream)]
    for cut in range(len(stream) + 1):
        assert split_frames(stream[:cut]) == frames[: sum(end <= cut for end in ends)]


@pytest.mark.parametrize("data", [b"", b"\x81", b"\x81\x7e\x00", b"\x81\x05abcd"])
def test_a_frame_that_is_cut_off_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="cut off"):
        dissect(data)


@pytest.mark.parametrize("size", SIZES)
def test_who_reads_from_a_stream_is_told_how_much_to_read(size: int) -> None:
    stream = Frame(Opcode.BINARY, b"z" * size).serialize(mask=False) + b"more"
    data = b""
    while missing := missing_bytes(data):
        data += stream[len(data) : len(data) + missing]
    assert data == stream.removesuffix(b"more")
