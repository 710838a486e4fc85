"""Where a packet ends in a line of a log: behind it formatters write files, columns, quotes and braces.

In: a text that begins with a packet. Out: its length, or that the line ends before the packet does.
Never: reads what a packet means.
"""

from __future__ import annotations

import ast
import json
import re

# Type, attachments, namespace, acknowledgement; JSON follows.
_HEAD = re.compile(r"[0-6](?:[0-9]{1,10}-)?(?:/[^,\s]*(?:,|(?=\s)|\Z))?[0-9]{0,18}")
_BRACKETS_AND_TEXTS = re.compile(r'"(?:[^"\\]|\\.)*+"|["\[\]{}]', re.DOTALL)
_BRACKETS_AND_SHOWN = re.compile(r"'(?:[^'\\]|\\.)*+'|\"(?:[^\"\\]|\\.)*+\"|['\"\[\]{}]", re.DOTALL)
_MAX_SHOWN_CHARACTERS = 4096


class CutOff(Exception):
    """The text ends in the middle of a packet."""


def socketio_end(text: str) -> int:
    """How long a Socket.IO packet at the beginning is; all of it where it is none. Raises: CutOff."""
    head = _HEAD.match(text)
    if head is None:
        return len(text)
    end = head.end()
    if end == len(text) or text[end].isspace():
        return end
    if text[end] not in '[{"':
        return len(text)
    return end + _json_end(text[end:])


def shown_object(text: str) -> str:
    """JSON for an object that Python has shown in its own way at the beginning of a text; the text if it is none.

    Raises: CutOff.
    """
    if not text.startswith("{"):
        return text
    begin = text[:_MAX_SHOWN_CHARACTERS]
    end = _balanced(begin, _BRACKETS_AND_SHOWN)
    try:
        return json.dumps(ast.literal_eval(begin[:end]), separators=(",", ":"))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return begin[:end]


def _json_end(text: str) -> int:
    try:
        _, end = json.JSONDecoder().raw_decode(text)
        return end
    except (ValueError, RecursionError):
        # No JSON, but perhaps its beginning.
        _balanced(text, _BRACKETS_AND_TEXTS)
        return len(text)


def _balanced(text: str, pattern: re.Pattern[str]) -> int:
    """Where the first bracket is closed. Raises: CutOff where it is not."""
    depth = 0
    for found in pattern.finditer(text):
        token = found[0]
        if token in "[{":
            depth += 1
        elif token in "]}":
            depth -= 1
            if depth <= 0:
                return found.end()
        elif len(token) == 1:
            raise CutOff
    if depth or (text[:1] == '"' and len(text) == 1):
        raise CutOff
    return len(text)
