"""What a WebSocket client may send and what it may not, after RFC 6455 and RFC 7692.

The groups and what they look for follow Autobahn|Testsuite's cases 1 to 7, 12 and 13 (crossbario/autobahn-testsuite),
which needs Python 2 and cannot run here; the cases themselves are written anew around Socket.IO packets.
"""

from __future__ import annotations

import itertools
import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from conformance.raw import BINARY, CLOSE, PING, PONG, TEXT, mask_frame

CONTINUATION = 0x0
DEFLATE = "permessage-deflate"
KEY = b"\x37\xfa\x21\x3d"


@dataclass(frozen=True)
class Case:
    """Bytes that a client writes after it has joined, and whether a server must close over them.

    `code`: the close code that the RFC asks for; None where the connection goes on; 0 where the RFC leaves it open.
    `is_bytewise`: written a byte at a time.
    """

    name: str
    data: bytes
    code: int | None = None
    offer: str | None = None
    is_bytewise: bool = False


def echo(text: str = "x") -> bytes:
    """A Socket.IO event that the server echoes."""
    return f'42["echo",{json.dumps(text, ensure_ascii=False)}]'.encode()


def echo_of(size: int) -> bytes:
    """The same in so many bytes."""
    return echo("x" * (size - len(echo(""))))


def masked(payload: bytes, opcode: int = TEXT, key: bytes = KEY) -> bytes:
    """A frame with a mask that does something."""
    plain = mask_frame(payload, opcode)
    cut = len(plain) - len(payload)
    return plain[: cut - 4] + key + bytes(byte ^ key[place % 4] for place, byte in enumerate(payload))


def long_length(payload: bytes, bits: int) -> bytes:
    """A frame whose length takes more bits than it needs."""
    code, form = (126, "!BBH4x") if bits == 16 else (127, "!BBQ4x")
    return struct.pack(form, 0x80 | TEXT, 0x80 | code, len(payload)) + payload


def pieces(parts: Sequence[bytes], between: bytes = b"", *, first: int = TEXT, rsv1: bool = False) -> bytes:
    """A message in fragments, with something between them."""
    frames = []
    for place, part in enumerate(parts):
        opcode = first if place == 0 else CONTINUATION
        frames.append(mask_frame(part, opcode, fin=place == len(parts) - 1, rsv1=rsv1 and place == 0))
    return between.join(frames)


def reserved(payload: bytes, bits: int, opcode: int = TEXT) -> bytes:
    """A frame with reserved bits set."""
    frame = mask_frame(payload, opcode)
    return bytes([frame[0] | bits << 4]) + frame[1:]


def closing(code: int, reason: bytes = b"") -> bytes:
    """A close frame."""
    return mask_frame(struct.pack("!H", code) + reason, CLOSE)


class Deflater:
    """A client's compressor."""

    def __init__(self, bits: int = 15, *, level: int = 6, keeps: bool = True, strategy: int = 0) -> None:
        self._make = lambda: zlib.compressobj(level, zlib.DEFLATED, -bits, 8, strategy)
        self._compressor, self._keeps = self._make(), keeps

    def pack(self, payload: bytes) -> bytes:
        """A message's payload, without the four bytes that every flush ends with."""
        data = self._compressor.compress(payload) + self._compressor.flush(zlib.Z_SYNC_FLUSH)
        if not self._keeps:
            self._compressor = self._make()
        return data.removesuffix(b"\x00\x00\xff\xff")

    def frame(self, payload: bytes, opcode: int = TEXT) -> bytes:
        """The whole frame."""
        return mask_frame(self.pack(payload), opcode, rsv1=True)


