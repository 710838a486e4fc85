"""Reads captures, whatever they are.

In: files. Out: their connections, messages and problems, one after the other.
Never: trusts a file's name; loads a file whole.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import ijson

from reznet_ws.audit.read.capture import Item, Problem
from reznet_ws.audit.read.engineio_log import hint_for, is_log_line, read_engineio_log
from reznet_ws.audit.read.har import read_har
from reznet_ws.audit.read.json_stream import JsonBytes
from reznet_ws.audit.read.jsonl import is_event_line, read_jsonl
from reznet_ws.audit.read.log_lines import is_log_field
from reznet_ws.audit.read.network_capture import read_network_capture
from reznet_ws.audit.read.network_packets import MAGICS
from reznet_ws.audit.read.source import CHUNK_BYTES, Capture, Source
from reznet_ws.audit.read.unpacking import CannotUnpack, PlainFile, unpacked

# A file that is broken all over says so as often as this.
MAX_PROBLEMS = 100
# A bar that moves 800 times over 200 MB.
_PROGRESS_BYTES = 2**18
_FIRST_LINES = 20_000
_FIRST_ITEMS = 200
_UNPACKED_IN_PART = "it is cut off, or unpacks to more than 2 GB; the rest is left out"
# A line of an application's log is not looked at beyond this.
_MOST_LINE_BYTES = 2**20
# What PowerShell's ">" writes.
_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_JSON_OBJECT = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{")
_JSON_ARRAY = re.compile(rb"(?:\xef\xbb\xbf)?\s*\[\s*\{")
_UNKNOWN = (
    "it is no HAR file, no debug log of engine.io or socket.io (plain, JSON, logfmt or CSV), no pcap, and no JSON "
    'Lines of events. In a browser: F12, Network, reload, "Export HAR"; a server: engineio_logger=True or DEBUG=engine*'
)

Reader = Callable[[Source], Iterator[Item]]


def read(paths: Iterable[str | Path], on_progress: Callable[[int, int], None] | None = None) -> Iterator[Item]:
    """Everything in some files: HAR, debug logs of engine.io and socket.io, JSON Lines of events.

    Connections are numbered across files; `time_ms` counts from the first moment of the first file that has a clock.
    `on_progress` is called with the bytes read and the bytes in all. What cannot be read becomes a `Problem`; a file
    that cannot be opened too. No `Record` at all means that nothing could be read.
    """
    files = [Path(path) for path in paths]
    progress = _BytesRead(files, on_progress)
    capture = Capture()
    for path in files:
        try:
            # A pipe gives its content once, and what a file is has to be seen before it is read.
            if path.exists() and not (path.is_file() or path.is_dir()):
                yield Problem(str(path), "the whole file", "it is no regular file; write what it gives to one")
                continue
            with unpacked(path) as plain_files:
                for plain in plain_files:
                    source = Source(plain.path, capture, progress.part(path, plain_files), plain.name, plain.beside)
                    yield from _limited(source, _reader_of(plain.path)(source))
                    if plain.is_cut:
                        yield source.problem(
                            "the end", "it is cut off, or unpacks to more than 2 GB; the rest is left out"
                        )
        except CannotUnpack as error:
            yield Problem(str(path), "the whole file", str(error))
        except OSError as error:
            yield Problem(str(path), "the whole file", error.strerror or str(error))
        progress.finish(path)


class _BytesRead:
    """Bytes read of the bytes in all files."""

    def __init__(self, files: list[Path], on_progress: Callable[[int, int], None] | None) -> None:
        self._sizes = {path: path.stat().st_size if path.is_file() else 0 for path in files}
        self._total = sum(self._sizes[path] for path in files)
        self._on_progress = on_progress
        self._finished = 0
        self._read = 0.0
        self._told = 0.0

    def add(self, count: float) -> None:
        self._read += count
        if self._read - self._told >= _PROGRESS_BYTES:
            self._tell()

    def part(self, path: Path, plain_files: Sequence[PlainFile]) -> Callable[[float], None]:
        """What adds bytes that were read of plain files, as bytes of the file that they were unpacked from."""
        unpacked_bytes = sum(plain.path.stat().st_size for plain in plain_files if plain.path.is_file())
        share = self._sizes[path] / unpacked_bytes if unpacked_bytes else 1.0
        return lambda count: self.add(count * share)

    def finish(self, path: Path) -> None:
        """A file is done, whether or not all of it was read."""
        self._finished += self._sizes[path]
        self._read = self._finished
        self._tell()

    def _tell(self) -> None:
        self._told = self._read
        if self._on_progress is not None:
            self._on_progress(min(int(self._read), self._total), self._total)


def _reader_of(path: Path) -> Reader:
    """The reader for what a file begins with."""
    with path.open("rb") as file:
        head = file.read(CHUNK_BYTES)
        # A HAR file is often one line; no event's line is looked at beyond this.
        head += b"" if b"\n" in head else file.readline(2**20)
    if not head.strip():
        return _refuse("it is empty")
    if head.startswith(MAGICS):
        return read_network_capture
    if head.startswith(_UTF_16_MARKS):
        return _refuse("it is UTF-16; save it as UTF-8")
    lines = [line for line in head.split(b"\n") if line.strip()]
    first = [line.removeprefix(codecs.BOM_UTF8).strip() for line in lines[:20]]
    if any(is_log_line(line) for line in first):
        return read_engineio_log
    if any(is_event_line(line) for line in first) and not any(is_log_field(line) for line in first):
        return read_jsonl
    # A log's objects stand on a line each, and are small.
    if _JSON_OBJECT.match(head) and not (len(first) > 1 and is_log_field(first[0])):
        # The first line of events may be longer than is looked at.
        return read_jsonl if path.suffix in (".jsonl", ".ndjson") else read_har
    if _JSON_ARRAY.match(head):
        return read_engineio_log if any(is_log_line(line) for line in _first_items(path)) else _refuse(_UNKNOWN)
    return _log_reader(path)


def _log_reader(path: Path) -> Reader:
    """For a file whose first lines have a line of such a log: an application says much else when it starts."""
    hint: str | None = None
    with path.open("rb") as file:
        for _ in range(_FIRST_LINES):
            line = file.readline(_MOST_LINE_BYTES).strip()
            if is_log_line(line):
                return read_engineio_log
            hint = hint or hint_for(line)
    return _refuse(hint or _UNKNOWN)


def _first_items(path: Path) -> Iterator[bytes]:
    """The first objects of an array, each as a line."""
    with path.open("rb") as file:
        try:
            for item in islice(ijson.items(JsonBytes(file, lambda _: None), "item", use_float=True), _FIRST_ITEMS):
                yield json.dumps(item).encode()
        except (ijson.JSONError, ValueError, ArithmeticError):
            return


def _refuse(reason: str) -> Reader:
    """A reader for what cannot be read."""

    def refuse(source: Source) -> Iterator[Item]:
        yield source.problem("the whole file", reason)

    return refuse


def _limited(source: Source, items: Iterable[Item]) -> Iterator[Item]:
    """The items, with no more problems than anybody reads."""
    problems = 0
    for item in items:
        problems += isinstance(item, Problem)
        if problems <= MAX_PROBLEMS or not isinstance(item, Problem):
            yield item
    if problems > MAX_PROBLEMS:
        yield source.problem("the whole file", f"{problems - MAX_PROBLEMS} more problems are not shown")
