"""Messages of a WebSocket in a file of their own, one a line, as Playwright attaches them to a HAR.

In: the file. Out: the same as if they stood in the HAR. Never: holds more than one line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from reznet_ws.audit.read.har_entries import TOO_LONG, HarMessage
from reznet_ws.audit.read.json_stream import MAX_TEXT_BYTES

_MOST_LINE_BYTES = MAX_TEXT_BYTES + 4096


def attached_messages(path: Path, entry: int) -> Iterator[HarMessage]:
    """Its messages, as those of an entry."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(_MOST_LINE_BYTES):
            number += 1
            if len(line) == _MOST_LINE_BYTES and not line.endswith(b"\n"):
                while (rest := file.readline(_MOST_LINE_BYTES)) and not rest.endswith(b"\n"):
                    pass
                yield HarMessage(entry, number, {"type": "receive", "data": TOO_LONG})
            elif line.strip():
                try:
                    fields = json.loads(line)
                except (ValueError, RecursionError):
                    fields = None
                is_object = isinstance(fields, dict)
                yield HarMessage(entry, number, fields if is_object else {}, is_object)
