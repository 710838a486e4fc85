r"""JSON text as it travels, and Socket.IO's way with bytes inside it.

In: a JSON value, perhaps with bytes. Out: text, and the bytes that travel beside it.
Never: abbreviates, compresses or validates.
"""

from __future__ import annotations

import json
from typing import Any

# Made once: making them takes as long as a small message.
_STYLE: dict[bool, Any] = {
    utf8: {"separators": (",", ":"), "allow_nan": False, "ensure_ascii": not utf8} for utf8 in (False, True)
}
_ENCODE = {utf8: json.JSONEncoder(**style).encode for utf8, style in _STYLE.items()}


def dumps(value: Any, *, utf8: bool) -> str:
    r"""JSON text without spaces; with `utf8`, characters beyond ASCII stand for themselves.

    A lone surrogate has no UTF-8 form: text that holds one keeps Python's \uXXXX escapes throughout.
    Bytes leave the placeholder that `split_attachments` gives them.
    Raises: TypeError for other types, ValueError for NaN.
    """
    return split_attachments(value, utf8=utf8)[0]


def split_attachments(value: Any, *, utf8: bool) -> tuple[str, list[bytes]]:
    """JSON text with a placeholder for each bytes object, and these in order.

    Source: socket.io-protocol 5, "Binary event"; the same numbering as socketio/packet.py `deconstruct_binary`.
    """
    try:
        text = _ENCODE[utf8](value)
    except TypeError:  # bytes, or what has no JSON form at all
        return _place(value, utf8=utf8)
    if utf8 and not _has_utf8(text):
        return _ENCODE[False](value), []
    return text, []


def _place(value: Any, *, utf8: bool) -> tuple[str, list[bytes]]:
    attachments: list[bytes] = []

    def placeholder(item: Any) -> dict[str, Any]:
        if not isinstance(item, (bytes, bytearray)):
            raise TypeError(f"{type(item).__name__} has no JSON form")
        attachments.append(bytes(item))
        return {"_placeholder": True, "num": len(attachments) - 1}

    text = json.dumps(value, default=placeholder, **_STYLE[utf8])
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