def framing() -> Iterator[Case]:
    for size in (125, 126, 127, 128, 65_535, 65_536):
        yield Case(f"a text of {size}", mask_frame(echo_of(size)))
        yield Case(f"a masked text of {size}", masked(echo_of(size)))
    yield Case("a text byte by byte", masked(echo("é" * 30)), is_bytewise=True)
    yield Case("a text of 126 byte by byte", masked(echo_of(126)), is_bytewise=True)
    yield Case("twenty in one write", masked(echo("a")) * 20)
    yield Case("a length in 16 bits for nothing", long_length(echo(), 16), 0)
    yield Case("a length in 64 bits for nothing", long_length(echo(), 64), 0)
    yield Case("a length with its highest bit set", struct.pack("!BBQ4x", 0x81, 0xFF, 2**63 + 5), 0)
    yield Case("no mask", mask_frame(echo(), masked=False), 1002)
    yield Case("no mask on a ping", mask_frame(b"", PING, masked=False), 1002)
    for bits in range(1, 8):
        yield Case(f"reserved bits {bits:03b}", reserved(echo(), bits), 1002)
    for opcode in (PING, PONG, CLOSE):
        yield Case(f"reserved bits on a control frame, opcode {opcode}", reserved(b"", 4, opcode), 1002)
    for opcode in (*range(3, 8), *range(11, 16)):
        yield Case(f"opcode {opcode}", mask_frame(echo(), opcode), 1002)
        yield Case(f"opcode {opcode} after a good message", masked(echo()) + mask_frame(b"", opcode), 1002)


def pings() -> Iterator[Case]:
    for size in (0, 1, 125):
        yield Case(f"a ping of {size}", mask_frame(b"p" * size, PING))
    yield Case("a ping that is no UTF-8", mask_frame(b"\x00\xff\xfe", PING))
    yield Case("a ping byte by byte", masked(b"p" * 125, PING), is_bytewise=True)
    yield Case("ten pings", b"".join(mask_frame(bytes([number]), PING) for number in range(10)))
    yield Case("a pong that nobody asked for", mask_frame(b"", PONG))
    yield Case("a pong with something in it", mask_frame(b"unasked", PONG) + mask_frame(b"a", PING))
    yield Case("a ping of 126", mask_frame(b"p" * 126, PING), 1002)
    yield Case("a pong of 126", mask_frame(b"p" * 126, PONG), 1002)
    yield Case("a ping in pieces", mask_frame(b"p", PING, fin=False) + mask_frame(b"q", CONTINUATION), 1002)
    yield Case("a pong in pieces", mask_frame(b"p", PONG, fin=False) + mask_frame(b"q", CONTINUATION), 1002)


def fragments() -> Iterator[Case]:
    whole = echo("κόσμε in pieces")
    ping = mask_frame(b"between", PING)
    yield Case("two pieces", pieces([whole[:9], whole[9:]]))
    yield Case("a piece for each byte", pieces([bytes([byte]) for byte in whole]))
    yield Case("a piece for each byte, byte by byte", pieces([bytes([byte]) for byte in whole]), is_bytewise=True)
    yield Case("an empty first piece", pieces([b"", whole]))
    yield Case("an empty last piece", pieces([whole, b""]))
    yield Case("empty pieces all over", pieces([b"", b"", whole[:5], b"", whole[5:], b"", b""]))
    yield Case("pings between pieces", pieces([whole[:4], whole[4:11], whole[11:]], ping))
    yield Case("pongs between pieces", pieces([whole[:4], whole[4:]], mask_frame(b"", PONG)))
    # RFC 6455, 5.4 lets control frames come between; `websockets` takes a message that is never ended for an error.
    yield Case("a close between pieces", mask_frame(whole[:4], fin=False) + closing(1000), 0)
    yield Case("a continuation of nothing", mask_frame(whole, CONTINUATION), 1002)
    yield Case("a continuation of nothing, not the last", mask_frame(whole, CONTINUATION, fin=False), 1002)
    yield Case("a continuation after the last piece", pieces([whole[:4], whole[4:]]) + mask_frame(b"", 0), 1002)
    yield Case("a message within a message", mask_frame(whole[:4], fin=False) + mask_frame(whole), 1002)
    yield Case("bytes within a text", mask_frame(whole[:4], fin=False) + mask_frame(b"x", BINARY), 1002)
    yield Case("reserved bits on a continuation", mask_frame(whole[:4], fin=False) + reserved(whole[4:], 4, 0), 1002)


