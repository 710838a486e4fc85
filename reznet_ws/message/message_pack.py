"""Format m: one event as MessagePack, in one binary message, for clients whose frames nobody compresses.

In: the parts of a Socket.IO packet, as the application's own codec wrote them. Out: one MessagePack text, and back.
Never: holds what the packet's JSON does not; what MessagePack cannot carry exactly, or makes longer, goes as it came.

docs/formats.md has the wire. Needs `msgpack`, the extra of that name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from reznet_ws.message.fields import DecodeError

# Bytes are of an extension type, since decoders let one say what is made of those, and not of MessagePack's own bytes.
BYTES_TYPE = 0
MAX_BYTES = 10 * 1024 * 1024
# What msgpack's decoder takes; its encoder takes one more.
MAX_LEVELS = 1023
# Type, attachments, namespace, ack id. Source: socket.io-protocol 5.
_HEAD = re.compile(r"[25](?:\d+-)?(?:(/[^,]*),)?(\d+)?(?=\[)")
# JSON.parse makes -0 of this, Python's parser 0.
_MINUS_ZERO = re.compile(r"[\[:,\s]-0[,\]}\s]")
# What JavaScript's decoder (@msgpack/msgpack 3.1) refuses, a key that JSON.parse takes for a name like any other; and
# what it drops where a long string begins with it, the byte order mark.
_NOT_CARRIED = (b"\xa9__proto__", "\ufeff".encode())
# An array or map of more than 15, which says how many come; 15 need no more memory than their own bytes account for.
_LARGE = re.compile(rb"[\xdc-\xdf]")
# First byte -> bytes of a fixed size that follow, bytes of a length, values for each that the length counts.
# Source: msgpack's spec.md, "Formats".
_LAYOUT = {
    **dict.fromkeys((0xC0, 0xC2, 0xC3), (0, 0, 0)),
    **{0xC4 + power: (0, 1 << power, 0) for power in range(3)},  # bytes
    **{0xC7 + power: (1, 1 << power, 0) for power in range(3)},  # extensions
    **{0xCA + power: (4 << power, 0, 0) for power in range(2)},  # floats
    **{first + power: (1 << power, 0, 0) for first in (0xCC, 0xD0) for power in range(4)},  # integers
    **{0xD4 + power: (1 + (1 << power), 0, 0) for power in range(5)},  # extensions of 1 to 16 bytes
    **{0xD9 + power: (0, 1 << power, 0) for power in range(3)},  # strings
    **{0xDC + power: (0, 2 << power, 1) for power in range(2)},  # arrays
    **{0xDE + power: (0, 2 << power, 2) for power in range(2)},  # maps
}


class Unpacked(NamedTuple):
    """An event as it came: `data` is its name and its arguments."""

    namespace: str
    ack_id: int | None
    data: list[Any]


def is_installed() -> bool:
    """Whether the library is there."""
    try:
        import msgpack  # noqa: F401
    except ImportError:
        return False
    return True


@cache
def _library() -> Any:
    import msgpack

    return msgpack


def encode(parts: Sequence[str | bytes]) -> bytes | None:
    """One event; None where it is shorter as it came, or has what MessagePack cannot carry.

    Shape: `2/chat,7["event",data]` and its attachments -> `"/chat"`, 7, `["event", data]` one after the other, of which
    only the last is always there. Raises: nothing; what is no event of JSON gives None.
    """
    text = parts[0]
    head = _HEAD.match(text) if isinstance(text, str) else None
    if head is None or not isinstance(text, str) or ("-0" in text and _MINUS_ZERO.search(text)):
        return None
    pack = _library().packb
    try:
        values = json.loads(text[head.end() :], object_hook=_attach(parts) if len(parts) > 1 else None)
        packed: bytes = pack(values)
        if text.count("[") + text.count("{") > MAX_LEVELS:
            _library().unpackb(packed)
    except (ValueError, OverflowError, RecursionError):  # integers beyond 64 bits, lone surrogates, too many levels
        return None
    namespace, ack_id = head.groups()
    if ack_id is not None:
        packed = pack(int(ack_id)) + packed
    if namespace is not None:
        packed = pack(namespace) + packed
    # A text has Engine.IO's `4` in front; each attachment has a frame of its own.
    as_it_came = 1 + len(text.encode()) + sum(len(part) + 2 for part in parts[1:])
    return None if len(packed) >= as_it_came or any(one in packed for one in _NOT_CARRIED) else packed


def decode(packed: bytes) -> Unpacked:
    """What `encode` gave. Raises: DecodeError for anything else, before any memory is taken for what it claims."""
    try:
        if len(packed) > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES} bytes")
        if _LARGE.search(packed):
            check_counts(packed)
        reader = _library().Unpacker(max_buffer_size=MAX_BYTES, ext_hook=_read_bytes)
        reader.feed(packed)
        *before, data = reader
        namespace = before.pop(0) if before and isinstance(before[0], str) else "/"
        ack_id = before.pop(0) if before and type(before[0]) is int else None
        is_event = isinstance(data, list) and data and isinstance(data[0], str)
        if before or not is_event or reader.tell() != len(packed):
            raise ValueError("no namespace, ack id and event")
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"not MessagePack of an event: {error}") from error
    return Unpacked(namespace, ack_id, data)


def check_counts(packed: bytes) -> None:
    """Let what is as long as it says pass. Raises: ValueError."""
    at, due, size = 0, 0, len(packed)
    while at < size:
        first = packed[at]
        at += 1
        due = max(due, 1) - 1
        if first < 0x80 or first >= 0xE0:  # a small integer
            continue
        if first < 0xC0:
            if first >= 0xA0:  # a short string
                at += first & 31
            else:  # a short array, or map
                due += first & 15 if first >= 0x90 else 2 * (first & 15)
        elif first not in _LAYOUT:
            raise ValueError("a byte that means nothing")
        else:
            fixed, length_bytes, values = _LAYOUT[first]
            count = int.from_bytes(packed[at : at + length_bytes], "big")
            at += fixed + length_bytes + (0 if values else count)
            due += values * count
        if due > size - at:
            raise ValueError("it says that it holds more than it does")
    if at != size or due:
        raise ValueError("it ends in the middle")


def _attach(parts: Sequence[str | bytes]) -> Any:
    """What puts attachments where they belong, as an extension."""
    extension = _library().ExtType

    def place(item: dict[str, Any]) -> Any:
        if item.get("_placeholder") is True and type(item.get("num")) is int and 0 <= item["num"] < len(parts) - 1:
            return extension(BYTES_TYPE, parts[1 + item["num"]])
        return item

    return place


def _read_bytes(code: int, data: bytes) -> bytes:
    if code != BYTES_TYPE:
        raise ValueError(f"extension {code}")
    return data
