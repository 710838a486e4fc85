"""A deflated payload taken apart: which bytes are spelt out, and which point back to what was sent before.

In: a payload as permessage-deflate sends it, and what its receiver got before. Out: pieces of the message, and what
each took.
Never: is used by a server; zlib does the work there.
Source: RFC 1951 section 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

# Source: RFC 1951 section 3.2.5. Symbol 285 stands for 258 by itself.
_LENGTH_BITS = (*(0,) * 8, *(bits for bits in range(1, 6) for _ in range(4)), 0)
_LENGTH_BASES = (*(3 + sum(1 << bits for bits in _LENGTH_BITS[:at]) for at in range(28)), 258)
_DISTANCE_BITS = (0, 0, *(bits for bits in range(14) for _ in range(2)))
_DISTANCE_BASES = tuple(1 + sum(1 << bits for bits in _DISTANCE_BITS[:code]) for code in range(30))
_CODE_LENGTH_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
_FIXED_LITERALS = (8,) * 144 + (9,) * 112 + (7,) * 24 + (8,) * 8
_FIXED_DISTANCES = (5,) * 30
_END_OF_BLOCK = 256


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that stand next to each other; `distance` says how far back they were copied from, 0 for spelt out, `bits`
    what they take in the payload."""

    data: bytes
    distance: int = 0
    bits: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Anatomy:
    """All that a payload consists of. `code_bits`: the heads and ends of its blocks, and the codes that they use;
    `filling_bits`: the end of the flush, up to a whole byte. With those of the pieces they are all its bits."""

    pieces: list[Piece]
    code_bits: int
    filling_bits: int


def find_pieces(payload: bytes, before: bytes = b"") -> list[Piece]:
    """The message as spelt-out and copied pieces. Raises: ValueError for what is not deflate."""
    return take_apart(payload, before).pieces


def take_apart(payload: bytes, before: bytes = b"") -> Anatomy:
    """The message in pieces, and what is no message. Raises: ValueError for what is not deflate."""
    bits = _Bits(payload)
    out = bytearray(before)
    pieces: list[Piece] = []
    final = begin = code_bits = 0
    while not final and bits.has(3):
        begin = bits.read
        final, kind = bits.take(1), bits.take(2)
        if kind == 0:
            bits.skip_to_byte()
            if not bits.has(32):  # the empty block at a flush, its last four bytes cut off
                break
            length = bits.take(16)
            bits.take(16)
            code_bits += bits.read - begin
            _spell(pieces, out, bytes(bits.take(8) for _ in range(length)), 8 * length)
        elif kind == 3:
            raise ValueError("not deflate: a block of type 3")
        else:
            literals, distances = (
                _read_codes(bits) if kind == 2 else (_codes(_FIXED_LITERALS), _codes(_FIXED_DISTANCES))
            )
            code_bits += bits.read - begin
            code_bits += _read_block(bits, literals, distances, pieces, out)
        begin = bits.read
    return Anatomy(pieces, code_bits, 8 * len(payload) - begin)


_Codes = dict[tuple[int, int], int]


class _Bits:
    """The bits of a stream, least significant first."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._count = 8 * len(data)
        self.read = 0

    def has(self, count: int) -> bool:
        return self._count - self.read >= count

    def take(self, count: int) -> int:
        if not self.has(count):
            raise ValueError("not deflate: cut off")
        start = self.read >> 3
        # 16 bits are the most that is taken at once, and up to 7 are read already.
        value = int.from_bytes(self._data[start : start + 3], "little") >> (self.read & 7) & ((1 << count) - 1)
        self.read += count
        return value

    def skip_to_byte(self) -> None:
        self.read += -self.read % 8

    def take_symbol(self, codes: _Codes) -> int:
        code = 0
        for length in range(1, 16):
            code = code << 1 | self.take(1)
            symbol = codes.get((length, code))
            if symbol is not None:
                return symbol
        raise ValueError("not deflate: an unknown code")


def _codes(lengths: Sequence[int]) -> _Codes:
    """Code length and code -> symbol. Source: RFC 1951 section 3.2.2."""
    codes: _Codes = {}
    code = 0
    for length in range(1, 16):
        for symbol, its_length in enumerate(lengths):
            if its_length == length:
                codes[length, code] = symbol
                code += 1
        code <<= 1
    return codes


def _read_codes(bits: _Bits) -> tuple[_Codes, _Codes]:
    literal_count, distance_count, order_count = 257 + bits.take(5), 1 + bits.take(5), 4 + bits.take(4)
    order = [0] * 19
    for place in _CODE_LENGTH_ORDER[:order_count]:
        order[place] = bits.take(3)
    codes = _codes(order)
    lengths: list[int] = []
    while len(lengths) < literal_count + distance_count:
        symbol = bits.take_symbol(codes)
        if symbol < 16:
            lengths.append(symbol)
        elif symbol == 16:
            lengths += lengths[-1:] * (3 + bits.take(2))
        else:
            lengths += [0] * (3 + bits.take(3) if symbol == 17 else 11 + bits.take(7))
    return _codes(lengths[:literal_count]), _codes(lengths[literal_count:])


def _read_block(bits: _Bits, literals: _Codes, distances: _Codes, pieces: list[Piece], out: bytearray) -> int:
    """Reads its pieces, and gives the bits of its end."""
    while True:
        begin = bits.read
        symbol = bits.take_symbol(literals)
        if symbol == _END_OF_BLOCK:
            return bits.read - begin
        if symbol < _END_OF_BLOCK:
            _spell(pieces, out, bytes([symbol]), bits.read - begin)
            continue
        length = _LENGTH_BASES[symbol - 257] + bits.take(_LENGTH_BITS[symbol - 257])
        code = bits.take_symbol(distances)
        distance = _DISTANCE_BASES[code] + bits.take(_DISTANCE_BITS[code])
        if distance > len(out):
            raise ValueError(f"points {distance} bytes back, where only {len(out)} were sent")
        start = len(out)
        for _ in range(length):  # one by one: a copy may overlap itself
            out.append(out[-distance])
        pieces.append(Piece(bytes(out[start:]), distance, bits.read - begin))


def _spell(pieces: list[Piece], out: bytearray, data: bytes, bits: int) -> None:
    out += data
    if pieces and not pieces[-1].distance:
        before = pieces.pop()
        data, bits = before.data + data, before.bits + bits
    pieces.append(Piece(data, bits=bits))
