r"""JSON text as it travels, and Socket.IO's way with bytes inside it.

In: a JSON value, perhaps with bytes. Out: text, and the bytes that travel beside it.
Never: abbreviates, compresses or validates.
"""

from __future__ import annotations

import json
from typing import Any


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
    attachments: list[bytes] = []

    def placeholder(item: Any) -> dict[str, Any]:
        if not isinstance(item, (bytes, bytearray)):
            raise TypeError(f"{type(item).__name__} has no JSON form")
        attachments.append(bytes(item))
        return {"_placeholder": True, "num": len(attachments) - 1}

    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=not utf8, default=placeholder)
    if utf8 and not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return split_attachments(value, utf8=False)
    return text, attachments