GOOD_TEXTS = {
    "Greek": "κόσμε",
    "the last of one byte": "\x7f",
    "the first of two bytes": "\x80",
    "the last of two bytes": "\u07ff",
    "the first of three bytes": "\u0800",
    "before the surrogates": "\ud7ff",
    "after the surrogates": "\ue000",
    "a noncharacter": "\ufffe",
    "the first of four bytes": "\U00010000",
    "the last of all": "\U0010ffff",
    "a byte order mark": "\ufeff",
    "a null character": "a\x00b",
}
BAD_TEXTS = {
    "a lone continuation": b"\x80",
    "all continuations": bytes(range(0x80, 0xC0)),
    "a lone start": b"\xc3 ",
    "two bytes for ASCII": b"\xc0\xaf",
    "three bytes for ASCII": b"\xe0\x80\xaf",
    "four bytes for ASCII": b"\xf0\x80\x80\xaf",
    "two bytes for null": b"\xc0\x80",
    "a surrogate": b"\xed\xa0\x80",
    "a pair of surrogates": b"\xed\xa0\x81\xed\xb0\x80",
    "beyond the last": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "six bytes": b"\xfc\x84\x80\x80\x80\x80",
    "FE": b"\xfe",
    "FF": b"\xff",
    "three of four bytes": b"\xf0\x9f\x98",
}


def texts() -> Iterator[Case]:
    for name, text in GOOD_TEXTS.items():
        whole = echo(text)
        yield Case(f"UTF-8: {name}", masked(whole))
        cut = len('42["echo","') + 1
        yield Case(f"UTF-8 cut within: {name}", pieces([whole[:cut], whole[cut:]]))
    head, tail = b'42["echo","', b'"]'
    for name, data in BAD_TEXTS.items():
        yield Case(f"no UTF-8: {name}", masked(head + data + tail), 1007)
        yield Case(f"no UTF-8 in pieces: {name}", pieces([head, data[:1], data[1:] + tail]), 1007)
    yield Case("a text that ends within a character", mask_frame('42["é'.encode()[:-1]), 1007)


GOOD_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
BAD_CODES = (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535)


def closings() -> Iterator[Case]:
    yield Case("a close without a code", mask_frame(b"", CLOSE), 1005)
    for code in GOOD_CODES:
        yield Case(f"a close with {code}", closing(code), code)
    yield Case("a close with a reason", closing(1000, "sí".encode()), 1000)
    yield Case("a close with the longest reason", closing(1000, b"r" * 123), 1000)
    yield Case("a close with too long a reason", closing(1000, b"r" * 124), 1002)
    yield Case("a close whose reason is no UTF-8", closing(1000, b"\xce\xba\xe1\xff"), 1007)
    yield Case("a close of one byte", mask_frame(b"\x03", CLOSE), 1002)
    for code in BAD_CODES:
        yield Case(f"a close with {code}, which is none", closing(code), 1002)
    yield Case("a close in pieces", mask_frame(b"\x03\xe8", CLOSE, fin=False), 1002)
    yield Case("a ping after the close", closing(1000) + mask_frame(b"late", PING), 1000)
    yield Case("a message after the close", closing(1000) + masked(echo("late")), 1000)
    yield Case("two closes", closing(1000) + closing(1001), 1000)
    yield Case("a message before the close", masked(echo("in time")) + closing(1000), 1000)


