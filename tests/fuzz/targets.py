"""What reads bytes that strangers made, one function for each: the bytes are anything, and nothing but the errors that
are promised may come out of it, in bounded time and space.

In: bytes. Out: nothing. Never: opens a socket; that is what `conformance/test_rfc.py` is for.
"""

from __future__ import annotations

import json
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from repo_files import ROOT

from reznet_ws.adapters.inbound import is_engineio_packet
from reznet_ws.audit.read.capture import Direction
from reznet_ws.audit.read.protocol import ProtocolDecoder
from reznet_ws.audit.read.reading import read
from reznet_ws.audit.read.websocket_flow import BrokenFrames, FrameReader
from reznet_ws.client.decoder import unpack
from reznet_ws.client.rows_decoder import RowsDecoder, RowsError
from reznet_ws.message.fields import DecodeError, PayloadError, abbreviate, expand
from reznet_ws.message.formats import grant
from reznet_ws.message.json_text import dumps
from reznet_ws.message.payload import decode_payload
from reznet_ws.message.rows import begin, encode
from reznet_ws.replay.frames import missing_bytes, split_frames
from reznet_ws.replay.references import find_pieces

MAX_CHARS = 10_000
MAX_BYTES = 100_000


class Target(NamedTuple):
    """What is fuzzed, and what it begins with."""

    run: Callable[[bytes], object]
    seeds: tuple[bytes, ...]


def rows_frames(data: bytes) -> None:
    """A client's frames of format 3, one a NUL-separated piece: packets no longer than it takes, or RowsError."""
    decoder = RowsDecoder(MAX_CHARS)
    for frame in data.decode("utf-8", "replace").split("\0"):
        try:
            for packet in decoder.decode(frame):
                assert len(packet) <= max(MAX_CHARS, len(frame))
        except RowsError:
            return


def rows_round_trip(data: bytes) -> None:
    """Any packets come back as they were."""
    state, decoder = begin(), RowsDecoder()
    for number, text in enumerate(data.decode("utf-8", "replace").split("\0")):
        packet = f'2["e{number % 3}",{text}]' if number % 4 else f"2{json.dumps(['e', text])}"
        if "\n" in packet or "\r" in packet or not packet.isprintable():
            packet = f"2{json.dumps(['e', packet])}"  # a packet is what a JSON encoder writes
        encoded = encode(state, packet)
        state = encoded.state or state
        assert decoder.decode(encoded.text) == [packet]


def payloads(data: bytes) -> None:
    """A payload of format 2, with gzip in it or not."""
    gzipped, _, text = data.partition(b"\0")
    try:
        value: Any = json.loads(text.decode())
    except (ValueError, RecursionError):
        value = {}
    for payload in (value, {"_v": 2, "gz": gzipped}, {"_v": 2, "gz": _gzip(text)}):
        try:
            decode_payload(payload, MAX_BYTES)
            unpack(payload)
        except DecodeError:
            pass


def abbreviations(data: bytes) -> None:
    """Format 2 is lossless for whatever JSON can say."""
    try:
        value = json.loads(data.decode(), parse_constant=lambda name: name)
        short = abbreviate(value)
    except (ValueError, RecursionError, PayloadError):
        return
    assert dumps(expand(short), utf8=True) == dumps(value, utf8=True)


def queries(data: bytes) -> None:
    """What a client asks for in its address."""
    text = data.decode("latin-1")
    for query in (text, f"reznet={text}", f"EIO=4&reznet={text}"):
        granted = grant(query)
        assert granted is None or len(json.dumps(granted.announcement())) < 500


def engineio_packets(data: bytes) -> None:
    """What a client sends over its WebSocket."""
    is_engineio_packet(data)
    is_engineio_packet(data.decode("utf-8", "replace"))


