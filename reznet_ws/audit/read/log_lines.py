r"""Lines of a log without what a collector put around them, each packet's line once.

In: a file of lines (or an array) of JSON, of containerd, logfmt, CSV, or plain text. Out: what the application's logger
wrote, and beside it the fields that name a time.
Never: knows what a message means; holds more than one line and what a runtime cut off it.

    {"log": "…\n", "stream": "stderr", "time": "2026-…"}     Docker; a line of 16 KB and more goes on in the next
    {"event": "…", "timestamp": "2026-…"}                     structlog; "message", "msg": python-json-logger, Bunyan
    {"MESSAGE": "…", "__REALTIME_TIMESTAMP": "179…"}          journalctl -o json
    {"textPayload": "…", "timestamp": "2026-…"}               Cloud Logging
    2026-… stderr P …                                         containerd, CRI-O; P goes on in the next, F ends
    ts=2026-… msg="…"                                         logfmt
    "2026-…","INFO","…"                                       CSV

Source: docker's jsonlog.go and copier.go, Kubernetes' CRI logging format, systemd.journal-fields(7), google.logging.v2.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import ijson

from reznet_ws.audit.read.json_stream import JsonBytes
from reznet_ws.audit.read.protocol import MAX_FRAME_BYTES
from reznet_ws.audit.read.source import CHUNK_BYTES, Source

_MESSAGE_KEYS = ("log", "message", "msg", "event", "MESSAGE", "textPayload", "jsonPayload", "body", "@message")
_TIME_KEYS = (
    "asctime",
    "timestamp",
    "time",
    "ts",
    "@timestamp",
    "created",
    "datetime",
    "t",
    "__REALTIME_TIMESTAMP",
    "_SOURCE_REALTIME_TIMESTAMP",
)
_MOST_WRAPPINGS = 4
_MOST_CHANNELS = 16
_CONTAINERD = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T\S{8,40}) (stdout|stderr) ([FP])(?::\S{1,20})? ")
_LOGFMT = re.compile(r'(?:^|\s)(?:msg|message|event)="')
_LOGFMT_VALUE = re.compile(r'((?:[^"\\]|\\.)*+)"?')
_CSV_FIELD = re.compile(r'(?:^|,)"((?:[^"]|"")*+)"(?=,|\Z)')
# What only engine.io and socket.io say.
_SAID = re.compile(
    r"[A-Za-z0-9_-]{16,64}: (?:Sending|Received|Upgrade|Invalid)|(?:Sending|Received) packet |"
    r"(?:^|[\s\"])(?:engine|socket\.io)[.:-][a-z.:-]+ |(?:Polling|WebSocket) (?:connection|upgrade) |emitting event "
)
_COLOR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(slots=True)
class LogLine:
    """One line. `before`: what stood in front within a wrapping; `beside`: values of fields that name a time.

    `wrapping`: what was taken off. `goes_on`: a runtime cut it, and `channel` tells whose the next part is.
    """

    number: int
    text: str
    before: str = ""
    beside: tuple[Any, ...] = ()
    wrapping: str = ""
    channel: str = ""
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class BadLine:
    """Why a line is left out."""

    number: int
    reason: str


def log_lines(source: Source) -> Iterator[LogLine | BadLine]:
    """The lines of a log, put together where a runtime cut them."""
    cut: dict[str, _Parts] = {}
    for line in _array(source) if _is_array(source) else _lines(source):
        if isinstance(line, BadLine):
            yield line
            continue
        if line.goes_on or line.channel in cut:
            parts = cut.setdefault(line.channel, _Parts(line)) if len(cut) < _MOST_CHANNELS else _Parts(line)
            parts.add(line)
            if line.goes_on and parts.characters < MAX_FRAME_BYTES and line.channel in cut:
                continue
            cut.pop(line.channel, None)
            line = parts.whole()
        yield _unwrapped(line)
    for parts in cut.values():
        yield _unwrapped(parts.whole())


def unwrap(number: int, text: str) -> LogLine:
    """What a logger wrote, from inside all that was put around it."""
    return _unwrapped(_from_runtime(number, text))


def is_log_field(content: bytes) -> bool:
    """Whether a line is an object as loggers and runtimes write it: what was said, and when, and no event's data."""
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        return False
    is_object = isinstance(fields, dict) and not ("dir" in fields or "data" in fields)
    return is_object and _message_in(fields) is not None and any(key in fields for key in _TIME_KEYS)


