"""One message of a HAR, as the frame that it was.

In: a message as it stands in the file. Out: its frame and which way it went. Never: reads the file.
"""

from __future__ import annotations

import binascii

from reznet_ws.audit.read.capture import Direction
from reznet_ws.audit.read.har_entries import TOO_LONG, HarMessage, as_number
from reznet_ws.audit.read.protocol import MAX_FRAME_BYTES

_DIRECTIONS = {"send": Direction.SENT, "receive": Direction.RECEIVED}
_TEXT, _BINARY = 1, 2


class BadMessage(Exception):
    """Why a message cannot be read."""


def frame_of(message: HarMessage) -> str | bytes | None:
    """The frame's text or bytes; None for what no application sees. Raises: BadMessage."""
    kind, data, opcode = (message.fields.get(name) for name in ("type", "data", "opcode"))
    # Without an opcode it is text. Others are pings, pongs and the like, which no application sees.
    number = _TEXT if opcode is None else as_number(opcode)
    if kind == "error" or (number is not None and number not in (_TEXT, _BINARY)):
        return None
    frame: str | bytes | None = data if isinstance(data, str) else None
    if data is TOO_LONG or (frame is not None and len(frame) > MAX_FRAME_BYTES * 4 // 3):
        raise BadMessage("it is longer than 64 MB; left out")
    if not isinstance(kind, str) or kind not in _DIRECTIONS or frame is None or number is None:
        reason = 'it has no "type" of "send" or "receive", or no text as "data"; left out'
        raise BadMessage(reason if message.is_object else "it is no object; left out")
    if number == _BINARY:
        try:
            frame = binascii.a2b_base64(frame, strict_mode=True)
        except (binascii.Error, ValueError):
            raise BadMessage("its base64 is broken; left out") from None
    if len(frame) > MAX_FRAME_BYTES:
        raise BadMessage("it is longer than 64 MB; left out")
    return frame


def direction_of(message: HarMessage) -> Direction:
    """Which way it went, of a message that `frame_of` has taken."""
    return _DIRECTIONS[message.fields["type"]]
