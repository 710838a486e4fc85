"""Layers 1 and 3 on one payload: abbreviate, JSON, gzip, and the way back; each may decline.

In: a JSON value, perhaps with bytes. Out: the value that travels in format 2, with its size after each step.
Never: touches a socket, a clock or an event loop.
"""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import dataclass
from typing import Any

from reznet_ws.message.fields import GZIP_KEY, VERSION_KEY, DecodeError, abbreviate, check, expand
from reznet_ws.message.json_text import dumps, split_attachments
from reznet_ws.settings import Settings

FORMAT = 2
# The byte of gzip's header that names the system: zlib has its own there, newer Pythons "unknown"; here it is the same.
_OS_AT, _UNIX = 9, 3
MAX_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Payload:
    """One payload as it travels, and its size in bytes after each step.

    `text` is its JSON, None where bytes travel beside it. `plain_bytes` counts the JSON that python-socketio sends,
    with any bytes in it as they are; so do the others.
    """

    value: Any
    text: str | None
    plain_bytes: int
    abbreviated_bytes: int
    encoded_bytes: int
    gzipped_bytes: int
    gzipped: bool = False


class PayloadOptimizer:
    """Encodes payloads by one record of settings."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()

    def optimize(self, data: Any) -> Any:
        """The value that travels in format 2: plain, abbreviated with `_v: 2`, or gzipped, whichever it comes to.

        Shape: JSON value -> JSON value; `decode_payload` gives the first back. Raises: PayloadError.
        """
        return self.encode(self.encode_plain(data)).value

    def encode_plain(self, data: Any) -> Payload:
        """Format 1: the data as emitted. Raises: PayloadError."""
        value = check(data)
        text, plain_bytes, size = self._dump(value)
        return Payload(value, text, plain_bytes, plain_bytes, size, size)

    def encode(self, plain: Payload) -> Payload:
        """Format 2, from format 1."""
        payload = self._abbreviate(plain) if isinstance(plain.value, dict) else plain
        return self._gzip(payload) if self.settings.gzip else payload

    def _abbreviate(self, plain: Payload) -> Payload:
        must = VERSION_KEY in plain.value  # or the receiver would take it for our mark
        if not self.settings.abbreviate and not must:
            return plain
        value = {**abbreviate(plain.value), VERSION_KEY: FORMAT}
        text, abbreviated_bytes, size = self._dump(value)
        if abbreviated_bytes >= plain.plain_bytes and not must:
            return plain
        return Payload(value, text, plain.plain_bytes, abbreviated_bytes, size, size)

    def _gzip(self, payload: Payload) -> Payload:
        """Layer 3; what has bytes in it stays as it is, since its JSON alone would not tell the whole size."""
        settings = self.settings
        if payload.text is None or payload.encoded_bytes <= settings.gzip_threshold_bytes:
            return payload
        packed = bytearray(gzip.compress(payload.text.encode(), settings.gzip_level, mtime=0))
        packed[_OS_AT] = _UNIX
        if len(packed) >= settings.gzip_max_ratio * payload.encoded_bytes:
            return payload
        value = {VERSION_KEY: FORMAT, GZIP_KEY: bytes(packed)}
        sizes = payload.plain_bytes, payload.abbreviated_bytes, payload.encoded_bytes, len(packed)
        return Payload(value, None, *sizes, gzipped=True)

    def _dump(self, value: Any) -> tuple[str | None, int, int]:
        """The text, its size as Python escapes it, and its size as it travels; bytes beside it counted in both."""
        text, attachments = split_attachments(value, utf8=self.settings.utf8)
        beside = sum(map(len, attachments))
        kept = None if attachments else text
        if text.isascii():
            return kept, len(text) + beside, len(text) + beside
        return kept, len(dumps(value, utf8=False)) + beside, len(text.encode()) + beside


def decode_payload(payload: Any, max_bytes: int = MAX_BYTES) -> Any:
    """Give back what was emitted; needs no settings, since a payload says itself what was done to it.

    Shape: a payload of any format -> JSON value; what is not marked `_v: 2` comes back as it is. Units: `max_bytes`
    bounds what gzip may inflate to, checked while it inflates. Raises: DecodeError.
    """
    if not isinstance(payload, dict) or payload.get(VERSION_KEY) != FORMAT:
        return payload
    body = {key: value for key, value in payload.items() if key != VERSION_KEY}
    if GZIP_KEY not in body:
        return expand(body)
    packed = body.pop(GZIP_KEY)
    if body or not isinstance(packed, (bytes, bytearray)):
        raise DecodeError("a gzipped payload holds `_v` and the bytes in `gz`, nothing else")
    inner = _loads(_gunzip(packed, max_bytes))
    if isinstance(inner, dict) and inner.get(VERSION_KEY) == FORMAT and GZIP_KEY in inner:
        raise DecodeError("a gzipped payload inside a gzipped payload")
    return decode_payload(inner, max_bytes)


def _gunzip(packed: bytes | bytearray, max_bytes: int) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    try:
        body = inflater.decompress(packed, max_bytes + 1)
    except zlib.error as error:
        raise DecodeError(f"not gzip: {error}") from error
    if len(body) > max_bytes:
        raise DecodeError(f"inflates to more than {max_bytes} bytes")
    if not inflater.eof:
        raise DecodeError("the gzip stream is cut off")
    if inflater.unused_data:
        raise DecodeError("bytes follow the gzip stream")
    return body


def _loads(body: bytes) -> Any:
    try:
        return json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"not JSON: {error}") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