def websocket_frames(data: bytes) -> None:
    """One side of a captured WebSocket, in two pieces."""
    for extensions in ("", "permessage-deflate", "permessage-deflate; server_max_window_bits=9"):
        for is_server in (True, False):
            try:
                reader = FrameReader(is_server=is_server, extensions=extensions)
                for piece in (data[: len(data) // 2], data[len(data) // 2 :]):
                    for message in reader.add(piece):
                        assert isinstance(message, (str, bytes))
            except BrokenFrames:
                continue
    assert sum(map(len, split_frames(data))) <= len(data)
    assert missing_bytes(data) >= 0


def deflate_pieces(data: bytes) -> None:
    """What is spelt out and what is copied: the pieces are what zlib makes of the same bytes."""
    try:
        found = b"".join(piece.data for piece in find_pieces(data))
    except (ValueError, IndexError, KeyError):
        return
    try:
        assert zlib.decompressobj(wbits=-15).decompress(data + b"\0\0\xff\xff", len(found) + 1)[: len(found)] == found
    except zlib.error:
        return  # zlib looks ahead further


def protocol(data: bytes) -> None:
    """Frames and bodies of a captured connection."""
    for revision in (None, 3, 4):
        decoder = ProtocolDecoder(1, revision)
        for place, piece in enumerate(data.split(b"\0")):
            direction = list(Direction)[place % 2]
            text = piece.decode("utf-8", "replace")
            list(decoder.frame(direction, piece if place % 3 == 2 else text))
            list(decoder.body(direction, text))
        list(decoder.close())


def captures(data: bytes) -> None:
    """A file that somebody gave to the audit."""
    with tempfile.NamedTemporaryFile(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as file:
        file.write(data)
        file.flush()
        for item in read([file.name]):
            assert item is not None


def _gzip(data: bytes) -> bytes:
    return zlib.compress(data, wbits=31)


def _golden() -> tuple[bytes, ...]:
    """The specification's own frames, one stream of each kind."""
    frames = json.loads((ROOT / "reznet_ws/client/js/test/rows-frames.json").read_text(encoding="utf-8"))
    return tuple("\0".join(line for _, line in frames[name]).encode() for name in ("golden", "far"))


_LOGS = tuple(path.read_bytes()[:4000] for path in sorted((ROOT / "tests/audit/node_logs").glob("*.log"))[::3])
_PACKETS = (b'42["message",{"content":"hello","n":1.5e3}]', b'451-["b",{"_placeholder":true,"num":0}]', b"2probe")

_ROWS = b'{"a":1,"b":"text"}\0{"a":2,"b":"text longer"}\0[1,2,{"__proto__":0}]'
_BATCH = b'\0{"batch":true,"messages":[{"e":"x","d":1}]}'
_FRAMES = (b"\x81\x05hello", b"\xc1\x07\xf2H\xcd\xc9\xc9\x07\x00", b"\x88\x02\x03\xe8")
_LINES = (b'{"event":"x","data":{"a":1}}\n', b'{"log":{"entries":[]}}')
TARGETS: dict[str, Target] = {
    "rows_frames": Target(rows_frames, _golden()),
    "rows_round_trip": Target(rows_round_trip, (_ROWS,)),
    "payloads": Target(payloads, (_gzip(b'{"a":1}') + b'\0{"_v":2,"ct":"x"}', _BATCH)),
    "abbreviations": Target(abbreviations, (b'{"content":"x","~ct":[{"timestamp":"2026-01-01T00:00:00.000Z"}]}',)),
    "queries": Target(queries, (b"3", b"2&reznet=%32", b"\xff" * 40)),
    "engineio_packets": Target(engineio_packets, _PACKETS),
    "websocket_frames": Target(websocket_frames, _FRAMES),
    "deflate_pieces": Target(deflate_pieces, (b"\xf2H\xcd\xc9\xc9\x07\x00", zlib.compress(b"abc" * 99, wbits=-15))),
    "protocol": Target(protocol, (b"\0".join(_PACKETS), b'0{"sid":"x"}\x0040\x00430[1]')),
    "captures": Target(captures, (*_LOGS, *_LINES)),
}
