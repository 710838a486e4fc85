"""The structure of a HAR file, entry by entry and message by message.

In: the file's bytes. Out: each entry's messages, and behind them the few of its fields that matter here.
Never: knows what a message means; holds more than one message, or more than one entry's fields.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import ijson

from reznet_ws.audit.read.json_stream import JsonBytes
from reznet_ws.audit.read.source import CHUNK_BYTES

# Depths in a HAR file, the document itself being 1: log 2, entries 3, an entry 4.
_ENTRY = 4
_MESSAGE = 6
_HEADER = 7
_DEEPEST = 7
_FIELDS = {
    (_ENTRY, "startedDateTime"): "started",
    (_ENTRY, "time"): "took_ms",
    (5, "request", "url"): "url",
    (5, "request", "method"): "method",
    (5, "response", "status"): "status",
    (6, "request", "postData", "text"): "sent",
    (6, "response", "content", "text"): "received",
    (6, "response", "content", "encoding"): "encoding",
    # Where Playwright has a body, or the messages of a WebSocket, in a file of its own (content: "attach").
    (6, "request", "postData", "_file"): "sent_file",
    (6, "response", "content", "_file"): "received_file",
}
_EXTENSIONS = "sec-websocket-extensions"
# Stands for the key where an array is.
_ITEM = "\0item"


class TooLong:
    """Stands for a text that is longer than is read."""


TOO_LONG = TooLong()


@dataclass(slots=True)
class HarMessage:
    """One of an entry's messages as it stands in the file; `number` counts from 1."""

    entry: int
    number: int
    fields: dict[str, Any] = field(default_factory=dict)
    is_object: bool = True
    repeats_a_key: bool = False


@dataclass(slots=True)
class HarEntry:
    """One entry, with the names of `_FIELDS`; `number` counts from 1.

    `extensions`: that header of the response, "" where it has headers without it, None where it has none.
    """

    number: int
    fields: dict[str, Any] = field(default_factory=dict)
    extensions: str | None = None
    has_messages: bool = False
    messages: int = 0

    def text(self, name: str) -> str:
        """A field's text, empty if it is missing or something else."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""

    def number_of(self, name: str) -> float | None:
        """A field's number."""
        return as_number(self.fields.get(name))


@dataclass(frozen=True, slots=True)
class Broken:
    """Where the file ends to be JSON."""

    position: str
    reason: str


def as_number(value: Any) -> float | None:
    """What ijson gives for a number, None for anything else and for what is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def walk(stream: JsonBytes, *, only_first: bool = False) -> Iterator[HarMessage | HarEntry | Broken]:
    """Every message, or only the first of each entry; then the entry. What is begun when the file breaks comes too."""
    state = _Walk(stream, only_first)
    try:
        # As floats, or ijson's C code has Python convert any number of digits, and ends the process where it refuses.
        for event, value in ijson.basic_parse(stream, buf_size=CHUNK_BYTES, use_float=True):
            thing = state.take(event, value)
            if thing is not None:
                yield thing
    except (ijson.JSONError, ValueError, ArithmeticError) as error:
        if state.entry is not None:
            yield state.entry
        where = "" if state.entry is None else f"entry {state.entry.number}, message {state.entry.messages}, "
        if "premature EOF" in str(error):
            yield Broken(f"{where}byte {stream.end}", "the file ends in the middle; what comes before it counts")
        elif "trailing garbage" in str(error):
            yield Broken(f"bytes {stream.begin} to {stream.end}", "something follows the end of the HAR; left out")
        else:
            yield Broken(
                f"{where}bytes {stream.begin} to {stream.end}", "it is not JSON from here on; the rest is lost"
            )


class _Walk:
    """Where in the document the parser is."""

    def __init__(self, stream: JsonBytes, only_first: bool) -> None:
        self._stream = stream
        self._only_first = only_first
        self._depth = 0
        self._keys = [""] * (_DEEPEST + 1)
        self._entries = 0
        self._message: HarMessage | None = None
        self._header: dict[str, Any] = {}
        self.entry: HarEntry | None = None

    def take(self, event: str, value: Any) -> HarMessage | HarEntry | None:
        if event == "map_key":
            self._stream.was_cut = False
            if self._depth <= _DEEPEST:
                self._keys[self._depth] = value
        elif event in ("start_map", "start_array"):
            if self._is_in_messages() and self._depth == _MESSAGE - 1:
                self._message = self._next_message(event == "start_map")
            self._depth += 1
            if self._depth <= _DEEPEST:
                self._keys[self._depth] = _ITEM if event == "start_array" else ""
            self._begin(event)
        elif event in ("end_map", "end_array"):
            return self._end()
        else:
            if self._stream.was_cut and event == "string":
                self._stream.was_cut, value = False, TOO_LONG
            return self._scalar(value)
        return None

    def _is_in_messages(self) -> bool:
        return self.entry is not None and self._keys[_ENTRY] == "_webSocketMessages" and self._keys[_ENTRY + 1] == _ITEM

    def _next_message(self, is_object: bool) -> HarMessage:
        assert self.entry is not None
        self.entry.messages += 1
        return HarMessage(self.entry.number, self.entry.messages, is_object=is_object)

    def _begin(self, event: str) -> None:
        if self._depth == _ENTRY and event == "start_map" and self._keys[1:_ENTRY] == ["log", "entries", _ITEM]:
            self._entries += 1
            self.entry = HarEntry(self._entries)
        elif self._depth == _ENTRY + 1 and self.entry is not None and self._is_in_messages():
            self.entry.has_messages = True

    def _end(self) -> HarMessage | HarEntry | None:
        ended: HarMessage | HarEntry | None = None
        if self._depth == _HEADER and self._is_in_response_headers():
            self._end_header()
        if self._depth == _MESSAGE and self._message is not None:
            ended, self._message = self._message, None
            if self._only_first and ended.number > 1:
                ended = None
        elif self._depth == _ENTRY and self.entry is not None:
            ended, self.entry = self.entry, None
        self._depth -= 1
        return ended

    def _is_in_response_headers(self) -> bool:
        return self.entry is not None and self._keys[_ENTRY:_HEADER] == ["response", "headers", _ITEM]

    def _end_header(self) -> None:
        assert self.entry is not None
        name, value = self._header.get("name"), self._header.get("value")
        self._header = {}
        if isinstance(name, str) and isinstance(value, str):
            self.entry.extensions = self.entry.extensions or ""
            if name.lower() == _EXTENSIONS:
                self.entry.extensions = f"{self.entry.extensions}, {value}".removeprefix(", ")[:1000]

    def _scalar(self, value: Any) -> HarMessage | None:
        if self.entry is None or self._depth > _DEEPEST:
            return None
        if self._message is not None:
            if self._depth == _MESSAGE and self._message.is_object:
                key = self._keys[_MESSAGE]
                self._message.repeats_a_key |= key in self._message.fields
                self._message.fields[key] = value
            return None
        if self._is_in_messages() and self._depth == _MESSAGE - 1:
            return self._next_message(False)
        if name := _FIELDS.get((self._depth, *self._keys[_ENTRY : self._depth + 1])):
            self.entry.fields[name] = value
        elif self._depth == _HEADER and self._is_in_response_headers():
            self._header[self._keys[_HEADER]] = value
        return None
