"""Reads captures, whatever they are.

In: files. Out: their connections, messages and problems, one after the other.
Never: trusts a file's name; loads a file whole.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from reznet_ws.audit.read.capture import Item, Problem
from reznet_ws.audit.read.engineio_log import is_log_line, read_engineio_log
from reznet_ws.audit.read.har import read_har
from reznet_ws.audit.read.jsonl import is_event_line, read_jsonl
from reznet_ws.audit.read.source import CHUNK_BYTES, Capture, Source

# A file that is broken all over says so as often as this.
MAX_PROBLEMS = 100
# A bar that moves 800 times over 200 MB.
_PROGRESS_BYTES = 2**18
_FIRST_LINES = 20_000
# How files begin that a browser or a tool may have compressed. Source: RFC 1952, RFC 8878, PKWARE's APPNOTE.
_COMPRESSED = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"\x28\xb5\x2f\xfd": "zstd"}
# What PowerShell's ">" writes.
_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_JSON_OBJECT = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{")

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
        source = Source(path, capture, progress.add)
        try:
            # A pipe gives its content once, and what a file is has to be seen before it is read.
            if path.exists() and not (path.is_file() or path.is_dir()):
                yield source.problem("the whole file", "it is no regular file; write what it gives to one")
                continue
            yield from _limited(source, _reader_of(path)(source))
        except OSError as error:
            yield source.problem("the whole file", error.strerror or str(error))
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
    for begin, name in _COMPRESSED.items():
        if head.startswith(begin):
            return _refuse(f"it is compressed ({name}); unpack it first")
    if head.startswith(_UTF_16_MARKS):
        return _refuse("it is UTF-16; save it as UTF-8")
    lines = [line for line in head.split(b"\n") if line.strip()]
    if any(is_event_line(line) for line in lines[:20]) or (
        # Its first line may be longer than is looked at.
        path.suffix in (".jsonl", ".ndjson") and _JSON_OBJECT.match(head)
    ):
        return read_jsonl
    if _JSON_OBJECT.match(head):
        return read_har
    if _has_log_line(path):
        return read_engineio_log
    return _refuse("it is no HAR file, no debug log of engine.io or socket.io, and no JSON Lines of events")


def _has_log_line(path: Path) -> bool:
    """Whether one of the first lines is of such a log: an application says much else when it starts."""
    with path.open("rb") as file:
        return any(is_log_line(file.readline(CHUNK_BYTES)) for _ in range(_FIRST_LINES))


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
