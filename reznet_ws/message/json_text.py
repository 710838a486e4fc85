r"""JSON text as it travels, and Socket.IO's way with bytes inside it.

In: a JSON value, perhaps with bytes. Out: text, and the bytes that travel beside it.
Never: abbreviates, compresses or validates.
"""

from __future__ import annotations

import json
from typing import Any

# Made once: making them takes as long as a small message.
_ENCODE = {utf8: json.JSONEncoder(separators=(",", ":"), ensure_ascii=not utf8).encode for utf8 in (False, True)}


def dumps(value: Any, *, utf8: bool) -> str:
    r"""JSON text without spaces; with `utf8`, characters beyond ASCII stand for themselves.

    A lone surrogate has no UTF-8 form: text that holds one keeps Python's \uXXXX escapes throughout.
    Bytes leave the placeholder that `split_attachments` gives them.
    Raises: what Python's `json` raises, TypeError for types that JSON lacks.
    """
    return split_attachments(value, utf8=utf8)[0]


def split_attachments(value: Any, *, utf8: bool) -> tuple[str, list[bytes]]:
    """JSON text with a placeholder for each bytes object, and these in order.

    Raises: as `dumps`.
    Source: socket.io-protocol 5, "Binary event"; the same numbering as socketio/packet.py `deconstruct_binary`.
    """
    try:
        text: str = _ENCODE[utf8](value)
    except TypeError:  # bytes, or what has no JSON form at all
        return _place(value, utf8=utf8)
    if utf8 and not text.isascii() and not _has_utf8(text):
        return _ENCODE[False](value), []
    return text, []


def escaped_chars(text: str) -> int:
    r"""How long JSON text is once Python has escaped all that is not printable ASCII.

    What `ensure_ascii` adds: a character beyond ASCII takes six for each of its UTF-16 units, and so does DEL.
    Source: CPython, Modules/_json.c, `ascii_escape_unichar`.
    """
    size = len(text) + 5 * text.count("\x7f")
    if text.isascii():
        return size
    units = len(text.encode("utf-16-le", "surrogatepass")) // 2
    beyond = len(text) - len(text.encode("ascii", "ignore"))
    return size + 6 * (units - len(text) + beyond) - beyond


def _place(value: Any, *, utf8: bool) -> tuple[str, list[bytes]]:
    attachments: list[bytes] = []

    def placeholder(item: Any) -> dict[str, Any]:
        if not isinstance(item, (bytes, bytearray)):
            raise TypeError(f"Object of type {type(item).__name__} is not JSON serializable")
        attachments.append(bytes(item))
        return {"_placeholder": True, "num": len(attachments) - 1}

    text = json.dumps(value, default=placeholder, separators=(",", ":"), ensure_ascii=not utf8)
    if utf8 and not _has_utf8(text):
        return _place(value, utf8=False)
    return text, attachments


def _has_utf8(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
