"""A deflated message is told apart into what was copied and what was spelt out."""

from __future__ import annotations

import json
import random
import zlib

import pytest

from reznet_ws.replay.references import Piece, find_pieces, take_apart
from reznet_ws.replay.trace import take


def deflate(messages: list[bytes], level: int = -1, strategy: int = zlib.Z_DEFAULT_STRATEGY) -> list[bytes]:
    deflater = zlib.compressobj(level, zlib.DEFLATED, -15, 8, strategy)
    return [(deflater.compress(message) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4] for message in messages]


@pytest.mark.parametrize("level", [0, 1, 6, 9])
@pytest.mark.parametrize("strategy", [zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED])
def test_the_pieces_of_any_deflated_message_are_the_message(level: int, strategy: int) -> None:
    draw = random.Random(level)
    messages = [json.dumps(data).encode() for _, data in take(40, "unicode")] + [
        draw.randbytes(3000),
        b"a" * 700,
        b"",
        b"x",
    ]
    before = b""
    for message, payload in zip(messages, deflate(messages, level, strategy), strict=True):
        pieces = find_pieces(payload, before)
        assert b"".join(piece.data for piece in pieces) == message
        sent = before
        for piece in pieces:
            if piece.distance:
                assert piece.data[: piece.distance] == sent[-piece.distance :][: len(piece.data)]
            sent += piece.data
        before += message


@pytest.mark.parametrize("level", [0, 6])
def test_the_bits_of_all_parts_are_those_of_the_payload(level: int) -> None:
    messages = [json.dumps(data).encode() for _, data in take(40)]
    before = b""
    for message, payload in zip(messages, deflate(messages, level), strict=True):
        anatomy = take_apart(payload, before)
        pieces_bits = sum(piece.bits for piece in anatomy.pieces)
        assert pieces_bits + anatomy.code_bits + anatomy.filling_bits == 8 * len(payload)
        # A flush ends with the three bits of an empty block, and fills the byte.
        assert 3 <= anatomy.filling_bits < 3 + 8
        # A length and a distance take 2 to 15 bits, and up to 5 and 13 more.
        assert all(2 <= piece.bits <= 48 for piece in anatomy.pieces if piece.distance)
        before += message


def test_what_was_said_before_is_copied_and_what_is_new_is_spelt_out() -> None:
    # zlib refers to nothing at the very first byte of a stream.
    first, second = deflate([b"- The tests pass.", b"The tests fail."])
    assert find_pieces(first) == [Piece(b"- The tests pass.")]
    assert find_pieces(second, b"- The tests pass.") == [Piece(b"The tests ", 15), Piece(b"fail.")]


@pytest.mark.parametrize("payload", [b"\x07", deflate([b"a message of some length"])[0][:-6]])
def test_what_is_not_deflate_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match="not deflate"):
        find_pieces(payload)


def test_a_reference_to_what_was_never_sent_is_refused() -> None:
    second = deflate([b"- The tests pass.", b"The tests pass."])[1]
    with pytest.raises(ValueError, match="15 bytes back, where only 0"):
        find_pieces(second)
