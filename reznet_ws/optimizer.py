"""Layers 1 and 3 on one payload: abbreviate, JSON, gzip, and the way back; each may decline.

In: a JSON value. Out: the value that travels in format 2, with its size after each step.
Never: touches a socket, a clock or an event loop.
"""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import dataclass
from typing import Any

from reznet_ws.fields import GZIP_KEY, VERSION_KEY, DecodeError, abbreviate, check, expand
from reznet_ws.settings import Settings

FORMAT = 2
MAX_BYTES = 10 * 1024 * 1024


def dumps(value: Any, *, utf8: bool) -> str:
    r"""JSON text as small as it gets; with `utf8`, characters beyond ASCII stand for themselves.

    A lone surrogate has no UTF-8 form: text that holds one keeps Python's \uXXXX escapes throughout.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=not utf8)
    if utf8 and not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return dumps(value, utf8=False)
    return text


def has_bytes(value: Any) -> bool:
    """Whether a value holds bytes, which Socket.IO sends as attachments and JSON cannot carry."""
    if isinstance(value, (bytes, bytearray)):
        return True
    if isinstance(value, dict):
        return any(map(has_bytes, value.values()))
    return isinstance(value, list) and any(map(has_bytes, value))


@dataclass(frozen=True, slots=True)
class Encoded:
    """One payload in format 2, and its size in bytes after each step.

    `text` is the payload's JSON, None where it holds bytes. `plain_bytes` counts the JSON that python-socketio sends.
    """

    payload: Any
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
        """The payload that travels in format 2: plain, abbreviated with `_v: 2`, or gzipped, whichever it comes to.

        Shape: JSON value -> JSON value; `decode_payload` gives the first back. Raises: PayloadError.
        """
        return self.encode(data).payload

    def encode(self, data: Any, *, gzip_allowed: bool = True) -> Encoded:
        """`optimize`, with the size after each step. Raises: PayloadError."""
        data = check(data)
        if has_bytes(data):
            return self._encode_binary(data)
        settings = self.settings
        plain_bytes = len(dumps(data, utf8=False))
        payload, abbreviated_bytes = data, plain_bytes
        if isinstance(data, dict):
            short = {**abbreviate(data), VERSION_KEY: FORMAT}
            short_bytes = len(dumps(short, utf8=False))
            if (settings.abbreviate and short_bytes < plain_bytes) or VERSION_KEY in data:
                payload, abbreviated_bytes = short, short_bytes
        text = dumps(payload, utf8=settings.utf8)
        body = text.encode()
        if settings.gzip and gzip_allowed and len(body) > settings.gzip_threshold_bytes:
            packed = gzip.compress(body, settings.gzip_level, mtime=0)
            if len(packed) < settings.gzip_max_ratio * len(body):
                wrapped = {VERSION_KEY: FORMAT, GZIP_KEY: packed}
                return Encoded(wrapped, None, plain_bytes, abbreviated_bytes, len(body), len(packed), gzipped=True)
        return Encoded(payload, text, plain_bytes, abbreviated_bytes, len(body), len(body))

    def _encode_binary(self, data: Any) -> Encoded:
        """Bytes travel beside the JSON as they are; only what surrounds them can be abbreviated."""
        size = _size_with_attachments(data)
        payload, payload_size = data, size
        if isinstance(data, dict):
            short = {**abbreviate(data), VERSION_KEY: FORMAT}
            short_size = _size_with_attachments(short)
            if (self.settings.abbreviate and short_size < size) or VERSION_KEY in data:
                payload, payload_size = short, short_size
        return Encoded(payload, None, size, payload_size, payload_size, payload_size)


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
    if not inflater.eof or inflater.unused_data:
        raise DecodeError("the gzip stream is cut off" if not inflater.eof else "bytes follow the gzip stream")
    return body


def _loads(body: bytes) -> Any:
    try:
        return json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"not JSON: {error}") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _size_with_attachments(value: Any) -> int:
    attachments: list[int] = []

    def placeholder(item: Any) -> dict[str, Any]:
        attachments.append(len(item))
        return {"_placeholder": True, "num": len(attachments) - 1}

    text = json.dumps(value, separators=(",", ":"), allow_nan=False, default=placeholder)
    return len(text) + sum(attachments)