def compressed() -> Iterator[Case]:
    long = echo("".join(f"word {number} " for number in range(3000)))
    for level, strategy in itertools.product((1, 6, 9), (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FIXED, zlib.Z_HUFFMAN_ONLY)):
        one = Deflater(level=level, strategy=strategy)
        frames = b"".join(one.frame(each) for each in (echo("a" * 300), long, echo("a" * 300)))
        yield Case(f"compressed at {level}, strategy {strategy}", frames, offer=DEFLATE)
    stored = Deflater(level=0)
    yield Case("stored blocks", stored.frame(echo("as it is")) + stored.frame(echo("again")), offer=DEFLATE)
    alone = Deflater(keeps=False)
    both = alone.frame(echo("a" * 300)) + alone.frame(echo("a" * 300))
    yield Case("each compressed by itself", both, offer=f"{DEFLATE}; client_no_context_takeover")
    mixed = Deflater()
    frames = mixed.frame(echo("one")) + masked(echo("clear")) + mixed.frame(echo("one"))
    yield Case("clear between compressed", frames, offer=DEFLATE)
    for bits in (9, 12):  # uvicorn answers with 12 at the most
        small = Deflater(bits)
        offer = f"{DEFLATE}; client_max_window_bits={bits}"
        yield Case(f"a client's window of {bits}", small.frame(long) + small.frame(long), offer=offer)
    packed = Deflater().pack(echo("in pieces " * 9))
    parts = [packed[:3], packed[3:10], packed[10:]]
    yield Case("compressed in pieces", pieces(parts, rsv1=True), offer=DEFLATE)
    yield Case("with pings between", pieces(parts, mask_frame(b"", PING), rsv1=True), offer=DEFLATE)
    single = [packed[place : place + 1] for place in range(len(packed))]
    yield Case("compressed, a piece for each byte", pieces(single, rsv1=True), offer=DEFLATE)
    yield Case("compressed, its first piece empty", pieces([b"", packed], rsv1=True), offer=DEFLATE)
    several = zlib.compressobj(6, zlib.DEFLATED, -15)
    blocks = several.compress(b'42["echo",') + several.flush(zlib.Z_FULL_FLUSH)
    blocks += several.compress(b'"blocks"]') + several.flush(zlib.Z_SYNC_FLUSH)
    yield Case("several blocks", mask_frame(blocks[:-4], rsv1=True), offer=DEFLATE)
    final = zlib.compressobj(6, zlib.DEFLATED, -15)
    ended = final.compress(echo("final")) + final.flush() + b"\x00"
    yield Case("a final block, RFC 7692 7.2.3.4", mask_frame(ended, rsv1=True), 0, offer=DEFLATE)
    yield Case("zeros that inflate 900-fold", Deflater().frame(echo("0" * 900_000)), offer=DEFLATE)
    yield Case("what does not inflate", mask_frame(b"\xff\xff\xff\xff", rsv1=True), 0, offer=DEFLATE)
    yield Case("compressed, cut short", mask_frame(packed[:-6], rsv1=True), 0, offer=DEFLATE)
    yield Case("before the window", mask_frame(_reference_to_nothing(), rsv1=True), 0, offer=DEFLATE)
    bad = Deflater().pack(b'42["echo","\xff"]')
    yield Case("compressed, no UTF-8", mask_frame(bad, rsv1=True), 1007, offer=DEFLATE)
    yield Case("RSV1 on a continuation", _later_rsv1(parts), 1002, offer=DEFLATE)
    yield Case("RSV1 on a ping", reserved(b"", 4, PING), 1002, offer=DEFLATE)
    yield Case("RSV1 on a close", reserved(b"\x03\xe8", 4, CLOSE), 1002, offer=DEFLATE)
    yield Case("RSV2 beside RSV1", reserved(packed, 6), 1002, offer=DEFLATE)
    yield Case("RSV1 where nothing was agreed", mask_frame(packed, rsv1=True), 1002)


def _reference_to_nothing() -> bytes:
    """From a compressor with a history that the server was never sent."""
    text = echo("history that nobody has, told at some length")
    compressor = zlib.compressobj(6, zlib.DEFLATED, -15, zdict=text)
    return (compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def _later_rsv1(parts: Sequence[bytes]) -> bytes:
    return mask_frame(parts[0], fin=False, rsv1=True) + mask_frame(b"".join(parts[1:]), CONTINUATION, rsv1=True)


CASES = [*framing(), *pings(), *fragments(), *texts(), *closings(), *compressed()]

# What a client offers -> whether permessage-deflate can be agreed on.
OFFERS = {
    DEFLATE: True,
    f"{DEFLATE}; client_max_window_bits": True,
    **{f"{DEFLATE}; client_max_window_bits={bits}": True for bits in range(9, 16)},
    **{f"{DEFLATE}; server_max_window_bits={bits}": True for bits in range(9, 16)},
    f"{DEFLATE}; server_no_context_takeover": True,
    f"{DEFLATE}; client_no_context_takeover": True,
    f"{DEFLATE}; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10": True,
    f"{DEFLATE}; server_max_window_bits=16": False,
    f"{DEFLATE}; server_max_window_bits=7": False,
    f"{DEFLATE}; server_max_window_bits": False,
    f"{DEFLATE}; server_max_window_bits=09": False,
    f"{DEFLATE}; client_max_window_bits=16": False,
    f"{DEFLATE}; server_no_context_takeover=1": False,
    f"{DEFLATE}; server_no_context_takeover; server_no_context_takeover": False,
    f"{DEFLATE}; what_is_this": False,
    f"{DEFLATE}; what_is_this, {DEFLATE}": True,
    f"{DEFLATE}; server_max_window_bits=10, {DEFLATE}": True,
    f"x-webkit-deflate-frame, {DEFLATE}": True,
    "x-webkit-deflate-frame": False,
}