class _Parts:
    """What a runtime cut."""

    def __init__(self, first: LogLine) -> None:
        self._first = first
        self._texts: list[str] = []
        self.characters = 0

    def add(self, line: LogLine) -> None:
        self._texts.append(line.text)
        self.characters += len(line.text)

    def whole(self) -> LogLine:
        self._first.text = "".join(self._texts)
        return self._first


def _from_runtime(number: int, text: str) -> LogLine:
    """A line without what Docker or containerd put around it."""
    line = LogLine(number, text)
    if kept := _CONTAINERD.match(text):
        line.beside = (kept[1],)
        line.wrapping = "containerd "
        line.channel, line.goes_on = kept[2], kept[3] == "P"
        line.text = text[kept.end() :]
    elif text.lstrip().startswith('{"log":'):
        _take_off_json(line)
    return line


def _unwrapped(line: LogLine) -> LogLine:
    for _ in range(_MOST_WRAPPINGS):
        if "\x1b" in line.text:
            line.text = _COLOR.sub("", line.text)
        if not _take_off(line):
            break
    return line


def _lines(source: Source) -> Iterator[LogLine | BadLine]:
    for number, content in source.lines():
        if content is None:
            yield BadLine(number, "it is longer than 64 MB; left out")
            continue
        yield _from_runtime(number, content.decode("utf-8", "replace"))


def _is_array(source: Source) -> bool:
    with source.path.open("rb") as file:
        head = file.read(CHUNK_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()
    return re.match(rb"\[\s*\{", head) is not None


def _array(source: Source) -> Iterator[LogLine | BadLine]:
    """An array of objects, as `gcloud logging read --format=json` writes it."""
    with source.path.open("rb") as file:
        stream = JsonBytes(file, source.on_bytes)
        number = 0
        try:
            for number, item in enumerate(ijson.items(stream, "item", use_float=True, buf_size=CHUNK_BYTES), 1):
                yield _from_runtime(number, json.dumps(item))
        except (ijson.JSONError, ValueError, ArithmeticError):
            yield BadLine(number + 1, "it is not JSON from here on; the rest is lost")


def _take_off(line: LogLine) -> bool:
    """Take off one wrapping; whether there was one."""
    text = line.text
    if text.lstrip().startswith("{"):
        return _take_off_json(line)
    said = _SAID.search(text)
    if said is None:
        return False
    # A field that begins behind what these libraries say is part of a payload.
    if (field := _LOGFMT.search(text, 0, said.start() + 1)) and field.start() < said.start():
        field = _LOGFMT_VALUE.match(text, field.end())
        try:
            message = json.loads(f'"{field[1]}"', strict=False) if field else None
        except ValueError:
            return False
        kind = "logfmt"
    else:
        fields = (field for field in _CSV_FIELD.finditer(text) if field.start() <= said.start() < field.end())
        field = next(fields, None)
        message = field[1].replace('""', '"') if field else None
        kind = "CSV"
    if field is None or message is None:
        return False
    line.before = f"{line.before}{text[: field.start()]} "
    line.wrapping += f"{kind} "
    line.text = message
    return True


def _take_off_json(line: LogLine) -> bool:
    try:
        fields = json.loads(line.text)
    except (ValueError, RecursionError):
        return False
    message = _message_in(fields) if isinstance(fields, dict) else None
    if message is None:
        return False
    key, text = message
    times = [fields[name] for name in _TIME_KEYS if name in fields]
    line.beside += tuple(int(at) if isinstance(at, str) and at.isdigit() and len(at) < 20 else at for at in times)
    line.wrapping += f"{key} "
    if key == "log":
        line.channel, line.goes_on = str(fields.get("stream", ""))[:20], not text.endswith("\n")
    line.text = text.rstrip("\r\n")
    return True


def _message_in(fields: dict[str, Any]) -> tuple[str, str] | None:
    """The field that holds what the logger wrote: the first text of those that are called like it."""
    for key in _MESSAGE_KEYS:
        value = fields.get(key)
        if isinstance(value, str):
            return key, value
        if isinstance(value, dict) and (within := _message_in(value)):
            return key, within[1]
        # journalctl writes what is not UTF-8, or has control characters, as numbers.
        if key == "MESSAGE" and isinstance(value, list) and all(type(one) is int and 0 <= one < 256 for one in value):
            return key, bytes(value).decode("utf-8", "replace")
    return None
